import { LIMITS } from '../base/limits.js';
import { paddedWords } from '../base/memory.js';
import { keepsCopies } from '../ring/live-ring.js';
import type { Pipeline } from '../storage/pipeline.js';
import { HINT_BUCKET, lengthAt } from '../storage/record.js';
import type { Place } from '../storage/record-codec.js';
import {
  COUNT_HINTS_DROPPED,
  GAUGE_HINT_KIB,
  GAUGE_HINTS,
  GAUGE_HINTS_SINCE,
  type VnodeEnvironment,
} from './environment.js';
import type { GuestActor } from './guest-actor.js';
import {
  encodeHint,
  type Hint,
  type HintedKey,
  hintName,
  idOfName,
  keyOfName,
  ownerName,
  type OwnerName,
} from './hint-record.js';
import { hashOfKey } from './key-name.js';
import type { Replica } from './replica.js';

/** A hint in the list of its owner. */
export interface WaitingHint extends Hint {
  /** It is on its way. */
  busy: boolean;
}

/** `full`: there are as many as are kept. `failed`: the storage takes nothing. */
export type Taken = 'kept' | 'wait' | 'full' | 'failed';

/**
 * The hints that a virtual node holds: keys whose copy here must still go to an owner that did not
 * serve. Each is a record (hint-record.ts); this list of them is made anew at every start
 * (hint-loader.ts). A hint goes only when its owner has the copy (hint-handoff.ts), and with it
 * the copy itself where this virtual node is no owner.
 */
export class Hints {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly replica: Replica;
  private readonly guest: GuestActor;
  readonly names: OwnerName[] = [];
  /** By owner: name (as latin1) → hint. */
  readonly waiting: Map<string, WaitingHint>[] = [];
  /** By owner: when the oldest was made since the list was last empty. */
  private readonly sinceMs: number[] = [];
  /** By owner: how many hints for it have strayed. */
  readonly stray: number[] = [];
  private bytes = 0;
  count = 0;

  constructor(env: VnodeEnvironment, pipeline: Pipeline, replica: Replica, guest: GuestActor) {
    this.env = env;
    this.pipeline = pipeline;
    this.replica = replica;
    this.guest = guest;
    this.ringChanged();
  }

  /** There may be more owners than before. */
  ringChanged(): void {
    for (const { id } of this.env.ring.vnodes.slice(this.names.length)) {
      this.names.push(ownerName(id));
      this.waiting.push(new Map());
      this.sinceMs.push(Number.POSITIVE_INFINITY);
    }
    this.waiting.forEach((list, owner) => {
      this.stray[owner] = 0;
      for (const hint of list.values()) if (this.strays(owner, hint)) this.stray[owner]++;
    });
  }

  /** Whether a hint's owner is one no more: its copy goes to those who are. */
  strays(owner: number, { partition, n }: Hint): boolean {
    return !keepsCopies(this.env.ring, partition, n, owner);
  }

  /** Whether any hint here speaks of a key: then its copy must stay. */
  speakOf(hinted: HintedKey): boolean {
    return (
      this.count > 0 && this.waiting.some((list, v) => list.has(textOf(hintName(this.names[v]!, hinted))))
    );
  }

  /**
   * Notes that the key must go to an owner. To be called before the copy is written: a crash in
   * between leaves a hint without a copy, which is nothing, instead of a copy that nobody knows of.
   */
  take(owner: number, hinted: HintedKey, hint: Hint): Taken {
    const name = hintName(this.names[owner]!, hinted);
    if (this.waiting[owner]!.has(textOf(name))) return 'kept';
    if (this.count >= LIMITS.hints) {
      this.env.count(COUNT_HINTS_DROPPED, 1);
      return 'full';
    }
    return this.keep(owner, name, hint);
  }

  private keep(owner: number, name: Uint8Array, hint: Hint): Taken {
    const madeMs = this.env.clock.wallMs();
    const words = encodeHint(this.names[owner]!, hint, name, madeMs);
    const room = this.pipeline.room(lengthAt(words, 0));
    if (room !== 'ready') return room === 'wait' ? 'wait' : 'failed';
    this.pipeline.append(words, 0, paddedWords(name));
    this.add(owner, textOf(name), hint, madeMs);
    return 'kept';
  }

  /**
   * The record of a hint cannot be listed: it is damaged on the disk, or its owner is not in this ring. Its name
   * says again what it said.
   */
  remake(partition: number, name: Uint8Array): Taken {
    const id = idOfName(name);
    const hinted = id === undefined ? undefined : keyOfName(name);
    const n = hinted === undefined ? 0 : this.env.replicasOf(hinted.bucket);
    // Nobody to send it to.
    if (id === undefined || n === 0) return 'failed';
    const owner = this.ownerIn(name);
    const listed = owner === undefined ? undefined : this.waiting[owner]!.get(textOf(name));
    if (listed !== undefined) return this.keep(owner!, name, listed);
    const hash = hashOfKey(hinted!.key);
    const place = { hash: hash ^ ownerName(id).hash, partition, bucket: HINT_BUCKET };
    // What the buffer says is newer: it was let go.
    if (this.pipeline.buffer.find(place.hash, place.bucket, paddedWords(name), name.length) !== 0)
      return 'kept';
    const hint = { hash, partition, n, rule: this.env.ruleOf(hinted!.bucket), bytes: 0 };
    return owner === undefined ? this.inherit(place, name, hint) : this.keep(owner, name, hint);
  }

