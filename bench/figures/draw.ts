import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Axis, Figure, Point, Reference, Series } from './figure.js';
import { drawLegend } from './legend.js';
import { DASHES, paletteCss, REFERENCE_COLOUR, seriesColour, SYMBOLS } from './palette.js';
import { escapeText } from './text.js';
import { bytesText, shortNumber, tickText } from './ticks.js';

export interface Size {
  readonly width: number;
  readonly height: number;
}
export const WIDE: Size = { width: 720, height: 340 };
/** Drawn anew for a telephone: a wide figure made smaller could not be read. */
export const NARROW: Size = { width: 340, height: 320 };

const NARROW_BELOW = 500;
const MARGIN_BOTTOM = 46;
/** Of the names of categories: about the width of a character, and degrees where they are turned. */
const CHARACTER_PX = 6.8;
const UPRIGHT = 60;
const PERCENTILE_TICKS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

interface Style {
  readonly colour: string;
  readonly dash: string;
  readonly symbol: (typeof SYMBOLS)[number];
}

/** One SVG element. `suffix` keeps ids apart where a page holds a figure in two sizes. */
export function drawFigure(given: Figure, size: Size, suffix = ''): string {
  const figure = { ...given, y: widened(given) };
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const styles = stylesOf(figure.series);
  const legend = drawLegend(
    figure.series.map((series, index) => ({ ...styles[index]!, ...series })),
    size,
  );
  const narrow = size.width < NARROW_BELOW;
  const names = namesBelow(figure, size);
  const marginTop = legend.height === 0 ? 30 : 36 + legend.height;
  const marginLeft = Math.max(narrow ? 54 : 64, names.left);
  const ticks = ownTicks(figure, size.width - marginLeft);
  const tickOf = (value: number): string =>
    figure.x.unit === 'bytes' ? bytesText(value) : shortNumber(value);
  const plot = Plot.plot({
    document,
    width: size.width,
    height: size.height + legend.height + names.bottom,
    marginTop,
    marginLeft,
    marginRight: 18,
    marginBottom: MARGIN_BOTTOM + names.bottom,
    style: { fontSize: '12px', background: 'none' },
    ...xScales(figure, narrow, names.rotate, ticks !== null),
    y: { ...scaleOf(figure.y, 'y', figure.series, narrow), label: null, grid: true },
    marks: [
      ...figure.series.flatMap((series, index) => marksOf(figure, series, styles[index]!)),
      ...(figure.references ?? []).flatMap((reference) => referenceMarks(figure, reference)),
      ...(ticks === null
        ? []
        : [Plot.axisX([...ticks], { text: ticks.map(tickOf), label: `${figure.x.label} →` })]),
    ],
  });
  const svg = plot as unknown as { setAttribute(name: string, value: string): void; outerHTML: string };
  const id = `figure-${figure.id}${suffix}`;
  svg.setAttribute('role', 'img');
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  svg.setAttribute('aria-labelledby', `${id}-title ${id}-description`);
  const title = `<title id="${id}-title">${escapeText(figure.title)}</title>`;
  const description = `<desc id="${id}-description">${escapeText(figure.description)}</desc>`;
  const text = svg.outerHTML;
  const body = text.indexOf('>') + 1;
  const yLabel = `<text x="4" y="${marginTop - 14}" text-anchor="start">↑ ${escapeText(figure.y.label)}</text>`;
  return `${text.slice(0, body)}${title}${description}${legend.svg}${yLabel}${text.slice(body)}`;
}

/** A file of its own, with its colours for both schemes. */
export function standaloneSvg(figure: Figure, size: Size = WIDE): string {
  const svg = drawFigure(figure, size);
  const style = `<style>${paletteCss('svg')}svg{color:var(--ink);background:var(--paper)}</style>`;
  const body = svg.indexOf('>') + 1;
  return `${svg.slice(0, body)}${style}${svg.slice(body)}\n`;
}

function stylesOf(series: readonly Series[]): Style[] {
  let next = 0;
  return series.map(({ reference }) => {
    if (reference === true) return { colour: REFERENCE_COLOUR, dash: '3 3', symbol: 'cross' };
    const index = next++;
    return {
      colour: seriesColour(index),
      dash: DASHES[index % DASHES.length]!,
      symbol: SYMBOLS[index % SYMBOLS.length]!,
    };
  });
}

