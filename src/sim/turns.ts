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
  /** The words of the parties' doorbells: one thread runs them all, so that a plain look is enough. */
  private readonly doorbells: readonly number[];
  /** When each wants its next turn at the latest; a timer that comes earlier is one of before, and is set anew. */
  private readonly wantedMs: number[];
  private readonly timers: (Planned | undefined)[] = [];
  private readonly due: readonly (() => void)[];
  /** Turns that come earlier, since something has happened. */
  private readonly wakes: (Planned | undefined)[] = [];
  private readonly woken: readonly (() => void)[];
  /** Parties whose doorbell was rung and that wake up. */
  private readonly waking: boolean[] = [];

  constructor(world: TurnsWorld) {
    this.world = world;
    const { layout } = world;
    const parties = Array.from({ length: layout.parties }, (_, party) => party);
    this.doorbells = parties.map((party) => layout.doorbellWord(party));
    this.wantedMs = parties.map(() => Number.POSITIVE_INFINITY);
    this.due = parties.map((party) => () => this.isDue(party));
    this.woken = parties.map((party) => () => this.turn(party));
  }

  /** Another turn for a party, at the latest then. */
  wake(party: number, atMs: number): void {
    if (this.wantedMs[party]! <= atMs) return;
    const planned = this.wakes[party];
    if (planned !== undefined) {
      if (planned.atMs <= atMs) return;
      planned.action = undefined;
    }
    this.wakes[party] = this.world.scheduler.at(atMs, this.woken[party]!);
  }

  private want(party: number, atMs: number): void {
    this.wantedMs[party] = atMs;
    const timer = this.timers[party];
    if (timer !== undefined) {
      if (timer.atMs <= atMs) return;
      timer.action = undefined;
    }
    this.timers[party] = this.world.scheduler.at(atMs, this.due[party]!);
  }

  private isDue(party: number): void {
    this.timers[party] = undefined;
    const wantedMs = this.wantedMs[party]!;
    if (wantedMs <= this.world.scheduler.nowMs) this.turn(party);
    else if (wantedMs < Number.POSITIVE_INFINITY) this.want(party, wantedMs);
  }

  private turn(party: number): void {
    const { world } = this;
    const { nowMs } = world.scheduler;
    const wake = this.wakes[party];
    if (wake !== undefined) wake.action = undefined;
    this.wakes[party] = undefined;
    this.waking[party] = false;
    this.wantedMs[party] = Number.POSITIVE_INFINITY;
    if (this.isAwake(party, nowMs)) Atomics.store(world.control, this.doorbells[party]!, 0);
    const next = world.turn(party, nowMs);
    this.ended(party);
    if (next < Number.POSITIVE_INFINITY) this.want(party, Math.max(next, nowMs + MOMENT_MS));
  }

  /** A party has published: it sleeps on its doorbell now, and whoever it rang wakes up. */
  ended(party: number): void {
    const { control, scheduler } = this.world;
    const { doorbells } = this;
    const { nowMs } = scheduler;
    const endpoint = this.world.endpointOf(party);
    if (endpoint !== undefined && this.isAwake(party, nowMs)) {
      Atomics.store(control, doorbells[party]!, 1);
      if (!endpoint.idle()) this.wakeSoon(party, nowMs);
    }
    for (let other = 0; other < doorbells.length; other++) {
      if (control[doorbells[other]!] !== 0 || other === party || this.waking[other] === true) continue;
      if (!this.isAwake(other, nowMs)) continue;
      this.waking[other] = true;
      this.wakeSoon(other, nowMs);
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
    for (const planned of [...this.timers, ...this.wakes])
      if (planned !== undefined) planned.action = undefined;
  }
}
