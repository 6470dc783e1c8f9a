import { APPENDED, SYNCED, WRITTEN } from '../storage/buffer-layout.js';
import { BUFFERED, COMMITTED, DURABLE, type Level, ONE_DURABLE } from '../storage/pipeline.js';
import { compareClocks, decodeVector } from '../storage/record-codec.js';
import {
  bucketAt,
  keyAt,
  keyLengthAt,
  KIND_REMOVED,
  kindAt,
  lengthAt,
  partitionAt,
  sequenceAt,
} from '../storage/record.js';
import type { Clock } from '../versions/dvvs.js';
import { BufferView } from './buffer-view.js';
import { rowName } from './engine.js';
import { mustBeThere, nameOf, seenBy, type SimKey } from './history.js';
import type { SimProcess } from './process.js';
import type { World } from './world.js';

/** What of a virtual node must survive the end of its process: key → record. */
type Promised = Map<string, Int32Array>;

/** What it must have when it recovers now, and if the power goes before it has. */
interface Promises {
  readonly now: Promised;
  readonly stable: Promised;
}

/** How a process may end. */
export type End = 'clean stop' | 'process kill' | 'power cut';

/** What a virtual node still has after such an end: its log up to this position (SYNCED after a power cut) … */
const WATERMARK = { 'clean stop': APPENDED, 'process kill': WRITTEN } as const;
/** … and so every write of this level. */
const LEAST_LEVEL: Readonly<Record<End, Level>> = {
  'clean stop': BUFFERED,
  'process kill': COMMITTED,
  'power cut': DURABLE,
};

/**
 * The books of what a process crash or power cut may take: nothing that the engine has, nothing at
 * or below the watermark of the journal, and so no write whose durability asked for that.
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
    const { ring, history } = this.world;
    const all = ring.vnodes.map(({ ordinal, gone }): Promises => {
      if (gone === true || process.memoryWords[ordinal] === undefined)
        return { now: new Map(), stable: new Map() };
      const stable = this.promisesOf(process, ordinal, SYNCED, this.open[ordinal]?.stable);
      if (end === 'power cut') return { now: stable, stable };
      return { now: this.promisesOf(process, ordinal, WATERMARK[end], this.open[ordinal]?.now), stable };
    });
    const promised = all.map(({ now }) => now);
    for (const key of history.keys.values()) this.settle(key, promised, end);
    all.forEach((promises, ordinal) => (this.open[ordinal] = promises));
  }

  /** @param owed by one that has not recovered since its last end */
  private promisesOf(
    process: SimProcess,
    vnode: number,
    watermark: number,
    owed: Promised | undefined,
  ): Promised {
    const promised: Promised = new Map(owed);
    const { rows } = this.world.machine.vnodes[vnode]!.engine;
    // One that has not recovered may have rows still that its journal says were let go.
    if (owed === undefined) for (const [name, { record }] of rows) keep(promised, name, wordsOf(record));
    const view = new BufferView(process.memoryWords[vnode]!, process.bufferLayout);
    const last = view.position(watermark);
    const bytes = new Uint8Array(view.words.buffer);
    view.visitLog((at) => {
      const { words } = view;
      const key = bytes.slice(keyAt(words, at) * 4, keyAt(words, at) * 4 + keyLengthAt(words, at));
      const name = rowName(partitionAt(words, at), bucketAt(words, at), key);
      // What was let go counts on nobody any more, whether or not the log says so after the crash.
      if (kindAt(words, at) === KIND_REMOVED) promised.delete(name);
      else if (sequenceAt(words, at) <= last)
        keep(promised, name, words.slice(at, at + (lengthAt(words, at) >>> 2)));
    });
    return promised;
  }

  /** Which acknowledged writes of a key may be gone from now on. */
  private settle(key: SimKey, promised: readonly Promised[], end: End): void {
    const places = this.placesOf(key, promised, this.world.owners(key));
    const others = this.placesOf(key, promised, this.world.others(key));
    let taken = false;
    for (const write of key.writes) {
      if (!mustBeThere(write)) continue;
      const { actor, n } = write;
      const has = (vectors: Clock<never>[]): boolean => vectors.some((vector) => seenBy(vector, actor) >= n);
      const readable = places.filter(has).length;
      // Before a handover is known everywhere the owners of the other list count as well.
      const holders = readable + others.filter(has).length;
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

  /** Per owner the version vectors that stand for it: its own, and those of fallbacks that hold a hint for it. */
  private placesOf(key: SimKey, promised: readonly Promised[], owners: readonly number[]): Clock<never>[][] {
    const { world } = this;
    const fallbacks = world.fallbacks(key);
    return owners.map((owner) => {
      const hint = world.hintFor(owner, key).row;
      return [owner, ...fallbacks.filter((vnode) => promised[vnode]!.has(hint))]
        .map((vnode) => promised[vnode]!.get(key.stored.row))
        .map((record) => (record === undefined ? [] : decodeVector(record, 0)));
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
      const found = row === undefined ? undefined : compareClocks(wordsOf(row.record), 0, record, 0);
      if (found === 'equal' || found === 'newer') continue;
      this.world.violation(
        `virtual node ${vnode} recovered without a record of ${name} that was at or below its watermark (${found ?? 'missing'})`,
      );
      return;
    }
  }
}

function keep(promised: Promised, name: string, record: Int32Array): void {
  const before = promised.get(name);
  if (before === undefined || compareClocks(record, 0, before, 0) === 'newer') promised.set(name, record);
}

function wordsOf(record: Uint8Array): Int32Array {
  return new Int32Array(record.buffer, record.byteOffset, record.length >>> 2);
}
