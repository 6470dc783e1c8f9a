import type { Step, StepReport } from '../cases/case.js';
import { linesBy, tableOf, type Axis, type Figure } from '../figures/figure.js';
import { bytesText, shortNumber } from '../figures/ticks.js';
import { interleaved } from '../measure/statistics.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { DEFAULT_QUORUM } from '../suite/defaults.js';
import { defineExperiment, type ProcessPlan } from '../suite/experiment.js';
import { startSeconds } from '../suite/load-steps.js';
import type { RingletSpec } from '../targets/ringlet.js';

interface Parameters {
  readonly rounds: number;
  readonly nodes: readonly number[];
  readonly callers: readonly number[];
  readonly valueBytes: readonly number[];
  readonly keys: readonly number[];
  readonly warmupSeconds: number;
  readonly seconds: number;
}

type Dimension = 'nodes' | 'callers' | 'valueBytes' | 'keys';
interface Point {
  readonly dimension: Dimension;
  readonly value: number;
}

/** What every point has but for its own dimension. */
const BASE = { nodes: 4, callers: 1, valueBytes: 100, keys: 20_000 };
const IN_FLIGHT = 32;
/** So that a million keys, and large values, do not fit into the object buffers: gets then reach the engine. */
const MEMORY_MIB = 256;
const AXES: Readonly<
  Record<Dimension, { readonly title: string; readonly unit: string; readonly axis: Axis }>
> = {
  nodes: {
    title: 'virtual nodes',
    unit: 'virtual nodes',
    axis: { label: 'virtual nodes (one per node)', scale: 'log' },
  },
  callers: {
    title: 'calling threads',
    unit: 'calling threads',
    axis: { label: 'calling threads', scale: 'log' },
  },
  valueBytes: {
    title: 'size of the values',
    unit: 'bytes per value',
    axis: { label: 'bytes of a value', scale: 'log', unit: 'bytes' },
  },
  keys: { title: 'number of keys', unit: 'keys', axis: { label: 'keys', scale: 'log' } },
};
const FILL_BYTES_PER_SECOND = 60e6;

export default defineExperiment<Parameters>({
  name: 'scale',
  // Behind all others: a slow machine fills its last points for minutes, and has the others without them.
  order: 200,
  title: 'Scale: more nodes, threads, bytes and keys',
  question:
    'What happens to rate and p99.9 with more virtual nodes, more calling threads, larger values and more keys than memory holds?',
  explanation: {
    shows:
      'One thing is varied at a time from a common point: four nodes, one calling thread, values of 100 bytes, 20,000 keys. For each a figure of the rate of gets and of puts, and one of their p99.9.',
    measured: `A closed loop with ${IN_FLIGHT} in flight per calling thread, N=3, R=2, W=2 (all nodes if fewer), buffered, uniform keys, object buffers of ${MEMORY_MIB} MiB together. From about 600,000 keys of 100 bytes on, three copies are more than the buffers hold, and gets have to reach LMDB.`,
    paper: null,
    follows:
      'Use about as many virtual nodes as cores; more only add wake-ups. Several calling threads help gets, which run in the caller, more than puts. Give `memory` room for the keys that are read often: what is not in the object buffers costs a message and a read of the engine.',
  },
  parameters: {
    quick: {
      rounds: 1,
      nodes: [2, 4],
      callers: [],
      valueBytes: [],
      keys: [],
      warmupSeconds: 0.1,
      seconds: 0.2,
    },
    default: {
      rounds: 1,
      nodes: [1, 2, 4, 8],
      callers: [1, 2, 4],
      valueBytes: [10, 100, 1_024, 16_384, 1_048_576],
      keys: [1_000, 20_000, 100_000, 1_000_000],
      warmupSeconds: 0.2,
      seconds: 0.3,
    },
    full: {
      rounds: 3,
      nodes: [1, 2, 4, 8, 16],
      callers: [1, 2, 4, 8],
      valueBytes: [10, 100, 1_024, 16_384, 131_072, 1_048_576],
      keys: [1_000, 10_000, 100_000, 1_000_000, 10_000_000],
      warmupSeconds: 2,
      seconds: 20,
    },
  },
  seconds: (parameters, processes) =>
    parameters.rounds *
    pointsOf(parameters).reduce((sum, point) => sum + pointSeconds(parameters, point, processes), 0),
  async run(parameters, context) {
    const { engine, seed } = context.options;
    const results = pointsOf(parameters).map((point) => ({ point, reports: [[], []] as StepReport[][] }));
    for (const round of context.rounds(parameters.rounds)) {
      for (const { point, reports } of interleaved(results, round)) {
        const { keys, valueBytes } = settingsOf(point);
        const report = await context.runCase(
          `${point.value} ${AXES[point.dimension].unit}, round ${round + 1}`,
          {
            kind: 'steps',
            system: systemOf(point, engine, context.scratch(point.dimension)),
            workload: { keys, valueBytes, seed: seed + round },
            steps: stepsOf(parameters, point),
            heating: context.processes.briefHeating,
          },
        );
        report?.steps.forEach((step, index) => reports[index]?.push(step));
      }
    }
    return {
      rows: results.flatMap(({ point, reports }) => {
        const subject = subjectOf(
          systemOf(point, engine, ''),
          `${point.value} ${AXES[point.dimension].unit}`,
        );
        return stepsOf(parameters, point).flatMap((step, index) =>
          rowsOf(subject, step, reports[index]!).map((row) => ({ ...row, ...point })),
        );
      }),
    };
  },
  findings: (rows) =>
    (Object.keys(AXES) as Dimension[]).flatMap((dimension) => {
      const own = rows.filter((row) => row['dimension'] === dimension && row.op === 'get');
      const [first, last] = [own[0], own.at(-1)];
      if (first === undefined || last === undefined || first === last) return [];
      const name = (row: Row): string =>
        dimension === 'valueBytes' ? bytesText(Number(row['value'])) : shortNumber(Number(row['value']));
      return [
        `By ${AXES[dimension].title}: ${shortNumber(first.opsPerSecond ?? 0)} gets/s at ${name(first)}, ${shortNumber(last.opsPerSecond ?? 0)} at ${name(last)}.`,
      ];
    }),
  figures: (rows) =>
    (Object.keys(AXES) as Dimension[]).flatMap((dimension) => {
      const own = rows.filter((row) => row['dimension'] === dimension);
      if (new Set(own.map((row) => row['value'])).size < 2) return [];
      return [dimensionFigure(dimension, own, RATE), dimensionFigure(dimension, own, TAIL)];
    }),
});

