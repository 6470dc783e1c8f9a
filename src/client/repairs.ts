import { LIMITS } from '../base/limits.js';
import type { StoredValue } from '../storage/record-codec.js';
import type { Clock } from '../versions/dvvs.js';
import { type FrameContext, writeRepair } from './request-frames.js';
import type { LocatedKey, Policy } from './request.js';

/** A write in progress makes replicas differ for a moment: only what still differs later is repaired. */
const DELAY_MS = 20;
const WAITING = 1_024;
const LIFETIME_MS = 1_000;

interface Repair {
  readonly key: LocatedKey;
  readonly policy: Policy;
  readonly clock: Clock<StoredValue>;
  readonly kind: number;
  readonly stale: readonly number[];
  /** The copies were read after this. */
  readonly readMs: number;
}

/** What repairs know of their thread. */
export interface RepairWorld {
  readonly frames: FrameContext;
  isServing(vnode: number): boolean;
  nowMs(): number;
  /** Calls back once, so much later; never after the caller's end. */
  after(milliseconds: number, action: () => void): void;
  /** Makes what was written visible, soon. */
  flush(): void;
}

/**
 * Read repair (paper §5), after the reply: owners that lack something of the reconciled record are
 * sent it. Merging it again changes nothing, so nobody waits, and a full list just drops some.
 */
export class Repairs {
  private readonly world: RepairWorld;
  private waiting: Repair[] = [];
  private scheduled = false;

  constructor(world: RepairWorld) {
    this.world = world;
  }

  get size(): number {
    return this.waiting.length;
  }

  later(
    key: LocatedKey,
    policy: Policy,
    clock: Clock<StoredValue>,
    kind: number,
    stale: readonly number[],
    readMs: number,
  ): void {
    if (this.waiting.length >= WAITING) return;
    this.waiting.push({ key, policy, clock, kind, stale, readMs });
    if (this.scheduled) return;
    this.scheduled = true;
    this.world.after(DELAY_MS, this.send);
  }

  private readonly send = (): void => {
    this.scheduled = false;
    const { world } = this;
    const { frames } = world;
    for (const repair of this.waiting.splice(0)) {
      const nowMs = world.nowMs();
      // A thread that stood still may hold what was deleted, and reaped, long ago.
      const deadlineMs = Math.min(nowMs + LIFETIME_MS, repair.readMs + LIMITS.replicaFrameMs);
      if (deadlineMs < nowMs) continue;
      for (const vnode of repair.stale) {
        if (!world.isServing(vnode)) continue;
        // A slow one is spared: requests need the room, and the next get repairs as well.
        if (frames.endpoint.to(vnode).waitingBytes > LIMITS.outboxBytes / 8) continue;
        writeRepair(frames, vnode, repair.key, repair.policy, repair.kind, repair.clock, deadlineMs);
      }
    }
    world.flush();
  };
}
