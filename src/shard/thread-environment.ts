import type { Clock } from '../base/time.js';
import { LIMITS } from '../base/limits.js';
import { Claims } from '../messaging/claims.js';
import { ExpiryClock } from '../messaging/expiry-clock.js';
import { HybridClock } from '../messaging/hybrid-clock.js';
import {
  maxBytesOfFacts,
  replicasOfFacts,
  ruleOfFacts,
  type SharedLayout,
  STATE_SERVING,
  STORE_RETAINS,
  takesRequests,
  VNODE_COUNTERS,
  VNODE_HINTED,
  VNODE_INCARNATION,
  VNODE_MEMBERSHIP,
  VNODE_STATE,
  VNODE_SUSPECTS,
} from '../messaging/layout.js';
import { raiseReaderEpoch } from '../messaging/reader-epoch.js';
import type { RingTable } from '../messaging/ring-table.js';
import type { Endpoint } from '../messaging/transport.js';
import { hasVnodeBit, setVnodeBit } from '../messaging/vnode-bits.js';
import type { RingFact } from '../ring/state.js';
import type { Ring } from '../ring/ring.js';
import { ownCounter, storeCounter } from '../storage/buffer-layout.js';
import { Reclaimer } from '../storage/readers.js';
import type { VnodeEnvironment } from './environment.js';
import { SharedRingSource } from './ring-source.js';
import type { VnodeTask } from './worker-protocol.js';

/** What a thread has that serves a virtual node. */
export interface ThreadWorld {
  readonly task: VnodeTask;
  readonly layout: SharedLayout;
  readonly control: Int32Array;
  readonly table: RingTable;
  /** As it was at the start of the thread. */
  readonly ring: Ring;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  /** Called inside each put. */
  onTick(): void;
  readonly random: () => number;
  freshActor(): number | undefined;
  readonly report: (facts: readonly RingFact[]) => void;
}

/** The world of a virtual node as words of shared memory: what it asks is read there, what it says is written there. */
export function threadEnvironment(world: ThreadWorld): VnodeEnvironment {
  const { control, layout, task, table, ring, endpoint, clock } = world;
  const base = layout.vnodeWord(task.ordinal);
  const hybrid = new HybridClock(task.shared.control, () => clock.wallMs());
  const expiry = new ExpiryClock(task.shared.control, () => clock.wallMs());
  const stateOf = (vnode: number): number => Atomics.load(control, layout.vnodeWord(vnode) + VNODE_STATE);
  const factsOf = (bucket: number): number =>
    bucket <= LIMITS.buckets ? Atomics.load(control, layout.bucketWord(bucket)) : 0;
  return {
    ordinal: task.ordinal,
    ring,
    ringSource: new SharedRingSource(
      control,
      layout,
      table,
      task.ordinal,
      new Reclaimer(control, layout),
      world.report,
    ),
    endpoint,
    claims: new Claims(control, layout),
    clock,
    tick: () => {
      world.onTick();
      return hybrid.tick();
    },
    expiryMs: () => {
      const nowMs = expiry.nowMs();
      expiry.raise(nowMs);
      return nowMs;
    },
    isServing: (vnode) => takesRequests(stateOf(vnode)),
    isWhole: (vnode) => stateOf(vnode) === STATE_SERVING,
    replicasOf: (bucket) => replicasOfFacts(factsOf(bucket)),
    ruleOf: (bucket) => ruleOfFacts(factsOf(bucket)),
    caches: {
      limitOf: (bucket) =>
        bucket <= LIMITS.buckets ? maxBytesOfFacts(Atomics.load(control, layout.cacheWord(bucket))) : 0,
      vnodeBytes: task.cacheBytes,
    },
    random: world.random,
    retains: () => Atomics.load(control, STORE_RETAINS) !== 0,
    freshActor: () => world.freshActor(),
    holdsHintsFor: (owner, holds) => {
      const changed = setVnodeBit(control, layout.vnodeWord(owner) + VNODE_HINTED, task.ordinal, holds);
      if (changed) raiseReaderEpoch(control);
    },
    hasHintsFor: (holder, owner) => hasVnodeBit(control, layout.vnodeWord(owner) + VNODE_HINTED, holder),
    incarnation: Atomics.load(control, base + VNODE_INCARNATION),
    publishSuspicion: (vnode, suspected) => {
      setVnodeBit(control, base + VNODE_SUSPECTS, vnode, suspected);
    },
    publishMembership: (digest) => Atomics.store(control, base + VNODE_MEMBERSHIP, digest),
    count(counter, by) {
      const word = base + VNODE_COUNTERS + counter;
      storeCounter(control, word, ownCounter(control, word) + by);
    },
    gauge(gauge, value) {
      Atomics.store(control, base + VNODE_COUNTERS + gauge, value);
    },
  };
}
