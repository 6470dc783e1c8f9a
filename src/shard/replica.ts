import { RingletError } from '../base/errors.js';
import { paddedWords } from '../base/memory.js';
import {
  IF_NOTHING,
  OP_INCREMENT,
  OP_TOUCH,
  OUT_CONTEXT,
  OUT_CORRUPT,
  OUT_FULL,
  OUT_READ_ONLY,
  OUT_TOO_LARGE,
} from '../messaging/frames.js';
import { SEGMENT_HEADER_BYTES } from '../storage/buffer-layout.js';
import type { Pipeline } from '../storage/pipeline.js';
import {
  compareClocks,
  decodeClock,
  dotIn,
  encodeRecord,
  type StoredValue,
} from '../storage/record-codec.js';
import {
  bucketAt,
  entriesAt,
  HAS_EXPIRY,
  IS_TOMBSTONE,
  keyAt,
  keyLengthAt,
  KIND_REMOVED,
  kindAt,
  lengthAt,
  mortalityOf,
  partitionAt,
  sequenceAt,
  W_KEY_HASH,
} from '../storage/record.js';
import { type Clock, MAX_DOT, values } from '../versions/dvvs.js';
import type { OwnActor } from './guest-actor.js';
import { hashOfKey, keyOfRecord } from './key-name.js';
import { mergeClocks } from './merge-clocks.js';
import {
  afterExpiry,
  nextVersions,
  tooManyEntries,
  tooManySiblings,
  unmetCondition,
  type Versions,
} from './next-versions.js';
import { refuse, type Refusal } from './outcome.js';
import type { PutRequest } from './put-request.js';
import { buildSuperseding } from './superseding.js';

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

type Expiring = (words: Int32Array, at: number, before: Int32Array | undefined, beforeAt: number) => void;

export type ApplyOutcome = Applied | Refusal | 'wait';

const NO_VERSIONS: Versions = { clock: [], kind: undefined };

/**
 * What one virtual node does to its own copy of a key. Every method is atomic: it runs to its end
 * on the owning thread, and the record is published before anything is sent.
 */
