import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { paddedWords } from '../base/memory.js';
import {
  IF_ABSENT,
  IF_MATCH,
  IF_PRESENT,
  OP_DELETE,
  OP_INCREMENT,
  OP_TOUCH,
  OUT_CONDITION,
  OUT_CONTEXT,
  OUT_CORRUPT,
  OUT_COUNTER,
  OUT_FULL,
  OUT_NOT_A_COUNTER,
  OUT_READ_ONLY,
  OUT_SIBLINGS,
  OUT_TOO_LARGE,
} from '../messaging/frames.js';
import type { Pipeline } from '../storage/pipeline.js';
import {
  compareClocks,
  decodeClock,
  decodeVector,
  encodeRecord,
  isOver,
  type StoredValue,
} from '../storage/record-codec.js';
import {
  bucketAt,
  entriesAt,
  HAS_EXPIRY,
  IS_TOMBSTONE,
  keyAt,
  keyLengthAt,
  KIND_COUNTER,
  KIND_PLAIN,
  KIND_REMOVED,
  kindAt,
  lengthAt,
  mortalityOf,
  partitionAt,
  sequenceAt,
  W_KEY_HASH,
} from '../storage/record.js';
import { increment } from '../versions/counter.js';
import { type Clock, discard, equal, event, join, update, values } from '../versions/dvvs.js';
import type { OwnActor } from './guest-actor.js';
import { hashOfKey } from './key-name.js';
import { mergeClocks } from './merge-clocks.js';
import { expiryOf, textValue, tombstoneOf } from './stored-values.js';
import { buildSuperseding } from './superseding.js';
import { contentTypeOf, type PutRequest } from './put-request.js';
import { refuse, type Refusal } from './outcome.js';

/** The write was made: the record's first word in the buffer and its number in the log. */
export interface Applied {
  readonly at: number;
  readonly sequence: number;
  /** The sum after an increment, else 0. */
  readonly total: number;
}

/** Hears of every record that was appended, and of the one whose place it takes; both valid during the call. */
export interface Witness {
  replaced(before: Int32Array | undefined, beforeAt: number, words: Int32Array, at: number): void;
  /** A key's record cannot be read. */
  unreadable(bucket: number, key: Uint8Array): void;
  /** A whole record took the place of one that could not be read. */
  tookUnknown(bucket: number, key: Uint8Array): void;
}

export type Expiring = (
  words: Int32Array,
  at: number,
  before: Int32Array | undefined,
  beforeAt: number,
) => void;

export type ApplyOutcome = Applied | Refusal | 'wait';

/**
 * What one virtual node does to its own copy of a key. Every method is atomic: it runs to its end
 * on the owning thread, and the record is published before anything is sent.
 */
export class Replica {
  private readonly pipeline: Pipeline;
  private readonly tick: () => number;
  private readonly maxRecordBytes: number;
  private readonly witness: Witness | undefined;
  private readonly own: OwnActor | undefined;
  /** The time by which values expire; see VnodeEnvironment. */
  private readonly expiryMs: () => number;
  /** Hears of every tombstone that was appended, in place. */
  onTombstone: ((words: Int32Array, at: number) => void) | undefined;
  /** A damaged record was replaced: its clock is forgotten, and with it maybe dots of our actor. Whoever takes another one clears it. */
  /** Hears of every record with a value that expires, and of the one whose place it takes. */
  onExpiring: Expiring | undefined;
  /** Asked for room when there is none; true if some will be there soon. */
  onFull: ((bytes: number) => boolean) | undefined;
  forgotClock = false;
  siblingsMax = 0;
  actorsMax = 0;

  constructor(
    pipeline: Pipeline,
    tick: () => number,
    maxRecordBytes: number,
    witness?: Witness,
    own?: OwnActor,
    expiryMs = (): number => 0,
  ) {
    this.own = own;
    this.expiryMs = expiryMs;
    this.pipeline = pipeline;
    this.tick = tick;
    this.maxRecordBytes = maxRecordBytes;
    this.witness = witness;
  }

  /** The words that a place returned by {@link read} refers to. */
  wordsOf(at: number): Int32Array {
    return at === 0 ? this.pipeline.lent! : this.pipeline.buffer.words;
  }
  bytesOf(at: number): Uint8Array {
    if (at !== 0) return this.pipeline.buffer.memory.bytes;
    const lent = this.pipeline.lent!;
    return new Uint8Array(lent.buffer, lent.byteOffset, lent.byteLength);
  }

