import type { BackgroundInput, PartReport } from '../background/background-case.js';
import type { WorkName } from '../background/works.js';
import { tableOf, type Figure } from '../figures/figure.js';
import { shortNumber, timeText } from '../figures/ticks.js';
import { interleaved, median } from '../measure/statistics.js';
import { rowsOf, subjectOf } from '../report/rows.js';
import type { Row, SummaryLine } from '../report/schema.js';
import { atLeast, atMost, ratio } from '../report/summary.js';
import { DEFAULT_QUORUM, NEEDS_DISK, FEWER_KEYS, WORKLOAD } from '../suite/defaults.js';
import { defineExperiment, type ProcessPlan } from '../suite/experiment.js';
import { openStep, startSeconds, type Window } from '../suite/load-steps.js';

interface Setting {
  readonly work: WorkName;
  readonly admission: 'on' | 'off';
}

const SETTINGS: readonly Setting[] = [
  { work: 'nothing', admission: 'on' },
  ...(['transfer', 'handoff', 'repair'] as const).flatMap((work) => [
    { work, admission: 'on' } as const,
    { work, admission: 'off' } as const,
  ]),
];

/** Stretches of work are matched with the latencies of so many parts of a second. */
const BINS_PER_SECOND = 16;
/** The joiner takes a slot each time. */
const ROOM = 32;
const NAMES = {
  nothing: 'nothing',
  start: 'threads start',
  transfer: 'transfer',
  handoff: 'hinted handoff',
  repair: 'repair',
} as const;

/** §6.5 of the paper: what background work costs requests, and what holding it back costs the work. */
export default defineExperiment({
  name: 'background',
  title: 'Background work: what requests feel of it',
  question:
    'How slow do requests get while partitions move, hints are handed over or a node is rebuilt, and what does admission control change?',
  explanation: {
    shows:
      'A steady load of gets and puts while the store does something else: nothing; a node joins and leaves again, so that a fifth of all copies moves (transfer); a node is back for which every key was written anew (hinted handoff); a node has lost its files and gets them from its peers (repair). Each with admission control, which gives background work a share of each thread’s time that falls while requests are slower than 2 ms at p99, and without it, as fast as it goes. The first figure is the tail of the requests, the second the speed of the work.',
    measured:
      'Half gets, half puts at Poisson times from one calling thread; four nodes, N=3, R=W=2. A latency counts for a kind of work if that was under way all the sixteenth of a second in which the request was due. Threads of a joiner that start load code for about a second, which no admission control can hold back; they have a row of their own. Copies per second are those that came where they belong, by the time from the first to the last. The required ratios are medians over the rounds.',
    paper:
      '§6.5: background tasks get time slices from an admission controller that watches the foreground, for example the p99 of database reads over the last 60 s against 50 ms. The paper publishes no figures.',
    follows:
      'Leave it on. Where a node must be back soon and nobody waits for requests, foregroundP99Ms off makes the work faster; where requests matter more than how long a change takes, set it lower.',
  },
  parameters: {
    quick: { rounds: 1, keys: FEWER_KEYS, perSecond: 3_000, warmupSeconds: 0.3, seconds: 2 },
    default: {
      rounds: 3,
      keys: FEWER_KEYS,
      perSecond: 3_000,
      warmupSeconds: 0.2,
      seconds: 1.2,
    },
    full: {
      rounds: 5,
      keys: WORKLOAD.keys,
      perSecond: 3_000,
      warmupSeconds: 2,
      seconds: 60,
    },
  },
  seconds: ({ rounds, ...window }, processes) => rounds * SETTINGS.length * caseSeconds(window, processes),
  async run({ rounds, keys, perSecond, warmupSeconds, seconds }, context) {
    const { engine, seed } = context.options;
    const onDisk = engine === 'lmdb';
    if (!onDisk) context.skip('repair', NEEDS_DISK);
    const results = SETTINGS.filter(({ work }) => onDisk || work !== 'repair').map((setting) => ({
      setting,
      parts: [] as PartReport[],
    }));
    const step = openStep(
      perSecond,
      { warmupSeconds, seconds },
      { bins: Math.ceil(seconds * BINS_PER_SECOND) },
    );
    const system = {
      ...DEFAULT_QUORUM,
      durability: 'buffered',
      engine,
      maxVnodes: ROOM,
      allowFaults: true,
    } as const;
    for (const round of context.rounds(rounds)) {
      for (const { setting, parts } of interleaved(results, round)) {
        const { work, admission } = setting;
        const directory = context.scratch(work);
        const input: BackgroundInput = {
          system: { ...system, directory, ...(admission === 'off' ? { foregroundP99Ms: 'off' } : {}) },
          workload: { ...WORKLOAD, keys, seed: seed + round },
          step,
          work,
          heating: context.processes.briefHeating,
        };
        const report = await context.runCase(`${work}, admission ${admission}, round ${round + 1}`, {
          kind: 'module',
          url: new URL('../background/background-case.js', import.meta.url).href,
          input,
          seconds: caseSeconds({ keys, warmupSeconds, seconds }, context.processes),
        });
        parts.push(...((report?.output ?? []) as readonly PartReport[]));
      }
    }
    const all = results.flatMap(({ setting, parts }) =>
      [...new Set(parts.map(({ part }) => part))].flatMap((part) => {
        const rounds_ = parts.filter((one) => one.part === part);
        const subject = subjectOf(
          { ...system, directory: '' },
          `lww bucket; ${NAMES[part]}, admission ${setting.admission}`,
        );
        return rowsOf(
          subject,
          step,
          rounds_.map((one) => one.step),
        ).map((row) => ({
          ...row,
          ...setting,
          part,
          workSeconds: rounds_.map((one) => one.seconds),
          keysPerSecond:
            part === 'nothing' || part === 'start' ? null : rounds_.map((one) => one.keys / one.seconds),
        }));
      }),
    );
    // The speed of the work is there all the same; what is missing is said once, and not for gets again.
    for (const row of all.filter(({ samples, op }) => samples === 0 && op === 'put'))
      context.skip(
        `latency with ${nameOf(row)}`,
        'the work was over within a sixteenth of a second, or outside of the window',
      );
    const rows = all.map((row) => (row.samples === 0 ? withoutRequests(row) : row));
    return { rows, summary: rows.length === 0 ? [] : summaryOf(rows) };
  },
  findings(rows) {
    return (['transfer', 'handoff', 'repair'] as const).flatMap((part) => {
      const [held, free] = [find(rows, part, 'on', 'put'), find(rows, part, 'off', 'put')];
      const idle = find(rows, 'nothing', 'on', 'put');
      if (held === undefined || free === undefined || idle === undefined) return [];
      const speeds = `${shortNumber(speedOf(held) ?? 0)} copies/s held back, ${shortNumber(speedOf(free) ?? 0)} at full speed`;
      if (tailOf(held) === null || tailOf(free) === null)
        return `With ${NAMES[part]}: ${speeds}; over too soon to say what requests felt of it.`;
      return `With ${NAMES[part]}, p99.9 of puts is ${timeText(tailOf(held))} held back and ${timeText(tailOf(free))} at full speed, against ${timeText(tailOf(idle))} without; ${speeds}.`;
    });
  },
  figures: (rows) => (rows.length === 0 ? [] : [tailFigure(rows), speedFigure(rows)]),
});

