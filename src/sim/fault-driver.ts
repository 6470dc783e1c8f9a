import { Coverage, holds, STATE_NAMES, statesOf } from './coverage.js';
import { FAULTS } from './faults.js';
import type { RingDriver } from './ring-driver.js';
import { Random } from './random.js';
import type { World } from './world.js';

const LOOK_MS = 25;
/** A fault that waits for a state of the protocols looks so often, and for so long. */
const WATCH_MS = 1;
const PATIENCE_MS = 2_000;
const TRIES = 4;
/** How often a fault brings a second one along. */
const COMPANY = 0.35;
/** How often the next fault and the state in which it strikes come from the deck. */
const DEALT = 0.9;
/** Each run prefers so many kinds of faults, and draws one of them so often when none is dealt. */
const FAVOURITES = 3;
const PREFERRED = 0.5;
const NAMES = Object.keys(FAULTS);
/** States that hold only while somebody gets over a thread's end. */
const AFTER_A_CRASH = new Set(['journal anew', 'vnode away', 'hint gone']);

/** Every pair of fault and state once, in an order that is the same for all runs. */
const DECK: readonly Card[] = shuffled(
  NAMES.flatMap((fault) => STATE_NAMES.map((state) => ({ fault, state }))),
);
/**
 * Runs with following seeds begin so far apart in the deck. One of ten minutes with 2.5 faults deals half as many more
 * on average, and those that follow forty of them begin at its end: one that deals few leaves no hole for all.
 */
const STRIDE = 10;
/** How often a card whose state did not come is tried again, instead of the next one. */
const AGAIN = 0.2;

/** A fault, and the state in which it strikes. */
interface Card {
  readonly fault: string;
  readonly state: string;
}

interface Active {
  readonly name: string;
  end(): void;
}

/** Draws faults, ends them, and writes down in which states of the protocols they met the store. */
export class FaultDriver {
  readonly coverage = new Coverage();
  readonly counts = new Map<string, number>();
  private readonly world: World;
  private readonly changes: RingDriver;
  private readonly meanMs: number;
  private readonly active = new Set<Active>();
  private readonly favourites: readonly string[];
  private dealt: number;
  private readonly missed: Card[] = [];
  private stopped = false;

  /** @param changes begins one where a fault is to meet it */
  constructor(world: World, perMinute: number, changes: RingDriver) {
    this.world = world;
    this.changes = changes;
    this.dealt = world.seed * STRIDE;
    this.favourites = Array.from({ length: FAVOURITES }, () => world.random.pick(NAMES));
    // Some come in pairs.
    this.meanMs = (60_000 * (1 + COMPANY)) / perMinute;
    this.plan();
    this.look();
  }

  private plan(): void {
    const { scheduler, random } = this.world;
    scheduler.after(random.interval(this.meanMs), () => {
      if (this.stopped) return;
      if (random.chance(DEALT)) {
        this.deal(this.next(), TRIES);
      } else {
        this.begin(this.draw());
      }
      if (random.chance(COMPANY)) {
        scheduler.after(random.between(0, 400), () => this.stopped || this.begin(this.draw()));
      }
      this.plan();
    });
  }

  private next(): Card {
    const missed = this.world.random.chance(AGAIN) ? this.missed.pop() : undefined;
    return missed ?? DECK[this.dealt++ % DECK.length]!;
  }

  private draw(): string {
    const { random } = this.world;
    return random.pick(random.chance(PREFERRED) ? this.favourites : NAMES);
  }

  /** Brings the state about where it does not come by itself, and waits for it. */
  private deal(card: Card, tries: number): void {
    const { scheduler } = this.world;
    if (AFTER_A_CRASH.has(card.state)) this.begin('thread crash');
    else if (card.state === 'hint waits' && !this.isIn(card.state)) this.begin('node down');
    else if (card.state === 'being rebuilt' && !this.isIn(card.state)) this.begin('lost directory');
    else if (card.state === 'ring changes') this.changes.begin();
    else if (card.state === 'another fault' && this.active.size === 0) this.begin(this.draw());
    this.strike(card, tries, scheduler.nowMs + PATIENCE_MS);
  }

  /** Begins a fault as soon as a state holds; the card comes again if it does not. */
  private strike(card: Card, tries: number, latestMs: number): void {
    const { scheduler } = this.world;
    if (this.stopped) return;
    if (this.isIn(card.state) && this.begin(card.fault)) return;
    if (scheduler.nowMs < latestMs) scheduler.after(WATCH_MS, () => this.strike(card, tries, latestMs));
    else if (tries > 1) this.deal(card, tries - 1);
    else this.missed.unshift(card);
  }

  private isIn(state: string): boolean {
    return state === 'another fault' ? this.active.size > 0 : holds(state, this.world);
  }

  private begin(name: string): boolean {
    const { world } = this;
    // Nobody starts a fault in a process that is not there; a machine can lose power at any time.
    const isHard = name === 'power cut' || name === 'process kill';
    if (world.process.dead || (!world.process.isOpen && !isHard)) return false;
    world.note(`FAULT ${name}`);
    const states = statesOf(world);
    const lasting = FAULTS[name]!(world);
    if (lasting === false) return false;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.coverage.meet(name, states, this.active.size > 0);
    // What happens at once is looked at a little longer: its consequences are the point.
    const active: Active = { name, end: () => lasting?.end() };
    this.active.add(active);
    world.scheduler.after(lasting?.forMs ?? 2_000, () => this.end(active));
    return true;
  }

  private end(active: Active): void {
    if (!this.active.delete(active)) return;
    active.end();
    this.world.note(`end of ${active.name}`);
  }

  private look(): void {
    this.world.scheduler.after(LOOK_MS, () => {
      if (this.stopped) return;
      const states = this.active.size > 0 ? statesOf(this.world) : [];
      for (const { name } of this.active) this.coverage.meet(name, states, this.active.size > 1);
      this.look();
    });
  }

  /** Everything is well from now on. */
  heal(): void {
    this.stopped = true;
    for (const active of this.active) this.end(active);
    const { machine, process, scheduler } = this.world;
    machine.heal();
    for (const thread of process.threads) {
      if (thread === undefined) continue;
      thread.stalledUntilMs = Math.min(thread.stalledUntilMs, scheduler.nowMs);
      thread.storesLeft = Number.POSITIVE_INFINITY;
    }
  }
}

function shuffled<T>(list: readonly T[]): readonly T[] {
  const random = new Random(0);
  const deck = [...list];
  for (let i = deck.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [deck[i], deck[j]] = [deck[j]!, deck[i]!];
  }
  return deck;
}
