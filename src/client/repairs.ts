import { LIMITS } from '../base/limits.js';
import type { StoredValue } from '../storage/record-codec.js';
import type { Clock } from '../versions/dvvs.js';
import type { Connection } from './connection.js';
import { writeRepair } from './request-frames.js';
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
}

/**
 * Read repair (paper §5), after the reply: owners that lack something of the reconciled record are
 * sent it. Merging it again changes nothing, so nobody waits, and a full list just drops some.
 */
export class Repairs {
  private readonly connection: Connection;
  private waiting: Repair[] = [];
  private scheduled = false;

  constructor(connection: Connection) {
    this.connection = connection;
  }

  later(
    key: LocatedKey,
    policy: Policy,
    clock: Clock<StoredValue>,
    kind: number,
    stale: readonly number[],
  ): void {
    if (this.waiting.length >= WAITING) return;
    this.waiting.push({ key, policy, clock, kind, stale });
    if (this.scheduled) return;
    this.scheduled = true;
    setTimeout(this.send, DELAY_MS).unref();
  }

  private readonly send = (): void => {
    this.scheduled = false;
    if (this.connection.isClosed) return;
    const { frames, direct, clock, machine } = this.connection;
    for (const repair of this.waiting.splice(0)) {
      for (const vnode of repair.stale) {
        if (!direct.isServing(vnode) || machine.suspects(vnode)) continue;
        // A slow one is spared: requests need the room, and the next get repairs as well.
        if (frames.endpoint.to(vnode).waitingBytes > LIMITS.outboxBytes / 8) continue;
        const deadlineMs = clock.nowMs() + LIFETIME_MS;
        writeRepair(frames, vnode, repair.key, repair.policy, repair.kind, repair.clock, deadlineMs);
      }
    }
    this.connection.scheduleFlush();
  };
}
