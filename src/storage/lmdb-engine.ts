import { assert } from '../base/assert.js';
import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import type {
  CommitDone,
  Engine,
  EngineIdentity,
  EngineMark,
  EnginePosition,
  EngineState,
  EngineVisitor,
} from './engine.js';
import { causeOf } from './commit-failure.js';
import { encodeMeta, META_KEY } from './engine-meta.js';
import { readError, writeError } from './disk-errors.js';
import type { LmdbEnvironment } from './lmdb-environment.js';
import { contentCheckOf } from './record.js';
import { StagedBytes, StagingPool } from './staging.js';

/** Partition and bucket, 16 bits each and big-endian, so that the byte order is the order of both. */
const PREFIX_BYTES = 4;
interface Batch {
  readonly staged: StagedBytes;
  /** In the order of the calls; no record is a removal. */
  readonly writes: { readonly key: Uint8Array; readonly record: Uint8Array | undefined }[];
}

/**
 * The engine contract over one LMDB environment.
 *
 * Only asynchronous writes: a thread that is terminated within a synchronous transaction leaves a
 * lock behind that hangs its successor. Puts wait in ordinary memory until {@link commit} hands
 * all of them to lmdb-js as one batch, which it never splits over transactions; it resolves after
 * the sync. Open it by `openLmdbEngine`, which compares the identity first.
 */
export class LmdbEngine implements Engine {
  readonly #env: LmdbEnvironment;
  readonly #directory: string;
  readonly #identity: EngineIdentity;
  readonly #pool = new StagingPool();
  readonly #lookupKey = new Uint8Array(PREFIX_BYTES + LIMITS.keyBytes + LIMITS.hintNameBytes + 1);
  #batch: Batch;
  #state: EngineState;
  /** Count and root with every batch applied, also those in flight. */
  #count: number;
  #root: number;
  /** Set in the very turn in which a commit fails, so that no later one can be taken for a success. */
  #failure: Promise<RingletError> | undefined;
  #closed = false;
  #inFlight = 0;
  #whenIdle: (() => void)[] = [];

  constructor(env: LmdbEnvironment, directory: string, identity: EngineIdentity, state: EngineState) {
    this.#env = env;
    this.#directory = directory;
    this.#identity = identity;
    this.#state = state;
    this.#count = state.count;
    this.#root = state.root;
    this.#batch = this.#emptyBatch();
  }

  get state(): EngineState {
    return this.#state;
  }

  get(partition: number, bucket: number, key: Uint8Array): Uint8Array | undefined {
    this.#assertOpen();
    return this.#read(this.#lookup(partition, bucket, key));
  }

  put(partition: number, bucket: number, key: Uint8Array, record: Uint8Array): void {
    this.#assertOpen();
    const staged = this.#stageKey(partition, bucket, key);
    const copy = this.#batch.staged.copy(record);
    const old = this.#read(staged);
    if (old === undefined) this.#count++;
    else this.#root ^= contentCheckOf(old);
    this.#root = (this.#root ^ contentCheckOf(copy)) >>> 0;
    this.#batch.writes.push({ key: staged, record: copy });
  }

  remove(partition: number, bucket: number, key: Uint8Array): void {
    this.#assertOpen();
    const old = this.#read(this.#lookup(partition, bucket, key));
    if (old === undefined) return;
    this.#count--;
    this.#root = (this.#root ^ contentCheckOf(old)) >>> 0;
    this.#batch.writes.push({ key: this.#stageKey(partition, bucket, key), record: undefined });
  }

