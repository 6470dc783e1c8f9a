import { expect, test } from 'vitest';
import { LatencyHistogram } from '../../bench/measure/histogram.js';
import { checkResults } from '../../bench/report/check-results.js';
import { EMPTY_ROW, rowsOf, subjectOf } from '../../bench/report/rows.js';
import { SCHEMA_VERSION, type Results, type Row } from '../../bench/report/schema.js';
import { figure, rowCells, table } from '../../bench/report/table.js';
import { requirements } from '../../bench/peers/requirements.js';
import type { StepReport } from '../../bench/cases/case.js';

const STEP = {
  kind: 'open',
  putFraction: 0.25,
  arrivals: 'poisson',
  perSecond: 1_000,
  callers: 2,
  warmupSeconds: 1,
  seconds: 2,
} as const;

const SUBJECT = subjectOf({ system: 'redis', port: 1, autoPipelining: false }, 'no persistence');

function report(getsPerSecond: number, latencyMs: number, eventLoopUtilisation = 0.5): StepReport {
  const histogram = new LatencyHistogram();
  for (let i = 0; i < 10; i++) histogram.recordMs(latencyMs);
  const encoded = histogram.encode();
  const loop = {
    operations: [{ op: 'get', completed: 10, failed: 1, opsPerSecond: getsPerSecond, histogram: encoded }],
    fromMs: 0,
    seconds: 2,
    eventLoopUtilisation,
    lateness: encoded,
    unfinished: 0,
  } as const;
  return { loops: [loop, loop], lag: null, loads: null, cpuPerSecond: null, resources: null, heating: null };
}

function resultsWith(rows: readonly Row[]): Results {
  return {
    schemaVersion: SCHEMA_VERSION,
    machine: {
      cpus: 2,
      model: 'x',
      memoryBytes: 1,
      kernel: 'Linux 6',
      node: 'v20',
      filesystem: 'ext4',
      fsyncUs: 200,
      loadAverage: 0,
    },
    commit: null,
    seed: 1,
    options: {
      mode: 'quick',
      only: [],
      engine: 'lmdb',
      budgetSeconds: 88,
      sla: { oneIn: 1_000, withinUs: 2_000 },
    },
    startedAt: new Date(0).toISOString(),
    seconds: 1,
    complete: true,
    experiments: {
      latency: { question: '?', parameters: {}, seconds: 1, rows, summary: [], notes: [] },
    },
  };
}

test('a row adds the rates of its callers, takes the median of the rounds, and merges histograms', () => {
  const [row] = rowsOf(SUBJECT, STEP, [report(100, 1), report(400, 1), report(200, 3)]);
  expect(row).toMatchObject({
    system: 'redis',
    op: 'get',
    callers: 2,
    inFlight: null,
    offeredPerSecond: 750,
    opsPerSecond: 400,
    rounds: 3,
    samples: 60,
    failed: 6,
    p999FewSamples: true,
    generatorBound: false,
  });
  expect(Math.round(row!.maxUs! / 10) * 10).toBe(3_000);
});

test('the offered rate of a day is its mean, 9/16 of the peak: what is answered is held against it', () => {
  const [row] = rowsOf(SUBJECT, { ...STEP, arrivals: 'diurnal' }, [report(1, 1)]);
  expect(row!.offeredPerSecond).toBe(750 * 0.5625);
});

test('one busy generator among the rounds marks the row as generator-bound', () => {
  const [row] = rowsOf(SUBJECT, STEP, [report(1, 1), report(1, 1, 0.95)]);
  expect(row!.generatorBound).toBe(true);
});

test('how its processes were heated stands in a row, which is marked where the rate of one of them still rose', () => {
  const heated = (steady: boolean): StepReport => ({ ...report(1, 1), heating: { seconds: 4, steady } });
  const [warm] = rowsOf(SUBJECT, STEP, [heated(true), report(1, 1)]);
  expect(warm).toMatchObject({ heating: [{ seconds: 4, steady: true }, null], stillRising: false });
  const [cold] = rowsOf(SUBJECT, STEP, [heated(true), heated(false)]);
  expect(cold).toMatchObject({ stillRising: true });
  expect(rowCells(cold!).at(-1)).toContain('not warm');
  expect(rowCells(warm!).at(-1)).not.toContain('not warm');
});

test('an operation that was not measured gives no row', () => {
  expect(rowsOf(SUBJECT, STEP, [report(1, 1)]).map((row) => row.op)).toEqual(['get']);
  expect(rowsOf(SUBJECT, STEP, [])).toEqual([]);
});

test('results made of such rows follow the schema, also after JSON', () => {
  const results = resultsWith(rowsOf(SUBJECT, STEP, [report(1, 1)]));
  expect(checkResults(JSON.parse(JSON.stringify(results)))).toEqual([]);
});