export class Replica {
  private readonly pipeline: Pipeline;
  private readonly tick: () => number;
  /** Of what a put leaves; what replicas merge may be as long as there is room for (versions.md, trap 4). */
  private readonly maxRecordBytes: number;
  private readonly maxMergedBytes: number;
  private readonly witness: Witness | undefined;
  private readonly own: OwnActor | undefined;
  /** The time by which values expire; see VnodeEnvironment. */
  private readonly expiryMs: () => number;
  /** Hears of every tombstone that was appended, in place. */
  onTombstone: ((words: Int32Array, at: number) => void) | undefined;
  /** Hears of every record of a key that had none here. */
  onNew: ((words: Int32Array, at: number) => void) | undefined;
  /** Hears of every record with a value that expires, and of the one whose place it takes. */
  onExpiring: Expiring | undefined;
  /** Asked for room when there is none; true if some will be there soon. */
  onFull: ((bytes: number) => boolean) | undefined;
  /** A damaged record was replaced: its clock is forgotten, and with it maybe dots of our actor. Whoever takes another one clears it. */
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
    this.maxMergedBytes = pipeline.buffer.layout.shape.segmentBytes - SEGMENT_HEADER_BYTES;
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
        return refuse(OUT_CONTEXT);
      }
      throw error;
    }
  }

  /** Whether the clock of a key has no further dot for an actor. */
  isSpent({ hash, partition, bucket, keyWords, key }: PutRequest, actor: number): boolean {
    const at = this.read(hash, partition, bucket, keyWords, key);
    return at >= 0 && dotIn(this.wordsOf(at), at, actor) === MAX_DOT;
  }

  private tryCoordinate(request: PutRequest, actor: number): ApplyOutcome {
    let current: number;
    try {
      current = this.read(request.hash, request.partition, request.bucket, request.keyWords, request.key);
    } catch (error) {
      return corruption(error);
    }
    const words = current < 0 ? undefined : this.wordsOf(current);
    const refused = this.obstacle(request, words, current);
    if (refused !== undefined) return refused;
    const isPut = request.operation !== OP_TOUCH && request.operation !== OP_INCREMENT;
    if (isPut) {
      const quick = buildSuperseding(request, words, current, actor, this.tick(), this.floorOf(actor));
      if (quick !== undefined) {
        return (
          tooManyEntries(entriesAt(quick.words, 0), request.operation) ??
          this.append(quick.words, 0, request.keyWords, words, current, this.maxRecordBytes)
        );
      }
    }
    const { tick: time, expiryMs } = this;
    const maker = { actor, floor: this.floorOf(actor), time, expiryMs };
    const next = nextVersions(request, this.versionsAt(words, current), maker);
    if ('outcome' in next) return next;
    const { clock, kind, total } = next;
    const applied =
      tooManyEntries(clock.length, request.operation) ??
      (isPut ? this.tooManySiblings(clock) : undefined) ??
      this.store(request, kind, clock, words, current, this.maxRecordBytes);
    return total !== 0 && wasApplied(applied) ? { ...applied, total } : applied;
  }

  private obstacle(request: PutRequest, words: Int32Array | undefined, at: number): Refusal | undefined {
    const refused = tooManyEntries(request.context.length);
    if (refused !== undefined || request.condition === IF_NOTHING) return refused;
    return unmetCondition(request, words, words && this.bytesOf(at), at, this.expiryMs);
  }

  private versionsAt(words: Int32Array | undefined, at: number): Versions {
    if (words === undefined) return NO_VERSIONS;
    return { clock: decodeClock(words, this.bytesOf(at), at), kind: kindAt(words, at) };
  }

  private floorOf(actor: number): number {
    return this.own?.floorOf(actor) ?? 0;
  }

  private tooManySiblings(clock: Clock<StoredValue>): Refusal | undefined {
    const siblings = values(clock);
    if (siblings.length > this.siblingsMax) this.siblingsMax = siblings.length;
    return tooManySiblings(siblings, this.maxRecordBytes);
  }

  /** Makes tombstones of values whose time is over, under the clock that they have. */
  expire(words: Int32Array, at: number, nowMs: number): ApplyOutcome {
    const bytes = new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
    const clock = afterExpiry(decodeClock(words, bytes, at), nowMs);
    const { hash, partition, bucket, key } = keyOfRecord(words, at);
    const place = { hash, partition, bucket, key, keyWords: paddedWords(key) };
    return this.store(place, kindAt(words, at), clock, words, at);
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
      keyWords,
    };
    let current: number;
    try {
      current = this.read(place.hash, place.partition, place.bucket, keyWords, key);
    } catch (error) {
      corruption(error);
      // What stands here is damaged, what came is whole: take it.
      const applied = this.append(from, at, keyWords, undefined, 0);
      if (wasApplied(applied)) {
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
    return this.store(place, merged.kind, merged.clock, words, current);
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
    return wasApplied(this.append(buffer.words, at, keyWords, buffer.words, at));
  }

  private store(
    place: Pick<PutRequest, 'hash' | 'partition' | 'bucket' | 'key' | 'keyWords'>,
    kind: number,
    clock: Clock<StoredValue>,
    before: Int32Array | undefined,
    beforeAt: number,
    most = this.maxMergedBytes,
  ): ApplyOutcome {
    if (clock.length > this.actorsMax) this.actorsMax = clock.length;
    const { words } = encodeRecord(place, place.key, kind, clock);
    return this.append(words, 0, place.keyWords, before, beforeAt, most);
  }

  /** @param before the record that this one replaces, if there is one */
  private append(
    from: Int32Array,
    at: number,
    keyWords: Int32Array,
    before: Int32Array | undefined,
    beforeAt: number,
    most = this.maxMergedBytes,
  ): ApplyOutcome {
    const bytes = lengthAt(from, at);
    if (bytes > most) return refuse(OUT_TOO_LARGE, bytes, most);
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
    if (before === undefined) this.onNew?.(words, place);
    const mortality = mortalityOf(words, place);
    if ((mortality & IS_TOMBSTONE) !== 0) this.onTombstone?.(words, place);
    if ((mortality & HAS_EXPIRY) !== 0) this.onExpiring?.(words, place, before, beforeAt);
    return { at: place, sequence, total: 0 };
  }
}

function wasApplied(outcome: ApplyOutcome): outcome is Applied {
  return typeof outcome === 'object' && 'sequence' in outcome;
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
