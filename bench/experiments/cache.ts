import type { HitRatioInput, HitRatioReport, Trace } from '../cache/hit-ratio.js';
import { tableOf, type Figure } from '../figures/figure.js';
import { sum } from '../measure/statistics.js';
import { EMPTY_ROW } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { atLeast, ratio } from '../report/summary.js';
import { defineExperiment } from '../suite/experiment.js';

const CONTESTANTS = ['ringlet', 'lru-cache'] as const;
const NAMES: Readonly<Record<Trace, string>> = {
  zipfian: 'zipfian 0.99',
  scans: 'zipfian with scans',
  moving: 'zipfian that moves',
};
/** Of the bytes of all keys and values. */
const SHARE = 0.1;
const START_SECONDS = 1;
/** On a slow machine. */
const REQUESTS_PER_SECOND = { ringlet: 40_000, 'lru-cache': 100_000 } as const;

interface Parameters {
  readonly traces: readonly Trace[];
  readonly keys: number;
  readonly requests: number;
  readonly valueBytes: number;
}

const DEFAULT: Parameters = {
  traces: ['zipfian', 'scans', 'moving'],
  keys: 50_000,
  requests: 160_000,
  valueBytes: 1_000,
};

export default defineExperiment<Parameters>({
  name: 'cache',
  title: 'Cache: hit ratio against lru-cache',
  question: 'How many requests does a cache bucket answer, and how many lru-cache with as many bytes?',
  explanation: {
    shows:
      'A cache is as good as what it keeps. A cache bucket and lru-cache get the same requests and the same bytes, a tenth of those of all keys: popular keys by a zipfian law, the same mixed with scans of keys that come once, and the same while popularity moves on to other keys.',
    measured:
      'Each request is a get; what is missing is put. Hits are counted after the first fifth of the requests. Ringlet’s limit holds for whole records with headers of some 90 bytes, lru-cache’s for keys and values alone. Sixteen requests at a time from one thread; a fresh process each. Two requests of five belong to scans of 2,000 keys; popularity moves four times, by 2 % of the keys.',
    paper: null,
    follows:
      'Ringlet is not the faster cache for one thread: lru-cache is a Map in that thread. It is the one that all threads share, that scans do not empty, and that is there after a restart. A small hot set that fits and is replaced as a whole favours LRU by a little.',
  },
  parameters: {
    quick: { ...DEFAULT, keys: 10_000, requests: 30_000 },
    default: DEFAULT,
    full: { ...DEFAULT, keys: 200_000, requests: 4_000_000 },
  },
  seconds: ({ traces, requests }) =>
    traces.length * sum(CONTESTANTS.map((contestant) => caseSeconds(contestant, requests))),
  async run({ traces, ...parameters }, context) {
    const { seed } = context.options;
    const rows: Row[] = [];
    for (const trace of traces) {
      for (const contestant of CONTESTANTS) {
        const maxBytes = Math.round(SHARE * parameters.keys * parameters.valueBytes);
        const input: HitRatioInput = { ...parameters, contestant, trace, maxBytes, seed };
        const report = await context.runCase(`${contestant}, ${NAMES[trace]}`, {
          kind: 'module',
          url: new URL('../cache/hit-ratio.js', import.meta.url).href,
          input,
          seconds: caseSeconds(contestant, parameters.requests),
        });
        const output = report?.output as HitRatioReport | null | undefined;
        if (output != null) rows.push(rowOf(contestant, trace, output));
      }
    }
    const required = traces.map((trace) =>
      atLeast(
        `hit ratio, ${NAMES[trace]}`,
        1,
        ratio(hitRatioOf(rows, 'ringlet', trace), hitRatioOf(rows, 'lru-cache', trace)),
        '× lru-cache',
      ),
    );
    return { rows, summary: required };
  },
  findings(rows, { traces }) {
    return traces.flatMap((trace) => {
      const [ours, theirs] = CONTESTANTS.map((contestant) => hitRatioOf(rows, contestant, trace));
      if (ours == null || theirs == null) return [];
      return [
        `${NAMES[trace]}: ${percent(ours)} of the requests are hits, ${percent(theirs)} with lru-cache.`,
      ];
    });
  },
  figures: (rows) => (rows.length === 0 ? [] : [ratioFigure(rows)]),
});

function caseSeconds(contestant: (typeof CONTESTANTS)[number], requests: number): number {
  return START_SECONDS + requests / REQUESTS_PER_SECOND[contestant];
}

function rowOf(
  contestant: (typeof CONTESTANTS)[number],
  trace: Trace,
  { hitRatio, perSecond }: HitRatioReport,
): Row {
  const isOurs = contestant === 'ringlet';
  return {
    ...EMPTY_ROW,
    system: isOurs ? 'ringlet' : 'node',
    setting: `${isOurs ? 'cache bucket' : 'lru-cache'}, ${NAMES[trace]}`,
    ...(isOurs ? { n: 1, r: 1, w: 1, durability: 'buffered', engine: 'memory' } : {}),
    contestant,
    trace,
    hitRatio,
    callers: 1,
    inFlight: 16,
    opsPerSecond: perSecond,
    remark: `${percent(hitRatio)} hits`,
  };
}

function hitRatioOf(rows: readonly Row[], contestant: string, trace: Trace): number | null {
  const row = rows.find((one) => one['contestant'] === contestant && one['trace'] === trace);
  return row === undefined ? null : Number(row['hitRatio']);
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}

function ratioFigure(rows: readonly Row[]): Figure {
  return {
    id: 'cache-hits',
    title: 'Requests that a cache with a tenth of the bytes answers',
    description: 'Bars per kind of requests: a cache bucket, and lru-cache with the same bytes.',
    x: { label: 'requests', scale: 'category' },
    y: { label: 'hits', scale: 'linear', unit: 'percent', from: 0, to: 1 },
    series: CONTESTANTS.map((contestant) => ({
      name: contestant,
      kind: 'bars',
      points: rows
        .filter((row) => row['contestant'] === contestant)
        .map((row) => ({ x: NAMES[row['trace'] as Trace], y: Number(row['hitRatio']) })),
    })),
    table: tableOf(rows, {
      requests: (row) => NAMES[row['trace'] as Trace],
      cache: (row) => String(row['contestant']),
      hits: (row) => percent(Number(row['hitRatio'])),
      'requests/s': (row) => row.opsPerSecond,
    }),
  };
}
