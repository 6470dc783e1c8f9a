import { APPENDED, SYNCED, WRITTEN } from '../storage/buffer-layout.js';
import { BUFFERED, COMMITTED, DURABLE, type Level, ONE_DURABLE } from '../storage/pipeline.js';
import { compareClocks } from '../storage/record-codec.js';
import { mustBeThere, nameOf, type SimKey } from './history.js';
import type { SimProcess } from './process.js';
import {
  holdersOf,
  type OwnerPlace,
  type Promised,
  promisesOf,
  vectorIn,
  WATERMARK_OF,
  wordsOf,
} from './promises.js';
import type { End, World } from './world.js';

/** What a virtual node must have when it recovers now, and if the power goes before it has. */
interface Promises {
  readonly now: Promised;
  readonly stable: Promised;
}

/** What a virtual node still has after such an end: its log up to this position (SYNCED after a power cut) … */
const WATERMARK = { 'clean stop': APPENDED, 'process kill': WRITTEN } as const;
/** … and so every write of this level. */
const LEAST_LEVEL: Readonly<Record<End, Level>> = {
  'clean stop': BUFFERED,
  'process kill': COMMITTED,
  'power cut': DURABLE,
};
const NOTHING: Promised = new Map();

/**
 * The books of what a crash, a power cut or the loss of data may take: of a process nothing that an
 * engine has and nothing at or below the watermark of a journal, so no write whose durability asked for
 * that; of one virtual node nothing that another one has as well.
 */
export class Guarantees {
  private readonly world: World;
  /** Promises of virtual nodes that have not recovered yet. */
  private readonly open: (Promises | undefined)[] = [];

  constructor(world: World) {
    this.world = world;
  }

  /** The process has ended: its buffers are still there to look at, its engines have what they have. */
  close(process: SimProcess, end: End): void {
    const { ring, history, machine } = this.world;
    for (const vnode of machine.gone) {
      this.lose(vnode, () => true);
      this.open[vnode] = { now: NOTHING, stable: NOTHING };
    }
    const all = ring.vnodes.map(({ ordinal, gone }): Promises => {
      if (gone === true || machine.gone.has(ordinal) || process.memory.bufferWords[ordinal] === undefined)
        return { now: NOTHING, stable: NOTHING };
      const stable = this.promisesOf(ordinal, SYNCED, this.open[ordinal]?.stable);
      if (end === 'power cut') return { now: stable, stable };
      return { now: this.promisesOf(ordinal, WATERMARK[end], this.open[ordinal]?.now), stable };
    });
    const promised = all.map(({ now }) => now);
    for (const key of history.keys.values()) this.settle(key, promised, end);
    all.forEach((promises, ordinal) => (this.open[ordinal] = promises));
  }

  private promisesOf(vnode: number, watermark: number, owed: Promised | undefined): Promised {
    const { engine } = this.world.machine.vnodes[vnode]!;
    return promisesOf(this.world.view(vnode), engine, watermark, owed);
  }

  /** Which acknowledged writes of a key may be gone from now on. */
  private settle(key: SimKey, promised: readonly Promised[], end: End): void {
    const places = this.placesOf(key, promised, this.world.owners(key));
    const others = this.placesOf(key, promised, this.world.others(key));
    let taken = false;
    for (const write of key.writes) {
      if (!mustBeThere(write)) continue;
      const readable = holdersOf(write, places);
      // Before a handover is known everywhere the owners of the other list count as well.
      const holders = readable + holdersOf(write, others);
      const level = key.bucket.level as Level;
      const mayGo = (level === ONE_DURABLE ? BUFFERED : level) < LEAST_LEVEL[end];
      // One that an earlier crash took from some owners is still promised by the others.
      const least = write.thin ? 1 : key.bucket.w;
      if (!mayGo && holders < least) {
        this.world.violation(
          `a ${end} leaves ${nameOf(write)} at ${holders} owners or fallbacks for them, it was acknowledged with W=${key.bucket.w} and level ${level}`,
        );
      }
      if (readable >= key.bucket.w) continue;
      write.thin = true;
      write.exempt = holders === 0;
      taken = true;
    }
    if (taken) key.recount();
  }