function caseSeconds(
  { keys, warmupSeconds, seconds }: Window & { readonly keys: number },
  processes: ProcessPlan,
): number {
  return startSeconds(keys, { heating: processes.briefHeating }) + warmupSeconds + seconds + 0.5;
}

function summaryOf(rows: readonly Row[]): SummaryLine[] {
  const tails = (['get', 'put'] as const).map((op) => {
    const idle = find(rows, 'nothing', 'on', op);
    const busy = find(rows, 'transfer', 'on', op);
    const times = ratio(busy === undefined ? null : tailOf(busy), idle === undefined ? null : tailOf(idle));
    return atMost(`${op} p99.9 with a transfer`, 1.5, times, '× without');
  });
  const [held, free] = [find(rows, 'transfer', 'on', 'put'), find(rows, 'transfer', 'off', 'put')];
  const share = ratio(held === undefined ? null : speedOf(held), free === undefined ? null : speedOf(free));
  return [...tails, atLeast('copies/s of a transfer that is held back', 0.25, share, '× unthrottled')];
}

function find(
  rows: readonly Row[],
  part: PartReport['part'],
  admission: Setting['admission'],
  op: 'get' | 'put',
): Row | undefined {
  return rows.find((row) => row['part'] === part && row['admission'] === admission && row.op === op);
}

/** A row of the work's speed alone. */
function withoutRequests(row: Row): Row {
  const { histogram: _, ...rest } = row;
  return { ...rest, samples: null, opsPerSecond: null, p999FewSamples: false };
}

/** Median of the rounds: one round in which the machine did something else does not decide. */
function tailOf(row: Row): number | null {
  const rounds = (row['roundP999Us'] as readonly (number | null)[]).filter((us) => us !== null);
  return rounds.length === 0 ? null : median(rounds);
}

function speedOf(row: Row): number | null {
  const rounds = row['keysPerSecond'] as readonly number[] | null;
  return rounds === null ? null : median(rounds);
}

function nameOf(row: Row): string {
  const part = NAMES[row['part'] as PartReport['part']];
  return row['part'] === 'nothing'
    ? part
    : `${part}, ${row['admission'] === 'on' ? 'held back' : 'full speed'}`;
}

function tailFigure(rows: readonly Row[]): Figure {
  const bars = (op: 'get' | 'put') => ({
    name: `${op}, p99.9`,
    kind: 'bars' as const,
    points: rows.filter((row) => row.op === op).map((row) => ({ x: nameOf(row), y: tailOf(row) ?? 0 })),
  });
  return {
    id: 'background-latency',
    title: 'p99.9 of requests while the store does something else',
    description: 'Bars for gets and puts by kind of background work, with admission control and without.',
    x: { label: 'background work', scale: 'category' },
    y: { label: 'latency, µs', scale: 'log' },
    series: [bars('get'), bars('put')],
    table: tableOf(rows, {
      work: nameOf,
      op: (row) => row.op,
      'mean µs': (row) => row.meanUs,
      'p50 µs': (row) => row.p50Us,
      'p99 µs': (row) => row.p99Us,
      'p99.9 µs': (row) => row.p999Us,
      'p99.9 µs, median of rounds': tailOf,
      samples: (row) => row.samples,
    }),
  };
}

function speedFigure(rows: readonly Row[]): Figure {
  const measured = rows.filter((row) => row.op === 'put' && speedOf(row) !== null);
  return {
    id: 'background-speed',
    title: 'Copies of keys that a transfer, a handoff or a repair brings home per second',
    description: 'Bars by kind of background work, with admission control and without.',
    x: { label: 'background work', scale: 'category' },
    y: { label: 'copies/s', scale: 'linear', from: 0 },
    series: [
      {
        name: 'copies/s',
        kind: 'bars',
        points: measured.map((row) => ({ x: nameOf(row), y: speedOf(row) ?? 0 })),
      },
    ],
    table: tableOf(measured, {
      work: nameOf,
      'copies/s': speedOf,
      'seconds of work, per round': (row) =>
        (row['workSeconds'] as readonly number[]).map(shortNumber).join(', '),
    }),
  };
}
