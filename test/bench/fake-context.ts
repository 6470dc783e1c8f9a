import { DOORS } from '../../bench/http/servers.js';
import type { LoadStep, NodeLoads, Step, StepReport } from '../../bench/cases/case.js';
import type { ChildReport } from '../../bench/cases/case-process.js';
import { LatencyHistogram } from '../../bench/measure/histogram.js';
import type { MeasuredOperation, OperationReport } from '../../bench/measure/loop.js';
import { Random } from '../../bench/measure/random.js';
import { processPlan, type ExperimentContext, type SuiteOptions } from '../../bench/suite/experiment.js';

const histogram = ((): string => {
  const made = new LatencyHistogram();
  const random = new Random(1);
  for (let i = 0; i < 2_000; i++) made.recordMs(0.01 + random.exponential(0.3));
  return made.encode();
})();

/**
 * A context that measures nothing and answers with made-up figures in the shape of real ones: so rows, findings and
 * figures of all experiments can be checked in seconds, and not only after the quarter of an hour that measuring takes.
 */
export function fakeContext(options: SuiteOptions): ExperimentContext {
  return {
    options,
    processes: processPlan(options.mode, options.only.length > 0),
    signal: new AbortController().signal,
    scratch: (name) => name,
    lastingScratch: (name) => name,
    runRound: async (_name, _round, specIn) => report({ steps: specIn('').steps.map(stepReport) }),
    runCase: async (_label, spec) => {
      if (spec.kind === 'steps') return report({ steps: spec.steps.map(stepReport) });
      const module = spec.url
        .split('/')
        .at(-1)!
        .replace(/\.[jt]s$/, '');
      return report({ output: OUTPUTS[module]!(spec.input as never) });
    },
    runHere: async (label, _seconds, work) =>
      label.endsWith('start the server')
        ? ({ port: 1, [Symbol.asyncDispose]: async () => undefined } as never)
        : await work(),
    rounds: (wanted) => Array.from({ length: wanted }, (_, round) => round),
    skip: () => undefined,
  };
}

const HEATING = { seconds: 4, steady: false };

function report(given: Partial<ChildReport>): ChildReport {
  return { steps: [], output: null, error: null, startSeconds: 0, ...given };
}

function stepReport(step: Step): StepReport {
  const nothing = {
    loops: [],
    lag: null,
    loads: null,
    cpuPerSecond: null,
    resources: null,
    heating: HEATING,
  };
  if (step.kind === 'cpu') return { ...nothing, cpuPerSecond: 1e8 * step.callers };
  const loop = {
    operations: operationsOf(step).map(operation),
    fromMs: 0,
    seconds: step.seconds,
    eventLoopUtilisation: 0.95,
    lateness: step.kind === 'open' ? histogram : null,
    unfinished: 0,
  };
  const callers = step.callers === 'main' ? 1 : step.callers;
  const loads = step.kind === 'open' && step.nodeLoads === true ? nodeLoads() : null;
  return { ...nothing, loops: Array.from({ length: callers }, () => loop), loads };

  function operation(op: MeasuredOperation): OperationReport {
    const bins = step.kind === 'open' && step.bins !== undefined ? { bins: fill(step.bins) } : {};
    return { op, completed: 2_000, failed: 0, opsPerSecond: 12_345, histogram, ...bins };
  }
}

function fill(bins: number): readonly string[] {
  return Array.from({ length: bins }, () => histogram);
}

function operationsOf(step: LoadStep): readonly MeasuredOperation[] {
  switch (step.kind) {
    case 'closed':
      return [step.op];
    case 'open':
      return step.putFraction === 1 ? ['put'] : step.putFraction === 0 ? ['get'] : ['get', 'put'];
    case 'mixed':
      return (['get', 'put', 'rmw'] as const).filter(
        (op) => step.mix[op] > 0 || (op === 'put' && step.mix.insert > 0),
      );
  }
}

function nodeLoads(): NodeLoads {
  const nodes = Array.from({ length: 8 }, (_, i) => ({ id: `n${i + 1}`, capacity: 1 }));
  return { nodes, bins: Array.from({ length: 8 }, () => nodes.map((_, i) => 100 + 5 * i)) };
}

const OPEN_STEP = {
  kind: 'open',
  arrivals: 'poisson',
  putFraction: 0.5,
  perSecond: 1,
  callers: 1,
  warmupSeconds: 0,
  seconds: 1,
} as const;

/** By the name of the module that a case runs. */
const OUTPUTS: Readonly<Record<string, (input: never) => unknown>> = {
  'round-trips': ({ points }: { points: readonly unknown[] }) =>
    points.map(() => ({ perSecond: 100_000, histogram })),
  'background-case': ({ work }: { work: string }) =>
    (work === 'transfer' ? ['start', work] : [work]).map((part) => ({
      part,
      step: stepReport(OPEN_STEP),
      keys: 1_000,
      seconds: 2,
    })),
  'quorum-case': () => ({
    gets: 1_000,
    stale: 0,
    mostVersionsBehind: 0,
    oldestMs: 0,
    available: { get: 1, put: 1, strictGet: 0.2, strictPut: 0 },
  }),
  'hit-ratio': () => ({ hitRatio: 0.7, perSecond: 50_000 }),
  'http-case': () =>
    DOORS.flatMap((door) =>
      ['GET', 'PUT'].map((method) => ({
        door,
        method,
        perSecond: 9_000,
        errors: 0,
        histogram,
        eventLoopUtilisation: 0.95,
      })),
    ),
  'micro-case': () =>
    ['ring', 'versions', 'codec', 'buffer'].map((part) => ({
      name: `a piece of ${part}`,
      part,
      perSecond: 1e6,
      meanNs: 1_000,
      p50Ns: 900,
      p99Ns: 2_000,
      samples: 500,
      marginPercent: 1,
    })),
  'resp-case': () => [
    ['redis', 'ringlet'].flatMap((server) =>
      ['SET', 'GET'].flatMap((command) =>
        [16, 1].map((pipeline) => ({
          server,
          command,
          pipeline,
          perSecond: 80_000,
          meanUs: 500,
          p50Us: 400,
          p99Us: 900,
          maxUs: 3_000,
        })),
      ),
    ),
  ],
  risk: ({ kills }: { kills: number }) => ({
    kills,
    acknowledged: 5_000,
    lost: 0,
    lostUnderWatermark: 0,
    lostAgesMs: [],
  }),
  live: () =>
    ['one writer', '7 writers'].map((name, i) => ({ name, writers: 1 + 6 * i, returned: [0, 900, 90 * i] })),
  'memory-case': () => ({
    bareNodeRssBytes: 6e7,
    startRssBytes: 1.5e8,
    filledRssBytes: 4e8,
    keysAndValuesBytes: 1.1e8,
  }),
};