function isGrouped({ series, x }: Figure): boolean {
  return x.scale === 'category' && series.filter(({ kind }) => kind === 'bars').length > 1;
}

interface NamesBelow {
  /** Degrees that the names of categories are turned by. */
  readonly rotate: number;
  /** Pixels that they need below and to the left because of it. */
  readonly bottom: number;
  readonly left: number;
}

/** Names that do not fit beside each other stand nearly upright. */
function namesBelow(figure: Figure, { width }: Size): NamesBelow {
  const names = figure.x.scale === 'category' ? categoriesOf(figure) : [];
  const longest = Math.max(0, ...names.map(({ length }) => length)) * CHARACTER_PX;
  if ((longest + 8) * names.length <= width - 90) return { rotate: 0, bottom: 0, left: 0 };
  const turn = (UPRIGHT * Math.PI) / 180;
  return {
    rotate: -UPRIGHT,
    bottom: Math.ceil(longest * Math.sin(turn)),
    left: Math.ceil(longest * Math.cos(turn)) + 4,
  };
}

function categoriesOf({ series }: Figure): string[] {
  return [...new Set(series.flatMap(({ points }) => points.map(({ x }) => String(x))))];
}

/** What a tick label needs. */
const TICK_PX = 34;

/**
 * On a logarithmic axis the values that were measured, where they are few enough to be written beside each other; null
 * elsewhere. D3 chooses round numbers, and leaves the label of any other one out.
 */
function ownTicks({ x, series }: Figure, width: number): readonly number[] | null {
  if (x.scale !== 'log') return null;
  const values = series.flatMap(({ points }) => points.map((point) => Number(point.x)));
  const distinct = [...new Set(values)].filter((value) => value > 0).sort((a, b) => a - b);
  const [least, most] = [distinct[0], distinct.at(-1)];
  if (least === undefined || most === undefined || distinct.length < 2) return null;
  const pxOf = (value: number): number => (Math.log(value / least) / Math.log(most / least)) * width;
  const isClose = distinct.some((value, i) => i > 0 && pxOf(value) - pxOf(distinct[i - 1]!) < TICK_PX);
  return isClose ? null : distinct;
}

function xScales(
  figure: Figure,
  narrow: boolean,
  rotate: number,
  hasOwnTicks: boolean,
): Pick<Plot.PlotOptions, 'x' | 'fx'> {
  if (figure.x.scale !== 'category') {
    return {
      x: {
        ...scaleOf(figure.x, 'x', figure.series, narrow),
        label: `${figure.x.label} →`,
        inset: 8,
        ...(hasOwnTicks ? { axis: null } : {}),
      },
    };
  }
  const categories = {
    label: figure.x.label,
    domain: categoriesOf(figure),
    padding: 0.25,
    ...(rotate === 0 ? {} : { tickRotate: rotate }),
  };
  if (!isGrouped(figure)) return { x: { type: 'band', ...categories } };
  return {
    fx: { ...categories, axis: 'bottom' },
    x: { type: 'band', axis: null, domain: figure.series.map(({ name }) => name), padding: 0 },
  };
}

/** The limits of the y axis, moved where a value or its range is outside: a slow machine's figures are drawn too. */
function widened({ y, series }: Figure): Axis {
  const points = series.flatMap((one) => one.points.filter((point) => isDrawable(y, point)));
  const values = points.flatMap((point) => [point.y, point.low ?? point.y, point.high ?? point.y]);
  const shown = y.scale === 'linear' ? values : values.filter((value) => value > 0);
  if (shown.length === 0) return y;
  // Limits that are the same would draw nothing as bars of full height.
  if (y.scale === 'linear' && shown.every((value) => value === 0)) return { ...y, from: 0, to: y.to ?? 1 };
  const least = Math.min(...shown);
  const start = y.scale === 'linear' ? least : 10 ** Math.floor(Math.log10(least));
  return {
    ...y,
    ...(y.from === undefined ? {} : { from: Math.min(y.from, start) }),
    ...(y.to === undefined ? {} : { to: Math.max(y.to, ...shown) }),
  };
}

