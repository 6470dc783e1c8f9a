import type { SharedLayout } from '../messaging/layout.js';
import type { SimEndpoint } from './network.js';
import type { Random } from './random.js';
import type { Planned, Scheduler } from './scheduler.js';

/** What is due at once takes a moment all the same, or time would stand still. */
const MOMENT_MS = 0.02;

export interface TurnsWorld {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly control: Int32Array;
  readonly layout: SharedLayout;
  /** Undefined while nobody is there. */
  endpointOf(party: number): SimEndpoint | undefined;
  /** Until when a party stands still. */
  stallOf(party: number): number;
  /** Takes a turn; returns when the next one is wanted at the latest. */
  turn(party: number, nowMs: number): number;
}

/** When each party of a process takes its turns: on time, when its doorbell rings, when something completes. */
export class Turns {
  private readonly world: TurnsWorld;
  private readonly planned: (Planned | undefined)[] = [];
  /** The words of the parties' doorbells: one thread runs them all, so that a plain look is enough. */
  private readonly doorbells: readonly number[];

  constructor(world: TurnsWorld) {
    this.world = world;
    const { layout } = world;
    this.doorbells = Array.from({ length: layout.parties }, (_, party) => layout.doorbellWord(party));
  }

  /** Another turn for a party, at the latest then. */
  wake(party: number, atMs: number): void {
    const planned = this.planned[party];
    if (planned !== undefined) {
      if (planned.atMs <= atMs) return;
      planned.action = undefined;
    }
    this.planned[party] = this.world.scheduler.at(atMs, () => this.turn(party));
  }

  private turn(party: number): void {
    const { world } = this;
    const { nowMs } = world.scheduler;
    this.planned[party] = undefined;
    if (this.isAwake(party, nowMs)) Atomics.store(world.control, this.doorbells[party]!, 0);
    const next = world.turn(party, nowMs);
    this.ended(party);
    if (next < Number.POSITIVE_INFINITY) this.wake(party, Math.max(next, nowMs + MOMENT_MS));
  }

  /** A party has published: it sleeps on its doorbell now, and whoever it rang wakes up. */
  ended(party: number): void {
    const { control, scheduler, endpointOf } = this.world;
    const { doorbells } = this;
    const { nowMs } = scheduler;
    const endpoint = endpointOf(party);
    if (endpoint !== undefined && this.isAwake(party, nowMs)) {
      Atomics.store(control, doorbells[party]!, 1);
      if (!endpoint.idle()) this.wakeSoon(party, nowMs);
    }
    for (let other = 0; other < doorbells.length; other++) {
      if (other === party || control[doorbells[other]!] !== 0) continue;
      if (this.isAwake(other, nowMs)) this.wakeSoon(other, nowMs);
    }
  }

  private isAwake(party: number, nowMs: number): boolean {
    return this.world.endpointOf(party) !== undefined && this.world.stallOf(party) <= nowMs;
  }

  /** A thread takes a while to wake up. */
  private wakeSoon(party: number, nowMs: number): void {
    this.wake(party, nowMs + this.world.random.between(0.01, 0.15));
  }

  /** Nobody takes a turn any more. */
  end(): void {
    for (const planned of this.planned) if (planned !== undefined) planned.action = undefined;
  }
}
