import { setTimeout as pause } from 'node:timers/promises';
import type { HostStore } from '../../src/client/api.js';
import type { Random } from '../../src/sim/random.js';
import type { Books } from './books.js';
import { DISK_NODE } from './faults.js';

/** A change that is under way when everything is well again is done within this time. */
const FINISHED_MS = 180_000;
const NODES = 5;
/** After a change that was refused: the reason may be there for a while, and nothing else would let others run. */
const REFUSED_MS = 250;

/** Nodes join and leave, one after the other, whatever else happens meanwhile. */
export class RingChanges {
  private readonly store: HostStore;
  private readonly random: Random;
  private running = true;
  private joined = 0;
  private readonly ended: string[] = [];
  private readonly all: Promise<void>;

  constructor(store: HostStore, random: Random) {
    this.store = store;
    this.random = random;
    this.all = this.run();
  }

  /** No further change begins. */
  stop(): void {
    this.running = false;
  }

  private async run(): Promise<void> {
    while (this.running) {
      await this.begin();
      const last = await this.store.members.finished();
      if (last !== undefined) this.ended.push(`${last.node} ${last.change} ${last.phase}`);
    }
  }

  private async begin(): Promise<void> {
    const { members } = this.store;
    const nodes = this.store.ring().nodes.map(({ id }) => id);
    try {
      if (nodes.length <= NODES)
        await members.join({ node: `x${++this.joined}`, capacity: 1 + this.random.below(2) });
      else await members.leave(this.random.pick(nodes.filter((node) => node !== DISK_NODE)));
    } catch (error) {
      this.ended.push(`refused: ${(error as Error).message}`);
      await pause(REFUSED_MS);
    }
  }

  /** After healing: the change under way comes to its end. */
  async end(books: Books): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, FINISHED_MS, true);
    });
    if (await Promise.race([late, this.all.then(() => false)]))
      books.violation(`a ring change is not done: ${JSON.stringify(this.store.members.progress)}`);
    clearTimeout(timer);
    console.log(`  ring changes: ${this.ended.join(', ')}`);
  }
}
