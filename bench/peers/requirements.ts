import type { LagReport } from '../measure/lag.js';
import type { MemoryReport } from './memory-case.js';
import type { Row, SummaryLine } from '../report/schema.js';
import { atLeast, atMost, doubted, ratio } from '../report/summary.js';

const MB = 1e6;
/** Lag is a queue's length at a moment: it may differ by one flush window of puts (20 ms) and a quarter. */
const LAG_FACTOR = 1.25;
const LAG_WINDOW_SECONDS = 0.02;
/** A goal of a million records of 100 bytes: of fewer (a quick run has a tenth) the heaps of the threads are most of it. */
const LEAST_GROWTH_BYTES = 100e6;

/** The table "Speed" of the project's goals, judged on the rows of one run. */
export function requirements(
  rows: readonly Row[],
  startMemory: MemoryReport | null,
  growth: MemoryReport | null,
): readonly SummaryLine[] {
  const byId = new Map(rows.map((row) => [row['id'], row]));
  const of = (id: string, field: 'opsPerSecond' | 'p50Us' | 'p999Us'): number | null =>
    byId.get(id)?.[field] ?? null;
  const rate = (id: string): number | null => of(id, 'opsPerSecond');
  const [n3, n1] = ['ringlet-n3-buffered', 'ringlet-n1-buffered'];
  const durable = rate('ringlet-n1-durable/put64');
  const cpuScaling = ratio(rate('ringlet-threads/cpu-2'), rate('ringlet-threads/cpu-1'));
  const getScaling = ratio(rate('ringlet-threads/get-2-callers'), rate('ringlet-threads/get-1-caller'));
  const putScaling = ratio(rate('ringlet-threads/put-2-callers'), rate('ringlet-threads/put-1-caller'));
  const on = (ids: readonly string[], line: SummaryLine): SummaryLine =>
    doubted(
      line,
      ids.map((id) => byId.get(id)),
    );
  return [
    on([`${n3}/get1`], atLeast('get, N=3 R=2, one in flight', 400_000, rate(`${n3}/get1`), '/s')),
    on([`${n3}/get1`], atMost('get, N=3 R=2, one in flight, p50', 4, of(`${n3}/get1`, 'p50Us'), 'µs')),
    on([`${n1}/get1`], atLeast('get, N=1, one in flight', 700_000, rate(`${n1}/get1`), '/s')),
    ...(
      [
        [n3, 'put buffered, N=3 W=2, 64 in flight', 1],
        [n1, 'put buffered, N=1, 64 in flight', 2.5],
      ] as const
    ).map(([id, line, required]) =>
      on(
        [`${id}/put64`, 'redis/put64'],
        atLeast(line, required, ratio(rate(`${id}/put64`), rate('redis/put64')), '× Redis'),
      ),
    ),
    on(
      [`${n1}/put1`, 'redis/put1'],
      atMost(
        'put buffered, N=1, one in flight, p50',
        0.5,
        ratio(of(`${n1}/put1`, 'p50Us'), of('redis/put1', 'p50Us')),
        '× Redis',
      ),
    ),
    ...(
      [
        ['lmdb/put64', 3, '× lmdb-js'],
        ['redis-aof/put64', 1, '× Redis appendfsync always'],
      ] as const
    ).map(([id, required, unit]) =>
      on(
        ['ringlet-n1-durable/put64', id],
        atLeast('put durable, N=1, 64 in flight', required, ratio(durable, rate(id)), unit),
      ),
    ),
    ...(['get', 'put'] as const).map((op) => {
      const [own, redis] = [`ringlet-threads/${op}-open`, `redis-open/${op}-open`];
      return on(
        [own, redis],
        atMost(
          `${op} p99.9 at half of Redis' peak`,
          1,
          ratio(of(own, 'p999Us'), of(redis, 'p999Us')),
          '× Redis',
        ),
      );
    }),
    on(
      ['ringlet-threads/get-1-caller', 'ringlet-threads/get-2-callers'],
      atLeast('get, two calling threads', 0.9, ratio(getScaling, cpuScaling), '× CPU scaling'),
    ),
    on(
      ['ringlet-threads/put-1-caller', 'ringlet-threads/put-2-callers'],
      atLeast('put, two calling threads', 0.9, ratio(putScaling, cpuScaling), '× CPU scaling'),
    ),
    ...[n3, n1, 'ringlet-n1-durable'].flatMap((id) => lagLines(byId.get(`${id}/put64`))),
    atMost('resident after start', 250, startMemory && startMemory.startRssBytes / MB, 'MB'),
    atMost(
      'growth by 100-byte records, N=1, memory engine',
      2.5,
      growth === null || growth.keysAndValuesBytes < LEAST_GROWTH_BYTES ? null : growthRatio(growth),
      '× keys and values',
    ),
  ];
}

function growthRatio({ startRssBytes, filledRssBytes, keysAndValuesBytes }: MemoryReport): number {
  return Math.max(0, filledRssBytes - startRssBytes) / keysAndValuesBytes;
}

function lagLines(row: Row | undefined): SummaryLine[] {
  const reports = ((row?.['lag'] ?? []) as readonly (LagReport | null)[]).filter((report) => report !== null);
  if (row === undefined || reports.length === 0) return [];
  const allowance = LAG_WINDOW_SECONDS * (row.opsPerSecond ?? 0);
  const stages = reports.every(({ wholeTeeth }) => wholeTeeth)
    ? (['journalRecords', 'engineRecords'] as const)
    : (['journalRecords'] as const);
  return stages.map((stage) => {
    const worst = reports.reduce((one, other) => (excess(other, stage) > excess(one, stage) ? other : one));
    const name = `lag of ${stage === 'journalRecords' ? 'journal' : 'engine'}, N=${row.n} ${row.durability} puts`;
    return atMost(name, worst.afterWarmup[stage] * LAG_FACTOR + allowance, worst.atEnd[stage], 'records');
  });
}

function excess({ afterWarmup, atEnd }: LagReport, stage: 'journalRecords' | 'engineRecords'): number {
  return atEnd[stage] - afterWarmup[stage];
}