function scaleOf(
  axis: Axis,
  which: 'x' | 'y',
  series: readonly Series[],
  narrow: boolean,
): Plot.ScaleOptions {
  const values = series.flatMap(({ points }) => points.map((point) => Number(point[which])));
  const most = Math.max(...values.filter(Number.isFinite));
  const domain = axis.from !== undefined && axis.to !== undefined ? { domain: [axis.from, axis.to] } : {};
  return {
    type: axis.scale === 'linear' ? 'linear' : 'log',
    nice: which === 'y',
    tickFormat: (value: number) => tickText(axis, value),
    ticks: which === 'y' ? 6 : narrow ? 4 : 8,
    ...(axis.scale === 'percentile' ? { ticks: PERCENTILE_TICKS.filter((tick) => tick <= most) } : {}),
    ...domain,
  };
}

function referenceMarks(figure: Figure, { axis, value, label }: Reference): Plot.Markish[] {
  const line = { stroke: REFERENCE_COLOUR, strokeDasharray: '5 4', strokeWidth: 1.5 };
  // The halo keeps the text readable on top of a bar.
  const text = { text: [label], fill: REFERENCE_COLOUR, stroke: 'var(--paper)', strokeWidth: 4 };
  return axis === 'y'
    ? [
        Plot.ruleY([value], line),
        Plot.text([label], {
          ...text,
          y: [value],
          // Once, not in each group of bars.
          ...(isGrouped(figure) ? { fx: [categoriesOf(figure).at(-1)] } : {}),
          frameAnchor: 'right',
          dy: -8,
          textAnchor: 'end',
        }),
      ]
    : [
        Plot.ruleX([value], line),
        Plot.text([label], { ...text, x: [value], frameAnchor: 'top', dx: 5, textAnchor: 'start' }),
      ];
}

function marksOf(figure: Figure, series: Series, style: Style): Plot.Markish[] {
  const points = series.points.filter((point) => isDrawable(figure.y, point) && isDrawableX(figure.x, point));
  const { colour, dash } = style;
  const ranges = points.filter(({ low, high }) => low !== undefined && high !== undefined);
  const whiskers = Plot.ruleX(ranges, {
    ...(isGrouped(figure) ? { fx: 'x', x: () => series.name } : { x: 'x' }),
    y1: 'low',
    y2: 'high',
    stroke: series.kind === 'bars' ? 'var(--ink)' : colour,
    strokeWidth: 1.5,
  });
  switch (series.kind) {
    case 'line':
      return [
        Plot.line(points, {
          x: 'x',
          y: 'y',
          stroke: colour,
          strokeWidth: 2,
          ...(dash === '' ? {} : { strokeDasharray: dash }),
        }),
        ...(points.length <= 40
          ? [Plot.dot(points, { x: 'x', y: 'y', fill: colour, symbol: style.symbol, r: 3.5 })]
          : []),
        ...(ranges.length > 0 ? [whiskers] : []),
      ];
    case 'dots':
      return [
        Plot.dot(points, {
          x: 'x',
          y: 'y',
          stroke: colour,
          fill: series.reference === true ? 'none' : colour,
          symbol: style.symbol,
          r: 4.5,
        }),
        ...(ranges.length > 0 ? [whiskers] : []),
      ];
    case 'bars':
      return [
        isGrouped(figure)
          ? Plot.barY(points, {
              fx: 'x',
              x: () => series.name,
              y1: figure.y.from ?? floorOf(figure.y),
              y2: 'y',
              fill: colour,
            })
          : Plot.barY(points, { x: 'x', y1: figure.y.from ?? floorOf(figure.y), y2: 'y', fill: colour }),
        ...(points.some(({ y }) => y === 0) ? [zeros(figure, series, points)] : []),
        ...(ranges.length > 0 ? [whiskers] : []),
      ];
  }
}

/** A bar of no height could as well be one that is missing. */
function zeros(figure: Figure, series: Series, points: readonly Point[]): Plot.Markish {
  return Plot.text(
    points.filter(({ y }) => y === 0),
    {
      ...(isGrouped(figure) ? { fx: 'x', x: () => series.name } : { x: 'x' }),
      y: 'y',
      text: () => '0',
      dy: -8,
    },
  );
}

/** Where bars begin. */
function floorOf(axis: Axis): number {
  return axis.scale === 'log' ? 1 : 0;
}

/** A logarithm has no place for zero. */
function isDrawable(axis: Axis, { y }: Point): boolean {
  return Number.isFinite(y) && (axis.scale === 'linear' || y > 0);
}

function isDrawableX(axis: Axis, { x }: Point): boolean {
  return typeof x === 'string' || (Number.isFinite(x) && (axis.scale === 'linear' || x > 0));
}
