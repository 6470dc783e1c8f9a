import { FaultTable } from '../messaging/fault-table.js';
import {
  CALLER_SUSPECTS,
  SharedLayout,
  STATE_NAMES,
  VNODE_COUNTERS,
  VNODE_HINTED,
  VNODE_INCARNATION,
  VNODE_MEMBERSHIP,
  VNODE_STATE,
  VNODE_SUSPECTS,
} from '../messaging/layout.js';
import { waitingBytes } from '../messaging/ring.js';
import { hasVnodeBit } from '../messaging/vnode-bits.js';
import {
  COUNT_COORDINATED,
  COUNT_EXCHANGE_BYTES,
  COUNT_EXCHANGES,
  COUNT_EXCHANGES_FAILED,
  COUNT_GC_US,
  COUNT_GCS,
  COUNT_HINTS_DELIVERED,
  COUNT_HINTS_DROPPED,
  COUNT_JOURNAL_FAILURES,
  COUNT_READS,
  COUNT_REPAIRED,
  COUNT_REPLICATED,
  COUNT_SCRUB_DAMAGED,
  COUNT_SCRUBBED,
  COUNT_TREE_BYTES,
  COUNT_TREE_KEYS,
  COUNT_EVICTED,
  COUNT_EXPIRED,
  COUNT_REAPED,
  GAUGE_TOMBSTONES,
  GAUGE_ACTORS_MAX,
  GAUGE_BACKGROUND_SHARE,
  GAUGE_CACHED,
  GAUGE_CACHED_KIB,
  GAUGE_FOREGROUND_P99_US,
  GAUGE_IN_SYNC_AT,
  GAUGE_HINT_KIB,
  GAUGE_HINTS,
  GAUGE_HINTS_SINCE,
  GAUGE_LONGEST_TURN_US,
  GAUGE_SCRUBBED_AT,
  GAUGE_SIBLINGS_MAX,
  GAUGE_SLICES,
  GAUGE_SLICES_HELD,
  GAUGE_TREES,
} from '../shard/environment.js';
import {
  APPENDED,
  APPENDED_BYTES,
  BufferLayout,
  CONFIRMED,
  LIVE_KEYS,
  loadCounter,
  SEG_FREE,
  SEG_STATE,
  SEG_USED,
  SYNCED,
  SYNCED_BYTES,
  UNWRITTEN_SINCE,
  WRITTEN,
  WRITTEN_BYTES,
} from '../storage/buffer-layout.js';
import { HANDED, MOVING, type Ring } from '../ring/ring.js';
import type { ArmedDisk, ArmedLink, RingDescription, StoreStats, VnodeStats } from './api.js';
import type { StoreView } from './view.js';

/** By the value of GAUGE_TREES. */
const TREE_STATES = ['none', 'rebuilding', 'usable'] as const;

/** Everything here is read from shared memory; no virtual node is disturbed. */
export function describeRing(view: StoreView): RingDescription {
  const { ring } = view;
  const control = new Int32Array(view.shared.control);
  const layout = new SharedLayout(view.shared.shape);
  const owned = ring.vnodes.map(() => 0);
  for (const vnode of ring.owner) owned[vnode]!++;
  return {
    partitions: ring.partitions,
    epoch: ring.epoch,
    ...changeOf(ring),
    nodes: membersOf(ring).map(({ id, capacity, index }) => ({
      id,
      capacity,
      vnodes: ring.vnodes
        .filter(({ nodeIndex }) => nodeIndex === index)
        .map((vnode) => ({
          id: vnode.id,
          state: STATE_NAMES[control[layout.vnodeWord(vnode.ordinal) + VNODE_STATE]!]!,
          incarnation: control[layout.vnodeWord(vnode.ordinal) + VNODE_INCARNATION]!,
          partitions: owned[vnode.ordinal]!,
          suspectedBy: suspectedBy(view, control, layout, vnode.ordinal),
        })),
    })),
    preferenceLists: listsOf(ring),
  };
}

type Lists = RingDescription['preferenceLists'];
const known = new WeakMap<Ring, Lists>();

/** Made once for each ring, which never changes: up to a quarter of a million names, and a dashboard asks every second. */
function listsOf(ring: Ring): Lists {
  let lists = known.get(ring);
  if (lists === undefined) {
    const { preference, preferenceLength, partitions, vnodes } = ring;
    const listOf = (partition: number): readonly string[] => {
      const row: string[] = [];
      for (let i = 0; i < preferenceLength; i++)
        row.push(vnodes[preference[partition * preferenceLength + i]!]!.id);
      // Everybody who asks gets the same ones.
      return Object.freeze(row);
    };
    lists = Object.freeze(Array.from({ length: partitions }, (_, partition) => listOf(partition)));
    known.set(ring, lists);
  }
  return lists;
}

function membersOf({ nodes }: Ring): { id: string; capacity: number; index: number }[] {
  return nodes.flatMap(({ id, capacity, gone }, index) => (gone === true ? [] : [{ id, capacity, index }]));
}

