import type { MemoryInput, MemoryReport } from './memory-case.js';
import type { Row } from '../report/schema.js';
import { WORKLOAD } from '../suite/defaults.js';
import { EMPTY_ROW } from '../report/rows.js';
import type { ExperimentContext } from '../suite/experiment.js';

const START_SECONDS = 2;
const PUTS_PER_SECOND = 150_000;

export interface MemoryOutcome {
  readonly rows: readonly Row[];
  readonly start: MemoryReport | null;
  readonly growth: MemoryReport | null;
}

export function expectedMemorySeconds(records: number): number {
  return 2 * START_SECONDS + records / PUTS_PER_SECOND;
}

/** Resident memory with default options, and the growth of a memory-only store; a process each. */
export async function measureMemory(context: ExperimentContext, records: number): Promise<MemoryOutcome> {
  const { engine, seed } = context.options;
  const common = { valueBytes: WORKLOAD.valueBytes, seed } as const;
  const startSpec: MemoryInput = {
    ...common,
    engine,
    n: null,
    records: 0,
    directory: context.scratch('memory-start'),
  };
  const growthSpec: MemoryInput = {
    ...common,
    engine: 'memory',
    n: 1,
    records,
    directory: context.scratch('memory-growth'),
  };
  const start = await run(context, 'memory after start', startSpec);
  const growth = await run(context, 'memory growth', growthSpec);
  return {
    start,
    growth,
    rows: [
      ...(start === null ? [] : [memoryRow('resident after start', startSpec, start)]),
      ...(growth === null ? [] : [memoryRow('resident growth', growthSpec, growth)]),
    ],
  };
}

async function run(
  context: ExperimentContext,
  label: string,
  input: MemoryInput,
): Promise<MemoryReport | null> {
  const report = await context.runCase(label, {
    kind: 'module',
    url: new URL('./memory-case.js', import.meta.url).href,
    input,
    seconds: START_SECONDS + input.records / PUTS_PER_SECOND,
  });
  return (report?.output ?? null) as MemoryReport | null;
}

function memoryRow(setting: string, { engine, n, records }: MemoryInput, report: MemoryReport): Row {
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  return {
    ...EMPTY_ROW,
    system: 'ringlet',
    setting,
    n,
    r: n,
    w: n,
    durability: 'buffered',
    engine,
    callers: 1,
    records,
    ...report,
    remark: `bare Node ${megabytes(report.bareNodeRssBytes)}, start ${megabytes(report.startRssBytes)}, filled ${megabytes(report.filledRssBytes)}`,
  };
}
