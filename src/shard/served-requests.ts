import { copyWords } from '../base/memory.js';
import { LIMITS } from '../base/limits.js';
import {
  ABSENT,
  FLAG_ANY,
  FLAG_PARTIAL,
  frameDeadline,
  frameFlags,
  frameRequest,
  frameType,
  GET,
  GET_FIXED_WORDS,
  GET_REPLY,
  OK,
  OUT_OVERLOADED,
  OUT_QUORUM,
  PUT,
  RECORD_AT,
  RELAY,
  RELAYED_AT,
  writeHeader,
} from '../messaging/frames.js';
import { compareClocks, decodeClock, encodeRecord, type Place } from '../storage/record-codec.js';
import { KIND_PLAIN, kindAt, lengthAt, sealHead } from '../storage/record.js';
import { sync } from '../versions/dvvs.js';
import type { VnodeEnvironment } from './environment.js';
import { holdsRecord } from './frame-record.js';
import type { PutCoordinator } from './put-coordinator.js';
import type { Replica } from './replica.js';

/** A get that waits for owners' copies. */
interface Reading extends Place {
  readonly from: number;
  readonly request: number;
  readonly key: Uint8Array;
  readonly keyWords: Int32Array;
  readonly r: number;
  readonly n: number;
  /** The partition's owners when they were asked. */
  listed: readonly number[];
  readonly deadlineMs: number;
  /** Who was asked and has not answered: each counts once. */
  open: number[];
  missing: number;
  /** Owners to be asked once everybody has answered who may hold hints for them. */
  rest: readonly number[] | undefined;
  /** What the copies so far come to; undefined: nobody has any. */
  record: Int32Array | undefined;
}

/**
 * Server-driven coordination (paper §4.5, §6.4): a request went to any virtual node, which passes a
 * put on to an owner and coordinates a get itself. Only for stores that were opened so: callers
 * that know the ring do better (Table 2 of the paper).
 */
export class ServedRequests {
  private readonly env: VnodeEnvironment;
  private readonly replica: Replica;
  private readonly puts: PutCoordinator;
  private readonly readings = new Map<number, Reading>();
  /** Travels with every question and back; not the one of conditional puts, which number their questions too. */
  private readonly token: number;
  private readonly partial: () => boolean;
  private next = 1;

  /** @param partial this virtual node is being rebuilt: what it lacks proves nothing */
  constructor(
    env: VnodeEnvironment,
    replica: Replica,
    puts: PutCoordinator,
    actor: number,
    partial: () => boolean,
  ) {
    this.partial = partial;
    this.env = env;
    this.replica = replica;
    this.puts = puts;
    this.token = ~actor;
  }

  /** Whether a put belongs to another one and was passed on; that one answers the caller. */
  passOn(from: number, words: Int32Array, at: number): boolean {
    if (frameType(words, at) !== PUT || (frameFlags(words, at) & FLAG_ANY) === 0) return false;
    const taker = this.takerOf(words[at + 8]! >>> 16, words[at + 10]! >>> 24);
    if (taker < 0 || taker === this.env.ordinal) return false;
    const outbox = this.env.endpoint.to(taker);
    if (outbox.waitingBytes > LIMITS.outboxBytes) {
      this.puts.refuse(from, frameRequest(words, at), {
        outcome: OUT_OVERLOADED,
        got: outbox.waitingBytes,
        need: LIMITS.outboxBytes,
      });
      return true;
    }
    const length = words[at]! >>> 2;
    const frame = outbox.begin((RELAYED_AT + length) * 4);
    writeHeader(outbox.words, frame, RELAY, 0, 0, this.env.ring.epoch, frameDeadline(words, at));
    outbox.words[frame + 6] = from;
    outbox.words[frame + 7] = 0;
    copyWords(words, at, outbox.words, frame + RELAYED_AT, length);
    outbox.end();
    return true;
  }