/** How far a ring change has come, if one is under way. */
function changeOf({ moves, cleaning, vnodes }: Ring): Pick<RingDescription, 'change'> {
  if (cleaning !== undefined) {
    const slots = cleaning.slots.map((slot) => vnodes[slot]!.id);
    return { change: { phase: 'cleaning', partitions: 0, handed: 0, compared: 0, cleaning: slots } };
  }
  if (moves === undefined) return {};
  const count = (states: readonly number[]): number =>
    moves.state.reduce((sum, state) => sum + (states.includes(state) ? 1 : 0), 0);
  return {
    change: {
      phase: 'moving',
      partitions: count([MOVING, HANDED]),
      handed: count([HANDED]),
      compared: moves.compared.reduce((sum, compared) => sum + compared, 0),
      cleaning: [],
    },
  };
}

export function readStats(view: StoreView): StoreStats {
  const control = new Int32Array(view.shared.control);
  const layout = new SharedLayout(view.shared.shape);
  const bufferLayout = new BufferLayout(view.bufferShape);
  const nowMs = monotonicMs();
  const members = view.ring.vnodes.filter(
    ({ gone, ordinal }) => gone !== true && view.buffers[ordinal] !== undefined,
  );
  const vnodes = members.map(({ id, ordinal }) => {
    const base = layout.vnodeWord(ordinal);
    const words = new Int32Array(view.buffers[ordinal]!);
    const counter = (which: number): number => loadCounter(control, base + VNODE_COUNTERS + which);
    const gauge = (which: number): number => control[base + VNODE_COUNTERS + which]!;
    const appended = loadCounter(words, APPENDED);
    const written = loadCounter(words, WRITTEN);
    const synced = loadCounter(words, SYNCED);
    const bytes = loadCounter(words, APPENDED_BYTES);
    const since = Atomics.load(words, UNWRITTEN_SINCE);
    const inSyncAt = gauge(GAUGE_IN_SYNC_AT);
    const incarnation = control[base + VNODE_INCARNATION]!;
    return {
      id,
      state: STATE_NAMES[control[base + VNODE_STATE]!]!,
      incarnation,
      reads: counter(COUNT_READS),
      directReads: directReadsOf(view, control, layout, ordinal),
      coordinated: counter(COUNT_COORDINATED),
      replicated: counter(COUNT_REPLICATED),
      keys: Math.max(0, Atomics.load(words, LIVE_KEYS) - (view.engine === 'memory' ? gauge(GAUGE_HINTS) : 0)),
      siblingsMax: gauge(GAUGE_SIBLINGS_MAX),
      actorsMax: gauge(GAUGE_ACTORS_MAX),
      readRepairs: counter(COUNT_REPAIRED),
      bufferBytes: usedBytes(words, bufferLayout),
      bufferCapacityBytes: view.bufferShape.bytes,
      appendedRecords: appended,
      writtenRecords: written,
      syncedRecords: synced,
      engineRecords: loadCounter(words, CONFIRMED),
      unwrittenRecords: Math.max(0, appended - written),
      unwrittenBytes: Math.max(0, bytes - loadCounter(words, WRITTEN_BYTES)),
      unsyncedRecords: Math.max(0, appended - synced),
      unsyncedBytes: Math.max(0, bytes - loadCounter(words, SYNCED_BYTES)),
      oldestUnwrittenMs: since === 0 ? 0 : Math.max(0, (Math.floor(nowMs) & 0x7fffffff) - since),
      trees: TREE_STATES[gauge(GAUGE_TREES)] ?? 'none',
      inSyncMs: inSyncAt === 0 ? null : (Math.floor(nowMs) - inSyncAt) & 0x7fffffff,
      exchanges: counter(COUNT_EXCHANGES),
      exchangesFailed: counter(COUNT_EXCHANGES_FAILED),
      exchangeBytes: counter(COUNT_EXCHANGE_BYTES),
      repairKeysSent: counter(COUNT_TREE_KEYS),
      repairBytesSent: counter(COUNT_TREE_BYTES),
      tombstones: gauge(GAUGE_TOMBSTONES),
      reaped: counter(COUNT_REAPED),
      expired: counter(COUNT_EXPIRED),
      cached: {
        entries: gauge(GAUGE_CACHED),
        bytes: gauge(GAUGE_CACHED_KIB) * 1024,
        evicted: counter(COUNT_EVICTED),
      },
      journalFailures: gauge(COUNT_JOURNAL_FAILURES),
      scrub: {
        records: counter(COUNT_SCRUBBED),
        damaged: counter(COUNT_SCRUB_DAMAGED),
        lastPassMs: gauge(GAUGE_SCRUBBED_AT) === 0 ? null : ageOf(gauge(GAUGE_SCRUBBED_AT) >>> 0),
      },
      restarts: Math.max(0, incarnation - 1),
      inboxBytes: inboxBytes(view, layout, ordinal),
      longestTurnMs: gauge(GAUGE_LONGEST_TURN_US) / 1000,
      gcs: counter(COUNT_GCS),
      gcMs: counter(COUNT_GC_US) / 1000,
      hints: {
        waiting: gauge(GAUGE_HINTS),
        bytes: gauge(GAUGE_HINT_KIB) * 1024,
        oldestMs: ageOf(gauge(GAUGE_HINTS_SINCE) >>> 0),
        owners: view.ring.vnodes
          .filter((owner) => hasVnodeBit(control, layout.vnodeWord(owner.ordinal) + VNODE_HINTED, ordinal))
          .map(({ id: owner }) => owner),
        delivered: counter(COUNT_HINTS_DELIVERED),
        dropped: counter(COUNT_HINTS_DROPPED),
      },
      suspects: view.ring.vnodes
        .filter((other) => hasVnodeBit(control, base + VNODE_SUSPECTS, other.ordinal))
        .map((other) => other.id),
      membership: control[base + VNODE_MEMBERSHIP]! >>> 0,
      background: {
        share: gauge(GAUGE_BACKGROUND_SHARE) / 1_000,
        foregroundP99Ms: gauge(GAUGE_FOREGROUND_P99_US) / 1_000,
        targetMs: Number.isFinite(view.foregroundP99Ms) ? view.foregroundP99Ms : null,
        slices: gauge(GAUGE_SLICES) >>> 0,
        held: gauge(GAUGE_SLICES_HELD) >>> 0,
      },
    } satisfies VnodeStats;
  });
  const sum = (of: (vnode: VnodeStats) => number): number =>
    vnodes.reduce((total, vnode) => total + of(vnode), 0);
  return {
    uptimeMs: Date.now() - view.openedAtMs,
    callers: callersInUse(control, layout),
    maxCallers: view.maxCallers,
    vnodes,
    faults: { allowed: view.shared.faults !== undefined, links: armedLinks(view), disks: armedDisks(view) },
    atRisk: {
      processCrash: {
        records: sum((vnode) => vnode.unwrittenRecords),
        bytes: sum((vnode) => vnode.unwrittenBytes),
        oldestMs: Math.max(0, ...vnodes.map((vnode) => vnode.oldestUnwrittenMs)),
      },
      powerCut: {
        records: sum((vnode) => vnode.unsyncedRecords),
        bytes: sum((vnode) => vnode.unsyncedBytes),
      },
    },
  };
}