test('the check names a missing field, a wrong type and another version', () => {
  const row = { ...EMPTY_ROW, system: 'redis', setting: 'x' } as const;
  const { p999Us, ...without } = row;
  expect(p999Us).toBeNull();
  expect(checkResults(resultsWith([without as Row]))).toEqual(['latency.rows[0].p999Us: undefined']);
  expect(checkResults(resultsWith([{ ...row, opsPerSecond: Number.NaN }]))).toHaveLength(1);
  expect(checkResults({ ...resultsWith([row]), schemaVersion: 1 })).toEqual(['results.schemaVersion: 1']);
  expect(checkResults(null)).toEqual(['results is not an object']);
});

function measuredRow(id: string, figures: Partial<Row>): Row {
  return { ...EMPTY_ROW, system: 'ringlet', setting: 'x', ...figures, id };
}

test('requirements are judged against the peer of the same run, and are open without it', () => {
  const ringlet = measuredRow('ringlet-n3-buffered/put64', { opsPerSecond: 150_000 });
  const line = (rows: readonly Row[]): unknown =>
    requirements(rows, null, null).find(({ line }) => line.startsWith('put buffered, N=3'));
  expect(line([ringlet])).toMatchObject({ measured: null, met: null });
  expect(line([ringlet, measuredRow('redis/put64', { opsPerSecond: 100_000 })])).toMatchObject({
    measured: 1.5,
    met: true,
  });
  expect(line([ringlet, measuredRow('redis/put64', { opsPerSecond: 200_000 })])).toMatchObject({
    met: false,
  });
});

test('growth of memory is judged by a million records, not by the tenth of a quick run', () => {
  const growth = (records: number) => ({
    bareNodeRssBytes: 60e6,
    startRssBytes: 100e6,
    filledRssBytes: 100e6 + 300 * records,
    keysAndValuesBytes: 114 * records,
  });
  const line = (records: number) =>
    requirements([], null, growth(records)).find((one) => one.line.startsWith('growth'));
  expect(line(1_000_000)).toMatchObject({ met: false });
  expect(line(100_000)).toMatchObject({ measured: null, met: null });
});

test('a verdict says which marks its rows have, of both sides', () => {
  const open = (id: string, marks: object): Row => measuredRow(id, { p999Us: 5, opsPerSecond: 1, ...marks });
  const rows = [
    open('ringlet-threads/get-open', { stillRising: true, p999FewSamples: true }),
    open('redis-open/get-open', { generatorBound: true }),
    open('ringlet-n3-buffered/put64', { p999FewSamples: true }),
    open('redis/put64', {}),
  ];
  const lines = requirements(rows, null, null);
  const line = (start: string) => lines.find((one) => one.line.startsWith(start))!;
  expect(line('get p99.9').doubts).toEqual(['not warm', 'few samples', 'generator-bound']);
  expect(line('put buffered, N=3')).toMatchObject({ measured: 1 });
  expect(line('put buffered, N=3').doubts).toBeUndefined();
  expect(line('put p99.9').doubts).toBeUndefined();
  const results = resultsWith(rows);
  const summarised = { ...results.experiments['latency']!, summary: lines };
  expect(checkResults({ ...results, experiments: { latency: summarised } })).toEqual([]);
});

test('a rate that only fills the journal is not met: lag must not grow', () => {
  const lag = (end: number, wholeTeeth: boolean): object[] => [
    {
      afterWarmup: { journalRecords: 1_000, engineRecords: 1_000 },
      atEnd: { journalRecords: end, engineRecords: end },
      wholeTeeth,
    },
  ];
  const judged = (end: number, stage: string, wholeTeeth = true): boolean | null => {
    const row = measuredRow('ringlet-n1-durable/put64', {
      opsPerSecond: 10_000,
      n: 1,
      lag: lag(end, wholeTeeth),
    });
    const found = requirements([row], null, null).find(({ line }) => line.startsWith(`lag of ${stage}`));
    return found?.met ?? null;
  };
  for (const stage of ['journal', 'engine']) {
    expect(judged(1_000, stage)).toBe(true);
    expect(judged(50_000, stage)).toBe(false);
  }
  // A window shorter than a tooth of the engine's lag does not judge it.
  expect(judged(50_000, 'engine', false)).toBe(null);
  expect(judged(50_000, 'journal', false)).toBe(false);
});

test('scaling is measured against the CPU loop of the same run', () => {
  const rows = [
    measuredRow('ringlet-threads/cpu-1', { opsPerSecond: 100 }),
    measuredRow('ringlet-threads/cpu-2', { opsPerSecond: 160 }),
    measuredRow('ringlet-threads/get-1-caller', { opsPerSecond: 1_000 }),
    measuredRow('ringlet-threads/get-2-callers', { opsPerSecond: 1_600 }),
  ];
  const [line] = requirements(rows, null, null).filter(({ line }) => line.startsWith('get, two'));
  expect(line).toMatchObject({ measured: 1, met: true });
});

test('figures are short and tables aligned', () => {
  expect([null, 0.7213, 12.34, 1_234.5].map(figure)).toEqual(['', '0.721', '12.3', '1,235']);
  const columns = [
    { title: 'a', cell: (value: number): string => String(value) },
    { title: 'b', cell: (): string => 'x', left: true },
  ];
  expect(table(columns, [1, 100])).toBe('  a  b\n  1  x\n100  x');
});