  /** This virtual node if it owns the partition, else the first owner that serves; without one the first fallback; −1: none does. */
  private takerOf(partition: number, n: number): number {
    const { env } = this;
    let first = -1;
    for (let i = 0; i < env.ring.preferenceLength && (i < n || first < 0); i++) {
      const vnode = this.puts.owner(partition, i);
      if (vnode === env.ordinal) return vnode;
      if (first < 0 && env.isServing(vnode)) first = vnode;
    }
    return first;
  }

  /**
   * Asks all owners that serve; {@link answered} replies when R of them have answered. An owner for which
   * hints wait lacks what was acknowledged in its place: whoever holds them is asked before it, as in
   * conditional-puts.ts.
   */
  get(from: number, words: Int32Array, bytes: Uint8Array, at: number): void {
    const keyAt = at + GET_FIXED_WORDS;
    const keyBytes = words[at + 9]! & 0xffff;
    const [r, n] = [words[at + 6]! & 0xff, (words[at + 6]! >>> 8) & 0xff];
    const reading: Reading = {
      from,
      request: frameRequest(words, at),
      hash: words[at + 7]!,
      bucket: words[at + 8]! & 0xffff,
      partition: words[at + 8]! >>> 16,
      key: bytes.slice(keyAt * 4, keyAt * 4 + keyBytes),
      keyWords: words.slice(keyAt, keyAt + ((keyBytes + 3) >>> 2)),
      r,
      n,
      listed: [],
      deadlineMs: frameDeadline(words, at),
      open: [],
      missing: r,
      rest: undefined,
      record: undefined,
    };
    this.begin(reading);
  }

  private begin(reading: Reading): void {
    const { partition, r, n } = reading;
    const { owners, holders } = this.sourcesOf(partition, n);
    reading.listed = this.puts.listOf(partition).slice(0, n);
    const whole = owners.filter((owner) => this.isWhole(owner)).length;
    if (whole < r || this.readings.size >= LIMITS.coordinations) {
      this.reply(reading, whole < r ? OUT_QUORUM : OUT_OVERLOADED);
      return;
    }
    reading.rest = holders.length === 0 ? undefined : owners;
    if (holders.length === 0) {
      this.askAll(reading, owners, r);
      return;
    }
    this.askAll(reading, holders, holders.length);
  }

  private isWhole(vnode: number): boolean {
    return vnode === this.env.ordinal ? !this.partial() : this.env.isWhole(vnode);
  }

  /** Owners that serve, and who may hold hints for them; without those of which a holder cannot be asked. */
  private sourcesOf(partition: number, n: number): { owners: number[]; holders: number[] } {
    const { env } = this;
    const serves = (vnode: number): boolean => vnode === env.ordinal || env.isServing(vnode);
    const list = this.puts.listOf(partition);
    const owners: number[] = [];
    const holders = new Set<number>();
    for (const owner of list.slice(0, n)) {
      if (!serves(owner)) continue;
      const waiting = list.filter((other) => other !== owner && env.hasHintsFor(other, owner));
      if (!waiting.every(serves)) continue;
      owners.push(owner);
      for (const holder of waiting) holders.add(holder);
    }
    return { owners, holders: [...holders] };
  }

  /** Under a number of its own: what was asked before is answered no more. */
  private askAll(reading: Reading, vnodes: readonly number[], need: number): void {
    const id = this.next;
    // A word of the frame carries it: it counts round.
    this.next = (id + 1) >>> 0;
    const others = vnodes.filter((vnode) => vnode !== this.env.ordinal);
    this.readings.set(id, reading);
    reading.missing = need;
    reading.open = others;
    for (const vnode of others) this.ask(vnode, id, reading);
    if (others.length < vnodes.length) this.readOwn(id, reading);
  }

  private readOwn(id: number, reading: Reading): void {
    const { hash, partition, bucket, keyWords, key } = reading;
    let at: number;
    try {
      at = this.replica.read(hash, partition, bucket, keyWords, key);
    } catch {
      // Damaged here: the others must do.
      return;
    }
    if (at >= 0) merge(reading, this.replica.wordsOf(at), at);
    if (reading.rest !== undefined || !this.partial()) this.count(id, reading);
  }

