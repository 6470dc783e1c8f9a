import { Coverage } from './coverage.js';
import { FAULTS } from './faults.js';
import type { World } from './world.js';

const SAMPLE_MS = 25;
/** How often a fault brings a second one along. */
const COMPANY = 0.35;
const NAMES = Object.keys(FAULTS);

interface Active {
  readonly name: string;
  end(): void;
}

/** Draws faults, ends them, and writes down in which states of the protocols they met the store. */
export class FaultDriver {
  readonly coverage = new Coverage();
  readonly counts = new Map<string, number>();
  private readonly world: World;
  private readonly meanMs: number;
  private readonly active = new Set<Active>();
  private stopped = false;

  constructor(world: World, perMinute: number) {
    this.world = world;
    // Some come in pairs.
    this.meanMs = (60_000 * (1 + COMPANY)) / perMinute;
    this.plan();
    this.sample();
  }

  private plan(): void {
    const { scheduler, random } = this.world;
    scheduler.after(random.interval(this.meanMs), () => {
      if (this.stopped) return;
      this.begin(random.pick(NAMES));
      if (random.chance(COMPANY)) {
        scheduler.after(random.between(0, 400), () => this.stopped || this.begin(random.pick(NAMES)));
      }
      this.plan();
    });
  }

  private begin(name: string): void {
    const { world } = this;
    // Nobody starts a fault in a process that is not there; a machine can lose power at any time.
    if (world.process.dead || (!world.process.isOpen && name !== 'power cut' && name !== 'process kill'))
      return;
    world.note(`FAULT ${name}`);
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
    this.coverage.meet(name, world, this.active.size > 0);
    const lasting = FAULTS[name]!(world);
    // What happens at once is looked at a little longer: its consequences are the point.
    const active: Active = { name, end: () => lasting?.end() };
    this.active.add(active);
    world.scheduler.after(lasting?.forMs ?? 2_000, () => this.end(active));
  }

  private end(active: Active): void {
    if (!this.active.delete(active)) return;
    active.end();
    this.world.note(`end of ${active.name}`);
  }

  private sample(): void {
    this.world.scheduler.after(SAMPLE_MS, () => {
      if (this.stopped) return;
      for (const { name } of this.active) this.coverage.meet(name, this.world, this.active.size > 1);
      this.sample();
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