  /** A record in the buffer was asked for. */
  noteRead(at: number): void {
    this.pipeline.buffer.setRead(at, true);
  }

  /** First word of the key's record (see {@link wordsOf}), −1 if there is none; throws DATA_CORRUPT. */
  read(hash: number, partition: number, bucket: number, keyWords: Int32Array, key: Uint8Array): number {
    try {
      return this.pipeline.read(hash, partition, bucket, keyWords, key);
    } catch (error) {
      this.witness?.unreadable(bucket, key);
      throw error;
    }
  }

  /**
   * Executes a put as its coordinator.
   *
   * @param actor under which the dot is made: this virtual node has forgotten no clock with it (versions.md, trap 3)
   */
  coordinate(request: PutRequest, actor: number): ApplyOutcome {
    try {
      return this.tryCoordinate(request, actor);
    } catch (error) {
      // A forged context can leave an actor without a dot: the client's fault, never a reason to stop.
      if (error instanceof RingletError && error.code === 'BAD_CONTEXT') {
        return refuse(OUT_CONTEXT, request.context.length, LIMITS.clockEntries);
      }
      throw error;
    }
  }

  private tryCoordinate(request: PutRequest, actor: number): ApplyOutcome {
    let current: number;
    try {
      current = this.read(request.hash, request.partition, request.bucket, request.keyWords, request.key);
    } catch (error) {
      return corruption(error);
    }
    const words = current < 0 ? undefined : this.wordsOf(current);
    const refused = this.check(request, words, current);
    if (refused !== undefined) return refused;
    if (request.operation === OP_TOUCH) return this.touch(request, actor, words, current);
    if (request.operation === OP_INCREMENT) return this.increment(request, actor, words, current);

    const quick = buildSuperseding(request, words, current, actor, this.tick(), this.floorOf(actor));
    if (quick !== undefined) {
      return (
        this.checkEntries(entriesAt(quick.words, 0)) ??
        this.append(quick.words, 0, request.keyWords, words, current)
      );
    }
    const clock = words === undefined ? [] : decodeClock(words, this.bytesOf(current), current);
    const value: StoredValue = {
      bytes: request.value,
      contentType: contentTypeOf(request),
      time: this.tick(),
      deleted: request.operation === OP_DELETE,
      ...expiryOf(request),
    };
    const next = update(request.context, value, clock, actor, this.floorOf(actor));
    // A tombstone beside subtotals leaves a counter one.
    const kind = words !== undefined && value.deleted ? kindAt(words, current) : KIND_PLAIN;
    return (
      this.checkEntries(next.length) ??
      this.checkSize(next) ??
      this.store(request, kind, next, words, current)
    );
  }

  private floorOf(actor: number): number {
    return this.own?.floorOf(actor) ?? 0;
  }

  /** More entries than a context can carry back would make the key unreadable. */
  private checkEntries(entries: number): Refusal | undefined {
    return entries > LIMITS.clockEntries ? refuse(OUT_CONTEXT, entries, LIMITS.clockEntries) : undefined;
  }

  private check(request: PutRequest, words: Int32Array | undefined, current: number): Refusal | undefined {
    if (request.context.length > LIMITS.clockEntries) {
      return refuse(OUT_CONTEXT, request.context.length, LIMITS.clockEntries);
    }
    if (request.condition === IF_ABSENT || request.condition === IF_PRESENT) {
      const clock = words === undefined ? [] : decodeClock(words, this.bytesOf(current), current);
      const nowMs = this.expiryMs();
      const live = values(clock).filter((value) => !isOver(value, nowMs)).length;
      if (live > 0 !== (request.condition === IF_PRESENT)) return refuse(OUT_CONDITION, live, 0);
    }
    if (request.condition === IF_MATCH) {
      const known = words === undefined ? [] : decodeVector(words, current);
      if (!equal(join(known), request.context))
        return refuse(OUT_CONDITION, known.length, request.context.length);
    }
    return undefined;
  }