  /** Its owner has left, and the store was opened anew since: who owns the key now is owed the copy. */
  private inherit(place: Place, name: Uint8Array, hint: Hint): Taken {
    const { ring } = this.env;
    const heir = ring.preference[hint.partition * ring.preferenceLength]!;
    const taken = this.owns(hint) ? 'kept' : this.take(heir, keyOfName(name), hint);
    if (taken !== 'kept') return taken;
    return this.pipeline.remove(place, paddedWords(name), name) === 'ready' ? 'kept' : 'wait';
  }

  /** The virtual node that a hint's name speaks of; undefined if it is not in this ring. */
  ownerIn(name: Uint8Array): number | undefined {
    const id = idOfName(name);
    return this.env.ring.vnodes.findLast((vnode) => vnode.id === id)?.ordinal;
  }

  /** Lists a hint whose record exists. */
  add(owner: number, text: string, hint: Hint, madeMs: number): void {
    const list = this.waiting[owner]!;
    if (list.has(text)) return;
    if (list.size === 0) this.env.holdsHintsFor(owner, true);
    // Only these: what is given may be a whole request, whose memory is gone with its frame.
    const { hash, partition, n, rule, bytes } = hint;
    list.set(text, { hash, partition, n, rule, bytes, busy: false });
    this.sinceMs[owner] = Math.min(this.sinceMs[owner]!, madeMs);
    if (this.strays(owner, hint)) this.stray[owner]!++;
    this.count++;
    this.bytes += hint.bytes;
  }

  /** First word of the copy that a hint speaks of (see Replica.wordsOf), −1 if there is none; throws DATA_CORRUPT. */
  find(text: string, hint: Hint): number {
    const { bucket, key } = keyOf(text);
    return this.replica.read(hint.hash, hint.partition, bucket, paddedWords(key), key);
  }

  /**
   * Lets a hint go, and the copy too unless this virtual node owns one or another hint needs it.
   * The copy goes first: a crash in between leaves a hint without a copy. False if there was no room
   * to say so in the log, or copies are retained; it is to be tried again.
   *
   * REQUIRES: the owner has all that the copy has, synced, or there is no copy, or none that can be read.
   */
  release(owner: number, text: string, hint: Hint): boolean {
    const { pipeline } = this;
    if (this.env.retains()) return false;
    const hinted = keyOf(text);
    if (!this.owns(hint) && !this.neededElse(owner, hinted) && this.forgets(text, hint)) {
      const { bucket, key } = hinted;
      const place = { hash: hint.hash, partition: hint.partition, bucket };
      if (pipeline.remove(place, paddedWords(key), key) !== 'ready') return false;
    }
    const name = bytesOf(text);
    const hash = hint.hash ^ this.names[owner]!.hash;
    const place = { hash, partition: hint.partition, bucket: HINT_BUCKET };
    if (pipeline.remove(place, paddedWords(name), name) !== 'ready') return false;
    const list = this.waiting[owner]!;
    if (!list.delete(text)) return true;
    if (this.strays(owner, hint)) this.stray[owner]!--;
    this.count--;
    this.bytes -= hint.bytes;
    if (list.size === 0) {
      this.sinceMs[owner] = Number.POSITIVE_INFINITY;
      this.env.holdsHintsFor(owner, false);
    }
    return true;
  }

  /** Whether there is a copy: its clock is forgotten with it. */
  private forgets(text: string, hint: Hint): boolean {
    try {
      const at = this.find(text, hint);
      if (at >= 0) this.guest.forget(this.replica.wordsOf(at), at);
      return at >= 0;
    } catch {
      this.guest.renew();
      return true;
    }
  }

  /** Whether the copy that a hint speaks of is one of an owner: trees bring it back if it is damaged. */
  owns({ partition, n }: Hint): boolean {
    return keepsCopies(this.env.ring, partition, n, this.env.ordinal);
  }

  private neededElse(owner: number, hinted: HintedKey): boolean {
    return this.waiting.some(
      (list, other) =>
        other !== owner && list.size > 0 && list.has(textOf(hintName(this.names[other]!, hinted))),
    );
  }

  publish(): void {
    const since = Math.min(...this.sinceMs);
    this.env.gauge(GAUGE_HINTS, this.count);
    this.env.gauge(GAUGE_HINT_KIB, Math.ceil(this.bytes / 1024));
    this.env.gauge(GAUGE_HINTS_SINCE, since === Infinity ? 0 : Math.floor(since / 1000));
  }
}

/** Names as keys of a map. */
export function textOf(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.length).toString('latin1');
}

function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'));
}

function keyOf(text: string): HintedKey {
  return keyOfName(bytesOf(text));
}
