import type { RingEndpoint } from '../messaging/ring-endpoint.js';
import type { Endpoint, FrameHandler, Outbox } from '../messaging/transport.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

/** What happens to frames on their way from one party to another. */
export interface LinkFault {
  readonly cut?: boolean;
  /** Probabilities per frame. */
  readonly drop?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  /** The longest additional delay. */
  readonly delayMs?: number;
}

interface Held {
  readonly dueMs: number;
  readonly from: number;
  readonly words: Int32Array;
}

/** More frames than this are never held for one party: the oldest ones are lost. */
const HELD = 4_096;

/**
 * The way between parties. Frames travel through the product's rings; here is what may happen to
 * them between the ring and their reader, for each directed pair.
 */
export class Network {
  private readonly scheduler: Scheduler;
  private readonly random: Random;
  private readonly wake: (party: number, atMs: number) => void;
  private readonly faults = new Map<number, Set<LinkFault>>();
  /** Per receiver, by due time. */
  private readonly held: Held[][] = [];
  /** Per pair, when the last frame that keeps the order is due. */
  private readonly lastDueMs = new Map<number, number>();
  dropped = 0;

  constructor(scheduler: Scheduler, random: Random, wake: (party: number, atMs: number) => void) {
    this.scheduler = scheduler;
    this.random = random;
    this.wake = wake;
  }

  arm(from: number, to: number, fault: LinkFault): void {
    const pair = pairOf(from, to);
    const list = this.faults.get(pair);
    if (list === undefined) this.faults.set(pair, new Set([fault]));
    else list.add(fault);
  }

  disarm(from: number, to: number, fault: LinkFault): void {
    const pair = pairOf(from, to);
    this.faults.get(pair)?.delete(fault);
    if (this.faults.get(pair)?.size === 0) this.faults.delete(pair);
  }

  /** Whether frames go straight through: no fault is armed and none is held that must come first. */
  isClear(from: number, to: number): boolean {
    if (this.faults.size > 0 && this.faults.has(pairOf(from, to))) return false;
    const held = this.held[to];
    return held === undefined || held.length === 0 || !held.some((frame) => frame.from === from);
  }

  heldFor(party: number): number {
    return this.held[party]?.length ?? 0;
  }

  /** Decides what becomes of a frame that a fault may meet. */
  take(from: number, to: number, words: Int32Array): void {
    const { random } = this;
    const faults = [...(this.faults.get(pairOf(from, to)) ?? [])];
    if (faults.some(({ cut, drop }) => cut === true || (drop !== undefined && random.chance(drop)))) {
      this.dropped++;
      return;
    }
    const copies = faults.some(({ duplicate }) => duplicate !== undefined && random.chance(duplicate))
      ? 2
      : 1;
    const overtakes = faults.some(({ reorder }) => reorder !== undefined && random.chance(reorder));
    for (let i = 0; i < copies; i++) {
      const delayMs = faults.reduce((sum, fault) => sum + random.unit() * (fault.delayMs ?? 0), 0);
      this.hold(
        from,
        to,
        words,
        delayMs + (overtakes || i > 0 ? random.between(0.1, 20) : 0),
        overtakes || i > 0,
      );
    }
  }

  private hold(from: number, to: number, words: Int32Array, delayMs: number, overtakes: boolean): void {
    const pair = pairOf(from, to);
    const { nowMs } = this.scheduler;
    const earliestMs = overtakes ? nowMs : Math.max(nowMs, this.lastDueMs.get(pair) ?? 0);
    const dueMs = Math.max(earliestMs, nowMs + delayMs);
    if (!overtakes) this.lastDueMs.set(pair, dueMs);
    const list = (this.held[to] ??= []);
    if (list.length >= HELD) {
      list.shift();
      this.dropped++;
    }
    let at = list.length;
    while (at > 0 && list[at - 1]!.dueMs > dueMs) at--;
    list.splice(at, 0, { dueMs, from, words });
    if (dueMs > nowMs) this.wake(to, dueMs);
  }

  /** Hands over what is due. A frame is gone before it is handled: one that kills its reader is met once. */
  release(to: number, handle: FrameHandler): void {
    const list = this.held[to];
    if (list === undefined || list.length === 0) return;
    const { nowMs } = this.scheduler;
    while (list.length > 0 && list[0]!.dueMs <= nowMs) {
      const { from, words } = list.shift()!;
      handle(from, words, new Uint8Array(words.buffer), 0);
    }
  }

  /** The process is gone, with everything on its way. */
  clear(): void {
    this.held.length = 0;
    this.lastDueMs.clear();
  }
  /** The same for one party: nobody takes over what was meant for a caller that died. */
  clearFor(party: number): void {
    this.held[party] = [];
  }
}

function pairOf(from: number, to: number): number {
  return from * 1_024 + to;
}

/** A ring endpoint whose frames pass through the simulated network before they are handled. */
export class SimEndpoint implements Endpoint {
  readonly party: number;
  private readonly rings: RingEndpoint;
  private readonly network: Network;

  constructor(rings: RingEndpoint, network: Network) {
    this.party = rings.party;
    this.rings = rings;
    this.network = network;
  }

  to(peer: number): Outbox {
    return this.rings.to(peer);
  }

  grow(vnodes: number): void {
    this.rings.grow(vnodes);
  }

  drain(budget: number, handle: FrameHandler, onPart?: (from: number) => void): boolean {
    const { network, party } = this;
    const arrived: FrameHandler = (from, words, bytes, at) => {
      if (network.isClear(from, party)) handle(from, words, bytes, at);
      else network.take(from, party, words.slice(at, at + (words[at]! >>> 2)));
    };
    const more = this.rings.drain(budget, arrived, (from) => {
      if (network.isClear(from, party)) onPart?.(from);
    });
    network.release(party, handle);
    return more;
  }

  flush(): void {
    this.rings.flush();
  }
  idle(): boolean {
    return this.rings.idle();
  }
  get blocked(): boolean {
    return this.rings.blocked;
  }
}