  /**
   * What a virtual node has on its disk is lost, all of it or a part: an acknowledged write is promised as
   * long as somebody else has it at the level of its bucket.
   *
   * @param change makes it so; true if everything is gone, which is returned
   */
  lose(vnode: number, change: () => boolean): boolean {
    const { world } = this;
    const before = new Map<number, Promised[]>();
    for (const watermark of [APPENDED, WRITTEN, SYNCED]) before.set(watermark, this.everywhere(watermark));
    const all = change();
    if (all) this.open[vnode] = undefined;
    const after = new Map<number, Promised[]>();
    for (const [watermark, promised] of before)
      after.set(watermark, promised.with(vnode, all ? NOTHING : this.promisedNow(vnode, watermark)));
    for (const key of world.history.keys.values()) {
      const watermark = WATERMARK_OF[key.bucket.level as Level];
      this.settleLoss(key, before.get(watermark)!, after.get(watermark)!);
    }
    return all;
  }

  /** What each virtual node has up to a watermark, whether or not it has recovered. */
  private everywhere(watermark: number): Promised[] {
    return this.world.ring.vnodes.map(({ ordinal, gone }) =>
      gone === true ? NOTHING : this.promisedNow(ordinal, watermark),
    );
  }

  private promisedNow(vnode: number, watermark: number): Promised {
    const open = this.open[vnode];
    if (open !== undefined) return watermark === SYNCED ? open.stable : open.now;
    // One that joins has no memory before its thread starts.
    if (this.world.process.memory.bufferWords[vnode] === undefined) return NOTHING;
    return this.promisesOf(vnode, watermark, undefined);
  }

  private settleLoss(key: SimKey, before: readonly Promised[], after: readonly Promised[]): void {
    const [owners, others] = [this.world.owners(key), this.world.others(key)];
    const [was, is] = [before, after].map((promised) => [
      ...this.placesOf(key, promised, owners),
      ...this.placesOf(key, promised, others),
    ]);
    let taken = false;
    for (const write of key.writes) {
      if (!mustBeThere(write)) continue;
      const holders = holdersOf(write, is!);
      if (holders === holdersOf(write, was!)) continue;
      write.thin = true;
      write.exempt = holders === 0;
      taken = true;
    }
    if (taken) key.recount();
  }

  private placesOf(key: SimKey, promised: readonly Promised[], owners: readonly number[]): OwnerPlace[] {
    const { world } = this;
    const { row } = key.stored;
    const candidates = world.holders(key);
    return owners.map((owner) => {
      const hint = world.hintFor(owner, key).row;
      const holding = candidates.filter((vnode) => promised[vnode]?.has(hint) === true);
      return [owner, ...holding].map((vnode) => vectorIn(promised[vnode], row));
    });
  }

  /** A virtual node has left, with all its files. */
  forget(vnode: number): void {
    this.open[vnode] = undefined;
  }

  /** A virtual node has recovered: everything promised must be in its engine. */
  redeem(vnode: number): void {
    const promised = this.open[vnode]?.now;
    if (promised === undefined) return;
    this.open[vnode] = undefined;
    const { rows } = this.world.machine.vnodes[vnode]!.engine;
    for (const [name, record] of promised) {
      const row = rows.get(name);
      // Its bits have changed: what was lost by that is in the books.
      if (row?.damaged === true) continue;
      const found = row === undefined ? undefined : compareClocks(wordsOf(row.record), 0, record, 0);
      if (found === 'equal' || found === 'newer') continue;
      this.world.violation(
        `virtual node ${vnode} recovered without a record of ${name} that was at or below its watermark (${found ?? 'missing'})`,
      );
      return;
    }
  }
}