function pointsOf({ nodes, callers, valueBytes, keys }: Parameters): readonly Point[] {
  const lists: Readonly<Record<Dimension, readonly number[]>> = { nodes, callers, valueBytes, keys };
  return (Object.keys(lists) as Dimension[]).flatMap((dimension) =>
    lists[dimension].map((value): Point => ({ dimension, value })),
  );
}

function settingsOf({ dimension, value }: Point): typeof BASE {
  const settings = { ...BASE, [dimension]: value };
  // A store of large values is filled with fewer of them.
  return dimension === 'valueBytes'
    ? { ...settings, keys: Math.min(BASE.keys, Math.ceil(30e6 / value)) }
    : settings;
}

function systemOf(point: Point, engine: RingletSpec['engine'], directory: string): RingletSpec {
  const { nodes } = settingsOf(point);
  const n = Math.min(DEFAULT_QUORUM.n, nodes);
  const majority = Math.floor(n / 2) + 1;
  return {
    system: 'ringlet',
    n,
    r: majority,
    w: majority,
    durability: 'buffered',
    engine,
    nodes,
    // Larger values need larger segments.
    memoryMiB: point.dimension === 'valueBytes' ? 2 * MEMORY_MIB : MEMORY_MIB,
    directory,
  };
}

function stepsOf(
  { warmupSeconds, seconds }: Parameters,
  point: Point,
): readonly Extract<Step, { kind: 'closed' }>[] {
  const { callers } = settingsOf(point);
  return (['get', 'put'] as const).map((op) => ({
    kind: 'closed',
    op,
    inFlight: point.value >= 1 << 20 && point.dimension === 'valueBytes' ? 4 : IN_FLIGHT,
    callers,
    warmupSeconds,
    seconds,
  }));
}

function pointSeconds({ warmupSeconds, seconds }: Parameters, point: Point, processes: ProcessPlan): number {
  const { keys, valueBytes } = settingsOf(point);
  const start = Math.max(
    startSeconds(keys, { heating: processes.briefHeating }),
    (keys * valueBytes) / FILL_BYTES_PER_SECOND,
  );
  return start + 2 * (warmupSeconds + seconds + 0.5);
}

const RATE = {
  id: '',
  title: 'Operations per second',
  label: 'per second, all callers',
  of: (row: Row) => row.opsPerSecond,
};
const TAIL = { id: '-p999', title: 'p99.9', label: 'p99.9, µs', of: (row: Row) => row.p999Us };

function dimensionFigure(
  dimension: Dimension,
  rows: readonly Row[],
  drawn: typeof RATE | typeof TAIL,
): Figure {
  const { title, axis } = AXES[dimension];
  const value = (row: Row): number => Number(row['value']);
  return {
    id: `scale-${dimension.toLowerCase()}${drawn.id}`,
    title: `${drawn.title} by ${title}`,
    description: `Lines of gets and of puts by ${title}: ${drawn.title}.`,
    x: axis,
    y: { label: drawn.label, scale: 'log' },
    series: linesBy(rows, (row) => `${row.op}s`, value, drawn.of),
    table: tableOf(rows, {
      [title]: value,
      op: (row) => row.op,
      'per second': (row) => row.opsPerSecond,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99.9 µs': (row) => row.p999Us,
      samples: (row) => row.samples,
      'CPU seconds': (row) => cpuSeconds(row),
    }),
  };
}

function cpuSeconds(row: Row): number | null {
  const [first] = (row['resources'] ?? []) as readonly (StepReport['resources'] | undefined)[];
  return first?.cpuSeconds ?? null;
}
