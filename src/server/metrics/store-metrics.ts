import type { Latency, StoreStats, VnodeStats } from '../../client/api.js';
import { cellEndUs, CELLS } from '../../client/latencies.js';

export interface Sample {
  /** What follows the metric's name. */
  readonly suffix?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

export interface StoreMetric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: (stats: StoreStats, latencies: readonly Latency[]) => readonly Sample[];
}

type Row = readonly [name: string, help: string, of: (vnode: VnodeStats) => number];

/** Per virtual node, under its label. */
const GAUGES: readonly Row[] = [
  ['up', '1 while it serves', ({ state }) => (state === 'serving' ? 1 : 0)],
  ['keys', 'keys in its object buffer', ({ keys }) => keys],
  ['inbox_bytes', 'bytes that wait in its inbox', ({ inboxBytes }) => inboxBytes],
  ['object_buffer_bytes', 'bytes of its object buffer in use', ({ bufferBytes }) => bufferBytes],
  ['object_buffer_capacity_bytes', 'bytes of its object buffer', (vnode) => vnode.bufferCapacityBytes],
  [
    'flush_lag_seconds',
    'age of the oldest record not in the journal',
    (vnode) => vnode.oldestUnwrittenMs / 1e3,
  ],
  ['unwritten_records', 'records not in the journal yet', ({ unwrittenRecords }) => unwrittenRecords],
  ['unwritten_bytes', 'bytes of records not in the journal yet', ({ unwrittenBytes }) => unwrittenBytes],
  ['unsynced_records', 'records not synced to disk yet', ({ unsyncedRecords }) => unsyncedRecords],
  ['unsynced_bytes', 'bytes of records not synced to disk yet', ({ unsyncedBytes }) => unsyncedBytes],
  [
    'engine_lag_records',
    'records not in the engine yet',
    ({ appendedRecords, engineRecords }) => Math.max(0, appendedRecords - engineRecords),
  ],
  ['siblings_max', 'most siblings of a key that were seen', ({ siblingsMax }) => siblingsMax],
  ['actors_max', 'most actors in a clock that were seen', ({ actorsMax }) => actorsMax],
  ['hints_waiting', 'copies that it keeps for owners that are down', ({ hints }) => hints.waiting],
  ['hints_bytes', 'bytes of the copies that it keeps for others', ({ hints }) => hints.bytes],
  [
    'hints_oldest_age_seconds',
    'age of the oldest copy that it keeps for others',
    ({ hints }) => hints.oldestMs / 1e3,
  ],
  ['hints_owners', 'virtual nodes that it keeps copies for', ({ hints }) => hints.owners.length],
  ['tombstones', 'deleted keys that wait to be reaped, at their first owner', ({ tombstones }) => tombstones],
  ['cache_entries', 'entries of caches', ({ cached }) => cached.entries],
  ['cache_bytes', 'bytes of entries of caches, rounded up to KiB', ({ cached }) => cached.bytes],
  ['suspects', 'virtual nodes that it does without', ({ suspects }) => suspects.length],
  ['trees_usable', '1 once its Merkle trees are rebuilt', ({ trees }) => (trees === 'usable' ? 1 : 0)],
  [
    'in_sync_seconds',
    'since all replica peers were found equal; NaN before',
    (vnode) => (vnode.inSyncMs ?? Number.NaN) / 1e3,
  ],
  [
    'longest_turn_seconds',
    'longest turn of its thread in the last half minute',
    (vnode) => vnode.longestTurnMs / 1e3,
  ],
];

const COUNTERS: readonly Row[] = [
  ['restarts_total', 'threads that died and were replaced', ({ restarts }) => restarts],
  ['read_repairs_total', 'stale copies that a read repaired', ({ readRepairs }) => readRepairs],
  ['hints_delivered_total', 'copies that an owner has taken', ({ hints }) => hints.delivered],
  ['hints_dropped_total', 'copies not kept because there were too many', ({ hints }) => hints.dropped],
  ['reaped_total', 'tombstones that it has let go', ({ reaped }) => reaped],
  ['cache_evicted_total', 'entries of caches that it has evicted', ({ cached }) => cached.evicted],
  ['expired_total', 'copies that expired and left its storage', ({ expired }) => expired],
  ['tree_exchanges_total', 'tree comparisons that it began', ({ exchanges }) => exchanges],
  [
    'tree_exchanges_failed_total',
    'tree comparisons left without an answer',
    ({ exchangesFailed }) => exchangesFailed,
  ],
  ['tree_exchange_bytes_total', 'bytes of frames of tree comparisons', ({ exchangeBytes }) => exchangeBytes],
  [
    'tree_repair_records_total',
    'records sent because trees differed',
    ({ repairKeysSent }) => repairKeysSent,
  ],
  [
    'tree_repair_bytes_total',
    'bytes of records sent because trees differed',
    ({ repairBytesSent }) => repairBytesSent,
  ],
  [
    'journal_failures_total',
    'writes and syncs of the journal that failed',
    ({ journalFailures }) => journalFailures,
  ],
  [
    'appended_records_total',
    'records appended to its object buffer',
    ({ appendedRecords }) => appendedRecords,
  ],
  ['gc_total', 'collections of garbage in its thread', ({ gcs }) => gcs],
  ['gc_seconds_total', 'time that collections of garbage took', ({ gcMs }) => gcMs / 1e3],
];

