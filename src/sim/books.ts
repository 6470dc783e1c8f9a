import type { Place } from '../storage/record-codec.js';
import { Guarantees } from './guarantees.js';
import { checkHandover } from './hint-check.js';
import type { SimProcess } from './process.js';
import { RebuildCheck } from './rebuild-check.js';
import { checkReaping } from './reaped.js';
import type { Bookkeeper, End, World } from './world.js';

/** The books of a run: what may be gone, what must be back, and what goes for good. */
export class Books implements Bookkeeper {
  private readonly world: World;
  private readonly guarantees: Guarantees;
  private readonly rebuilds: RebuildCheck;

  constructor(world: World) {
    this.world = world;
    this.guarantees = new Guarantees(world);
    this.rebuilds = new RebuildCheck(world);
  }

  ended(process: SimProcess, end: End): void {
    this.guarantees.close(process, end);
    this.rebuilds.forget();
  }

  recovered(vnode: number): void {
    this.guarantees.redeem(vnode);
  }

  loses(vnode: number, change: () => boolean): void {
    if (this.guarantees.lose(vnode, change)) this.rebuilds.lost(vnode);
  }

  whole(vnode: number): void {
    this.rebuilds.whole(vnode);
  }

  left(vnode: number): void {
    this.guarantees.forget(vnode);
  }

  hides(vnode: number, bucket: number, key: Uint8Array): void {
    const found = this.world.history.keys.get(Buffer.from(key).toString('latin1'));
    if (found?.bucket.number === bucket) this.rebuilds.hidden(vnode, found);
  }

  removes(vnode: number, place: Place, key: Uint8Array): void {
    checkHandover(this.world, vnode, place, key);
    checkReaping(this.world, vnode, place, key);
  }
}