function inboxBytes(view: StoreView, layout: SharedLayout, vnode: number): number {
  let bytes = 0;
  for (let from = 0; from < layout.parties; from++) {
    const inUse = !layout.isVnode(from) || from < view.ring.vnodes.length;
    if (inUse && from !== vnode) bytes += waitingBytes(view.shared.rings, layout.ringAt(from, vnode));
  }
  return bytes;
}

function ageOf(sinceSeconds: number): number {
  return sinceSeconds === 0 ? 0 : Math.max(0, Date.now() - sinceSeconds * 1000);
}

function suspectedBy(view: StoreView, control: Int32Array, layout: SharedLayout, vnode: number): string[] {
  const names = view.ring.vnodes
    .filter(({ ordinal }) => hasVnodeBit(control, layout.vnodeWord(ordinal) + VNODE_SUSPECTS, vnode))
    .map(({ id }) => id);
  for (let c = 0; c < view.maxCallers; c++) {
    if (hasVnodeBit(control, layout.callerWord(c) + CALLER_SUSPECTS, vnode)) names.push(`caller ${c}`);
  }
  return names;
}

function armedLinks(view: StoreView): ArmedLink[] {
  const { faults, shape } = view.shared;
  if (faults === undefined) return [];
  const table = new FaultTable(faults, shape.vnodes);
  const sides = view.ring.vnodes.map(({ id, ordinal }) => [id, ordinal] as const);
  const names = [...sides, ['callers', shape.vnodes] as const];
  return names.flatMap(([from, a]) =>
    names.flatMap(([to, b]) => {
      const fault = table.read(a, b);
      return fault === undefined ? [] : [{ from, to, ...fault }];
    }),
  );
}

function armedDisks(view: StoreView): ArmedDisk[] {
  const { faults, shape } = view.shared;
  if (faults === undefined) return [];
  const table = new FaultTable(faults, shape.vnodes);
  return view.ring.vnodes.flatMap(({ id, ordinal }) => {
    const fault = table.readDisk(ordinal);
    return fault === undefined ? [] : [{ at: id, ...fault }];
  });
}

function directReadsOf(view: StoreView, control: Int32Array, layout: SharedLayout, vnode: number): number {
  let reads = 0;
  for (let c = 0; c < view.maxCallers; c++) reads += control[layout.directReadsWord(c, vnode)]! >>> 0;
  return reads;
}

function usedBytes(words: Int32Array, layout: BufferLayout): number {
  let used = 0;
  for (let s = 0; s < layout.shape.segments; s++) {
    const seg = layout.segmentWord(s);
    if (words[seg + SEG_STATE] !== SEG_FREE) used += words[seg + SEG_USED]!;
  }
  return used;
}

function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/** Word of a caller's block that the host sets while the slot is taken. */
export const CALLER_TAKEN = 4;

function callersInUse(control: Int32Array, layout: SharedLayout): number {
  let used = 0;
  for (let c = 0; c < layout.shape.callers; c++)
    used += control[layout.callerWord(c) + CALLER_TAKEN] === 1 ? 1 : 0;
  return used;
}