const perVnode =
  (type: 'counter' | 'gauge') =>
  ([name, help, of]: Row): StoreMetric => ({
    name: `ringlet_vnode_${name}`,
    help,
    type,
    samples: ({ vnodes }) => vnodes.map((vnode) => ({ labels: { vnode: vnode.id }, value: of(vnode) })),
  });

/** Upper bounds of the exported histogram in µs; the store's own has four cells per power of two. */
const BOUNDS_US = Array.from({ length: 24 }, (_, i) => 2 ** i);

export const STORE_METRICS: readonly StoreMetric[] = [
  {
    name: 'ringlet_request_duration_seconds',
    help: 'duration of requests of all threads, by operation, bucket and outcome',
    type: 'histogram',
    samples: (_stats, latencies) => latencies.flatMap(histogram),
  },
  {
    name: 'ringlet_vnode_reads_total',
    help: 'reads of its records, by message and directly from its memory',
    type: 'counter',
    samples: ({ vnodes }) =>
      vnodes.flatMap(({ id, reads, directReads }) => [
        { labels: { vnode: id, path: 'message' }, value: reads },
        { labels: { vnode: id, path: 'direct' }, value: directReads },
      ]),
  },
  {
    name: 'ringlet_vnode_writes_total',
    help: 'writes that it coordinated, and those that it took from others',
    type: 'counter',
    samples: ({ vnodes }) =>
      vnodes.flatMap(({ id, coordinated, replicated }) => [
        { labels: { vnode: id, role: 'coordinator' }, value: coordinated },
        { labels: { vnode: id, role: 'replica' }, value: replicated },
      ]),
  },
  ...GAUGES.map(perVnode('gauge')),
  ...COUNTERS.map(perVnode('counter')),
  {
    name: 'ringlet_at_risk_records',
    help: 'acknowledged records that a crash now would lose, by kind of crash',
    type: 'gauge',
    samples: ({ atRisk }) => [
      { labels: { crash: 'process' }, value: atRisk.processCrash.records },
      { labels: { crash: 'power' }, value: atRisk.powerCut.records },
    ],
  },
  {
    name: 'ringlet_at_risk_bytes',
    help: 'bytes of acknowledged records that a crash now would lose, by kind of crash',
    type: 'gauge',
    samples: ({ atRisk }) => [
      { labels: { crash: 'process' }, value: atRisk.processCrash.bytes },
      { labels: { crash: 'power' }, value: atRisk.powerCut.bytes },
    ],
  },
  single('ringlet_callers', 'threads that use the store', ({ callers }) => callers),
  single('ringlet_callers_max', 'threads that may use it at a time', ({ maxCallers }) => maxCallers),
  single(
    'ringlet_faults_links',
    'links that are broken on purpose, one way',
    ({ faults }) => faults.links.length,
  ),
  single(
    'ringlet_membership_views',
    'different views of the membership; 1 when all agree',
    ({ vnodes }) => new Set(vnodes.map(({ membership }) => membership)).size,
  ),
  single('ringlet_uptime_seconds', 'since the store was opened', ({ uptimeMs }) => uptimeMs / 1e3),
];

function single(name: string, help: string, of: (stats: StoreStats) => number): StoreMetric {
  return { name, help, type: 'gauge', samples: (stats) => [{ labels: {}, value: of(stats) }] };
}

/** Cumulative, as Prometheus wants it. A power of two is the end of a cell, so that nothing is guessed. */
function histogram({ operation, bucket, outcome, count, sumUs, cells }: Latency): Sample[] {
  const labels = { operation, bucket, outcome };
  const samples: Sample[] = [];
  let cell = 0;
  let below = 0;
  for (const bound of BOUNDS_US) {
    while (cell < CELLS && cellEndUs(cell) <= bound) below += cells[cell++]!;
    samples.push({ suffix: '_bucket', labels: { ...labels, le: bound / 1e6 }, value: below });
  }
  samples.push({ suffix: '_bucket', labels: { ...labels, le: '+Inf' }, value: count });
  samples.push({ suffix: '_sum', labels, value: sumUs / 1e6 }, { suffix: '_count', labels, value: count });
  return samples;
}
