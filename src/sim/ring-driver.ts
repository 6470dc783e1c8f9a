import { membersOf } from '../ring/state.js';
import { TWO_VNODES, type World } from './world.js';

const LEAST_NODES = 5;
const MOST_NODES = 7;
const TRY_AGAIN_MS = 3_000;

/** Draws joins and leaves: one at a time, as the product has it. */
export class RingDriver {
  readonly counts = new Map<string, number>();
  private readonly world: World;
  private readonly meanMs: number;
  private stopped = false;

  constructor(world: World, perMinute: number) {
    this.world = world;
    this.meanMs = 60_000 / perMinute;
    this.plan(world.random.interval(this.meanMs));
  }

  private plan(milliseconds: number): void {
    const { scheduler, random } = this.world;
    scheduler.after(milliseconds, () => {
      if (this.stopped) return;
      this.plan(this.begin() ? random.interval(this.meanMs) : TRY_AGAIN_MS);
    });
  }

  /** Whether one has begun: not while there is no process, or another is under way. */
  begin(): boolean {
    const { process, machine, random, replicas } = this.world;
    if (process.dead || !process.isOpen || process.keeper.isChanging) return false;
    const members = membersOf(machine.ring, 'from');
    const mayLeave = members.length > Math.max(LEAST_NODES, replicas.at(-1)!);
    const vnodes = random.chance(TWO_VNODES) ? 2 : 1;
    const mayJoin = members.length < MOST_NODES && process.roomFor(vnodes);
    if (!mayJoin && !mayLeave) return false;
    if (mayJoin && (!mayLeave || random.chance(0.5))) {
      const id = `n${machine.ring.nodes.length + 1}`;
      process.keeper.join({ id, capacity: 1 + random.below(3), vnodes });
      this.count('join');
    } else {
      process.keeper.leave(random.pick(members).id);
      this.count('leave');
    }
    if (random.chance(0.2)) this.takeBack(random.between(10, 1_500));
    return true;
  }

  private takeBack(afterMs: number): void {
    this.world.scheduler.after(afterMs, () => {
      const { process } = this.world;
      if (!this.stopped && !process.dead && process.isOpen && process.keeper.rollBack())
        this.count('rolled back');
    });
  }

  private count(kind: string): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
  }

  stop(): void {
    this.stopped = true;
  }
}