  commit(mark: EngineMark, done: CommitDone): void {
    const batch = this.#batch;
    this.#batch = this.#emptyBatch();
    if (this.#closed) {
      queueMicrotask(() => done(new RingletError('CLOSED', 'the engine is closed')));
      return;
    }
    const { generation, confirmedSerial } = mark;
    const state = { generation, confirmedSerial, count: this.#count, root: this.#root };
    this.#inFlight++;
    void this.#outcome(batch, state).then((error) => {
      this.#settle();
      // A throw of the caller's is its own fault and must not look like one of the commit.
      queueMicrotask(() => done(error));
    });
  }

  scan(
    partition: number,
    bucket: number,
    after: Uint8Array | undefined,
    limit: number,
    visit: (key: Uint8Array, record: Uint8Array) => void,
  ): void {
    this.#assertOpen();
    const end = prefixOf(partition * 0x1_0000 + bucket + 1);
    for (const { key, value } of this.#entries(this.#above(partition, bucket, after), end, limit))
      visit(key.subarray(PREFIX_BYTES), value);
  }

  walk(behind: EnginePosition, beforePartition: number, visit: EngineVisitor): void {
    this.#assertOpen();
    const start = this.#above(behind.partition, behind.bucket, behind.key);
    for (const { key, value } of this.#entries(start, prefixOf(beforePartition * 0x1_0000))) {
      const partition = (key[0]! << 8) | key[1]!;
      const bucket = (key[2]! << 8) | key[3]!;
      if (!visit(partition, bucket, key.subarray(PREFIX_BYTES), value)) return;
    }
  }

  /** The first engine key of a bucket that is above `after`. */
  #above(partition: number, bucket: number, after: Uint8Array | undefined): Uint8Array {
    const start = this.#lookup(partition, bucket, after ?? new Uint8Array(0));
    // The first key above `after` is `after` with a zero byte behind it.
    return after === undefined ? start.slice() : Uint8Array.of(...start, 0);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
    // After a failed commit lmdb-js never finishes to close: the end of the thread closes it then.
    if (this.#failure === undefined) await this.#env.close();
  }

  /** How the commit ended; never rejects. Outcomes are known in the order of the commits. */
  async #outcome(batch: Batch, state: EngineState): Promise<RingletError | undefined> {
    if (this.#failure !== undefined) return await this.#failure;
    try {
      await this.#transact(batch, state);
    } catch (error) {
      // Asked for each failed commit: the promise behind it must not stay without a handler.
      const cause = causeOf(error);
      this.#failure ??= cause.then((known) => writeError(known, this.#directory));
    }
    // A commit behind a failed one may be stored, but its count and root include what is not.
    if (this.#failure !== undefined) return await this.#failure;
    this.#state = state;
    batch.staged.recycle();
    return undefined;
  }

  /** One transaction of the batch and the meta row; the promise resolves after the sync. */
  #transact(batch: Batch, state: EngineState): Promise<boolean> {
    const meta = batch.staged.copy(encodeMeta(this.#identity, state));
    return this.#env.batch(() => {
      for (const { key, record } of batch.writes) {
        // Within a batch these return a promise that is resolved already; the batch's own one counts.
        if (record === undefined) void this.#env.remove(key);
        else void this.#env.put(key, record);
      }
      void this.#env.put(META_KEY, meta);
    });
  }

  #settle(): void {
    this.#inFlight--;
    if (this.#inFlight > 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const resolve of waiting) resolve();
  }

  #read(key: Uint8Array): Uint8Array | undefined {
    try {
      const bytes = this.#env.getBinaryFast(key);
      if (bytes === undefined) return undefined;
      // lmdb-js shadows `length` of its reused buffer; only a new view is a proper one. Large values
      // are views of the memory map, which a later commit may change: copied.
      if ('isGlobal' in bytes) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      return new Uint8Array(bytes);
    } catch (error) {
      throw readError(error, this.#directory);
    }
  }

  *#entries(
    start: Uint8Array,
    end: Uint8Array,
    limit?: number,
  ): Generator<{ key: Uint8Array; value: Uint8Array }> {
    try {
      // Only errors of the iteration arrive here: what a visitor throws ends the generator from outside.
      for (const entry of this.#env.getRange(limit === undefined ? { start, end } : { start, end, limit }))
        yield entry;
    } catch (error) {
      throw readError(error, this.#directory);
    }
  }

  #stageKey(partition: number, bucket: number, key: Uint8Array): Uint8Array {
    return writeKey(this.#batch.staged.reserve(PREFIX_BYTES + key.length), partition, bucket, key);
  }

  #lookup(partition: number, bucket: number, key: Uint8Array): Uint8Array {
    return writeKey(this.#lookupKey.subarray(0, PREFIX_BYTES + key.length), partition, bucket, key);
  }

  #emptyBatch(): Batch {
    return { staged: new StagedBytes(this.#pool), writes: [] };
  }

  #assertOpen(): void {
    if (this.#closed) throw new RingletError('CLOSED', 'the engine is closed');
  }
}

function prefixOf(prefix: number): Uint8Array {
  const bytes = new Uint8Array(PREFIX_BYTES);
  new DataView(bytes.buffer).setUint32(0, prefix);
  return bytes;
}

function writeKey(target: Uint8Array, partition: number, bucket: number, key: Uint8Array): Uint8Array {
  // Far below 0xffff, which is where the meta row sorts.
  assert(partition >= 0 && partition < LIMITS.partitions, 'a partition is within its limit');
  assert(bucket >= 0 && bucket <= 0xffff, 'a bucket number has 16 bits');
  assert(key.length <= LIMITS.keyBytes + LIMITS.hintNameBytes, 'an engine key is within its limit');
  target[0] = partition >>> 8;
  target[1] = partition;
  target[2] = bucket >>> 8;
  target[3] = bucket;
  target.set(key, PREFIX_BYTES);
  return target;
}