  private ask(vnode: number, id: number, reading: Reading): void {
    const outbox = this.env.endpoint.to(vnode);
    const at = outbox.begin((GET_FIXED_WORDS + reading.keyWords.length) * 4);
    const { words } = outbox;
    writeHeader(words, at, GET, 0, id, this.env.ring.epoch, reading.deadlineMs);
    words[at + 6] = this.token;
    words[at + 7] = reading.hash;
    words[at + 8] = reading.bucket | (reading.partition << 16);
    words[at + 9] = reading.key.length;
    words.set(reading.keyWords, at + GET_FIXED_WORDS);
    outbox.end();
  }

  /** Takes a GET_REPLY if it is one of ours. */
  answered(from: number, words: Int32Array, at: number): boolean {
    if (words[at + 7] !== this.token) return false;
    const id = frameRequest(words, at);
    const reading = this.readings.get(id);
    const open = reading?.open.indexOf(from) ?? -1;
    if (reading === undefined || open < 0) return true;
    reading.open.splice(open, 1);
    const outcome = words[at + 6]!;
    const found = outcome === OK && holdsRecord(words, at);
    if (found) merge(reading, words, at + RECORD_AT);
    const whole = (frameFlags(words, at) & FLAG_PARTIAL) === 0;
    if ((whole || reading.rest !== undefined) && (found || outcome === ABSENT)) this.count(id, reading);
    return true;
  }

  private count(id: number, reading: Reading): void {
    if (--reading.missing > 0) return;
    this.readings.delete(id);
    const { rest } = reading;
    reading.rest = undefined;
    if (rest === undefined) this.reply(reading, reading.record === undefined ? ABSENT : OK);
    else this.askAll(reading, rest, reading.r);
  }

  private reply({ from, request, record }: Reading, given: number): void {
    const outbox = this.env.endpoint.to(from);
    const outcome = outbox.waitingBytes > LIMITS.outboxBytes ? OUT_OVERLOADED : given;
    const length = outcome === OK ? record!.length : 0;
    const at = outbox.begin((RECORD_AT + length) * 4);
    writeHeader(outbox.words, at, GET_REPLY, 0, request, this.env.ring.epoch, 0);
    outbox.words[at + 6] = outcome;
    outbox.words[at + 7] = 0;
    if (length > 0) copyWords(record!, 0, outbox.words, at + RECORD_AT, length);
    outbox.end();
  }

  /** What was asked of owners would be told by who is none: those of today are asked. */
  ringChanged(): void {
    for (const [id, reading] of Array.from(this.readings)) {
      const list = this.puts.listOf(reading.partition);
      if (reading.listed.every((owner, i) => owner === list[i])) continue;
      this.readings.delete(id);
      this.begin(reading);
    }
  }

  /** Whoever asked has given up, or asked another one. */
  sweep(nowMs: number): void {
    for (const [id, { deadlineMs }] of this.readings) if (nowMs >= deadlineMs) this.readings.delete(id);
  }
}

/** Concurrent versions are kept: the caller knows the bucket's rule. */
function merge(reading: Reading, words: Int32Array, at: number): void {
  const came = words.slice(at, at + (lengthAt(words, at) >>> 2));
  const before = reading.record;
  const relation = before === undefined ? 'newer' : compareClocks(came, 0, before, 0);
  if (relation === 'newer') reading.record = came;
  if (before === undefined || relation === 'newer' || relation === 'older') return;
  if (relation === 'equal' && kindAt(came, 0) === kindAt(before, 0)) return;
  const clock = sync(decodeClock(before, bytesOf(before), 0), decodeClock(came, bytesOf(came), 0));
  const kind = kindAt(came, 0) === kindAt(before, 0) ? kindAt(came, 0) : KIND_PLAIN;
  const merged = encodeRecord(reading, reading.key, kind, clock).words;
  sealHead(merged, 0, 0, 0, 0);
  reading.record = merged;
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
