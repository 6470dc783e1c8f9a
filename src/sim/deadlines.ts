import type { SimCaller } from './caller.js';
import type { World } from './world.js';

/** A caller looks at its deadlines so often (caller.ts), and then says what has become of a request. */
const LATE_MS = 20;

/** A request that has not been answered. */
export interface Waiting {
  readonly what: string;
  readonly caller: SimCaller;
  readonly deadlineMs: number;
}

/** Every request is answered by its deadline, once, unless its caller has died: nobody waits for ever. */
export class Deadlines {
  private readonly world: World;
  private readonly waiting = new Set<Waiting>();

  constructor(world: World) {
    this.world = world;
  }

  begin(what: string, caller: SimCaller, deadlineMs: number): Waiting {
    const request = { what, caller, deadlineMs };
    this.waiting.add(request);
    return request;
  }

  answered(request: Waiting): void {
    const { what, deadlineMs } = request;
    const { world } = this;
    if (!this.waiting.delete(request)) world.violation(`${what} was answered twice`);
    const lateMs = world.scheduler.nowMs - deadlineMs;
    if (lateMs > LATE_MS) world.violation(`${what} was answered ${lateMs.toFixed(0)} ms after its deadline`);
  }

  /** What is overdue now; nobody waits any more for what a dead caller has asked. */
  checkOverdue(): void {
    const { nowMs } = this.world.scheduler;
    for (const request of this.waiting) {
      const { what, caller, deadlineMs } = request;
      if (nowMs <= deadlineMs + LATE_MS) continue;
      this.waiting.delete(request);
      if (!caller.dead) this.world.violation(`${what} was not answered by its deadline`);
    }
  }
}