  private increment(
    request: PutRequest,
    actor: number,
    words: Int32Array | undefined,
    current: number,
  ): ApplyOutcome {
    const clock = words === undefined ? [] : decodeClock(words, this.bytesOf(current), current);
    const nowMs = this.expiryMs();
    const plain = words !== undefined && kindAt(words, current) !== KIND_COUNTER;
    const outcome = increment(
      clock,
      actor,
      request.by,
      (subtotal) => textValue(String(subtotal), this.tick()),
      (value) =>
        isOver(value, nowMs) ? 0 : plain ? undefined : Number(Buffer.from(value.bytes).toString('latin1')),
      this.floorOf(actor),
    );
    if (!outcome.ok) return refuse(OUT_NOT_A_COUNTER, outcome.reason === 'overflow' ? 1 : 0, 0);
    const refused = this.checkEntries(outcome.clock.length);
    if (refused !== undefined) return refused;
    const applied = this.store(request, KIND_COUNTER, outcome.clock, words, current);
    return typeof applied === 'object' && 'sequence' in applied
      ? { ...applied, total: outcome.total }
      : applied;
  }

  /** All live values again, with another time to expire: new versions, under one dot each, of the same age. */
  private touch(
    request: PutRequest,
    actor: number,
    words: Int32Array | undefined,
    current: number,
  ): ApplyOutcome {
    if (words === undefined) return refuse(OUT_CONDITION, 0, 1);
    if (kindAt(words, current) === KIND_COUNTER) return refuse(OUT_COUNTER);
    const clock = decodeClock(words, this.bytesOf(current), current);
    const nowMs = this.expiryMs();
    const live = values(clock).filter((value) => !isOver(value, nowMs));
    if (live.length === 0) return refuse(OUT_CONDITION, 0, 1);
    let next: Clock<StoredValue> = discard(clock, join(clock));
    for (const { bytes, contentType, time } of live.toReversed()) {
      const value = { bytes, contentType, time, deleted: false, ...expiryOf(request) };
      next = event(next, actor, value, this.floorOf(actor));
    }
    return this.checkEntries(next.length) ?? this.store(request, KIND_PLAIN, next, words, current);
  }

  /**
   * Makes tombstones of values whose time is over. The clock stays the same, so that each owner can
   * do it by itself and in its own time: to replicas and trees nothing has changed.
   */
  expire(words: Int32Array, at: number, nowMs: number): ApplyOutcome {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    const clock = decodeClock(words, bytes, at).map((entry) => ({
      ...entry,
      values: entry.values.map((value) => (isOver(value, nowMs) ? tombstoneOf(value) : value)),
    }));
    const start = keyAt(words, at) * 4;
    const key = bytes.slice(start, start + keyLengthAt(words, at));
    const place = {
      hash: words[at + W_KEY_HASH]!,
      partition: partitionAt(words, at),
      bucket: bucketAt(words, at),
      key,
      keyWords: paddedWords(key),
    };
    return this.store(place, kindAt(words, at), clock, words, at);
  }

  /** Siblings are capped at the coordinator only: a merge may exceed the cap (versions.md, trap 4). */
  private checkSize(clock: Clock<StoredValue>): Refusal | undefined {
    const live = values(clock);
    if (live.length > this.siblingsMax) this.siblingsMax = live.length;
    if (live.length > LIMITS.siblings) return refuse(OUT_SIBLINGS, live.length, LIMITS.siblings);
    const bytes = live.reduce((sum, value) => sum + value.bytes.length + value.contentType.length + 32, 0);
    const most = this.maxRecordBytes - (32 << 10);
    return live.length > 1 && bytes > most ? refuse(OUT_TOO_LARGE, bytes, most) : undefined;
  }

