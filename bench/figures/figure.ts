import type { Row } from '../report/schema.js';

/**
 * A figure as an experiment declares it: plain data, drawn later by `draw.ts`. Few kinds of marks on
 * purpose, so that all figures of the report read alike.
 */
export interface Figure {
  /** Unique in the report: the name of its SVG file and of its anchor. */
  readonly id: string;
  readonly title: string;
  /** What one sees, in a sentence, for those who do not see it. */
  readonly description: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  readonly references?: readonly Reference[];
  /** What the marks were drawn from. */
  readonly table: FigureTable;
}

export interface Axis {
  readonly label: string;
  /** `percentile`: values are 1/(1-p), so that p99, p99.9 and p99.99 are equally far apart. */
  readonly scale: 'linear' | 'log' | 'percentile' | 'category';
  /** How ticks are written. */
  readonly unit?: 'percent' | 'bytes';
  readonly from?: number;
  readonly to?: number;
}

export interface Series {
  readonly name: string;
  readonly kind: 'line' | 'dots' | 'bars';
  /** Values of the paper, or of something else that was not measured here: grey and dashed. */
  readonly reference?: boolean;
  readonly points: readonly Point[];
}

export interface Point {
  readonly x: number | string;
  readonly y: number;
  /** Range over the rounds. */
  readonly low?: number;
  readonly high?: number;
}

/** A line across the figure. */
export interface Reference {
  readonly axis: 'x' | 'y';
  readonly value: number;
  readonly label: string;
}

export interface FigureTable {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

/** `hint`: a p99.9 from too few samples. */
export type Cell = string | number | null | { readonly hint: number };

/** A line per group of rows, by two fields of the rows; rows without both are left out. */
export function linesBy(
  rows: readonly Row[],
  name: (row: Row) => string,
  x: (row: Row) => number | null,
  y: (row: Row) => number | null,
): Series[] {
  const lines = new Map<string, Point[]>();
  for (const row of rows) {
    const [atX, atY] = [x(row), y(row)];
    if (atX === null || atY === null) continue;
    const points = lines.get(name(row)) ?? [];
    points.push({ x: atX, y: atY });
    lines.set(name(row), points);
  }
  return [...lines].map(([line, points]) => ({ name: line, kind: 'line', points }));
}

/** A table with one line per row. A p99.9 is marked where it rests on too few samples. */
export function tableOf(
  rows: readonly Row[],
  columns: Readonly<Record<string, (row: Row) => string | number | null>>,
): FigureTable {
  const cellOf = (row: Row, [title, value]: [string, (row: Row) => string | number | null]): Cell => {
    const plain = value(row);
    const isHint = title.includes('p99.9') && row['p999FewSamples'] === true;
    return isHint && typeof plain === 'number' ? { hint: plain } : plain;
  };
  return {
    columns: Object.keys(columns),
    rows: rows.map((row) => Object.entries(columns).map((column) => cellOf(row, column))),
  };
}

/** Range over median of the rounds; nothing of a single one. */
export function spreadText(row: Row): string | null {
  const spread = row['spread'];
  return typeof spread === 'number' ? `${Number((spread * 100).toPrecision(2))} %` : null;
}