  /** Merges a record that a peer sent: a copy of its state, never a new dot. */
  apply(from: Int32Array, fromBytes: Uint8Array, at: number, rule: number): ApplyOutcome {
    const keyWord = keyAt(from, at);
    const keyWords = from.subarray(keyWord, keyWord + ((keyLengthAt(from, at) + 3) >>> 2));
    const key = fromBytes.subarray(keyWord * 4, keyWord * 4 + keyLengthAt(from, at));
    const place = {
      hash: from[at + W_KEY_HASH]!,
      partition: partitionAt(from, at),
      bucket: bucketAt(from, at),
      key,
    };
    let current: number;
    try {
      current = this.read(place.hash, place.partition, place.bucket, keyWords, key);
    } catch (error) {
      corruption(error);
      // What stands here is damaged, what came is whole: take it.
      const applied = this.append(from, at, keyWords, undefined, 0);
      if (typeof applied === 'object' && 'sequence' in applied) {
        this.forgotClock = true;
        this.witness?.tookUnknown(place.bucket, key);
      }
      return applied;
    }
    if (current < 0) return this.append(from, at, keyWords, undefined, 0);
    const words = this.wordsOf(current);
    const relation = compareClocks(from, at, words, current);
    if (relation === 'newer') return this.append(from, at, keyWords, words, current);
    // Which kind a counter and an ordinary value become may depend on the order of their arrival.
    const sameKind = kindAt(from, at) === kindAt(words, current);
    if (relation === 'older' || (relation === 'equal' && sameKind)) return standing(words, current);

    const ours = decodeClock(words, this.bytesOf(current), current);
    const merged = mergeClocks(
      ours,
      decodeClock(from, fromBytes, at),
      kindAt(words, current),
      kindAt(from, at),
      rule,
    );
    if (relation === 'equal' && merged.kind === kindAt(words, current)) return standing(words, current);
    return this.store({ ...place, keyWords }, merged.kind, merged.clock, words, current);
  }

  /**
   * The engine's record of a key is damaged: what the buffer has of it goes there once more. False if the
   * buffer has nothing, or takes nothing at the moment.
   */
  rewrite(bucket: number, key: Uint8Array): boolean {
    const { buffer } = this.pipeline;
    const keyWords = paddedWords(key);
    const at = buffer.find(hashOfKey(key), bucket, keyWords, key.length) >>> 2;
    if (at === 0) return false;
    // It is on its way there, or its removal is.
    if (kindAt(buffer.words, at) === KIND_REMOVED || buffer.isLogged(at)) return true;
    const applied = this.append(buffer.words, at, keyWords, buffer.words, at);
    return typeof applied === 'object' && 'sequence' in applied;
  }

  private store(
    place: Pick<PutRequest, 'hash' | 'partition' | 'bucket' | 'key' | 'keyWords'>,
    kind: number,
    clock: Clock<StoredValue>,
    before: Int32Array | undefined,
    beforeAt: number,
  ): ApplyOutcome {
    if (clock.length > this.actorsMax) this.actorsMax = clock.length;
    const { words } = encodeRecord(place, place.key, kind, clock);
    return this.append(words, 0, place.keyWords, before, beforeAt);
  }

  /** @param before the record that this one replaces, if there is one */
  private append(
    from: Int32Array,
    at: number,
    keyWords: Int32Array,
    before: Int32Array | undefined,
    beforeAt: number,
  ): ApplyOutcome {
    const bytes = lengthAt(from, at);
    if (bytes > this.maxRecordBytes) return refuse(OUT_TOO_LARGE, bytes, this.maxRecordBytes);
    const shrinks = before !== undefined && bytes < lengthAt(before, beforeAt);
    switch (this.pipeline.room(bytes, shrinks)) {
      case 'wait':
        return 'wait';
      case 'full':
        if (this.onFull?.(bytes) === true) return 'wait';
        return refuse(OUT_FULL, bytes, 0);
      case 'failed':
        return refuse(OUT_READ_ONLY);
      case 'ready':
        break;
    }
    const sequence = this.pipeline.append(from, at, keyWords);
    const { words } = this.pipeline.buffer;
    const place = this.pipeline.lastPlace;
    this.witness?.replaced(before, beforeAt, words, place);
    const mortality = mortalityOf(words, place);
    if ((mortality & IS_TOMBSTONE) !== 0) this.onTombstone?.(words, place);
    if ((mortality & HAS_EXPIRY) !== 0) this.onExpiring?.(words, place, before, beforeAt);
    return { at: place, sequence, total: 0 };
  }
}

/** What stands here has everything that came. */
function standing(words: Int32Array, at: number): Applied {
  // A record that the engine lent is on disk; its number may be one of an earlier generation.
  return { at, sequence: at === 0 ? 0 : sequenceAt(words, at), total: 0 };
}

function corruption(error: unknown): Refusal {
  if (error instanceof RingletError && error.code === 'DATA_CORRUPT') return refuse(OUT_CORRUPT);
  throw error;
}
