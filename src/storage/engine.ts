/** What a commit makes durable together with its puts. */
export interface EngineMark {
  readonly generation: number;
  /** Log segments with a serial number up to this one need no replay. */
  readonly confirmedSerial: number;
}

export interface EngineState extends EngineMark {
  /** Number of records. */
  readonly count: number;
  /** XOR of the content checksums of all records, an unsigned 32-bit number. */
  readonly root: number;
}

/** Whose data an engine holds; stored with it and compared at every open. */
export interface EngineIdentity {
  readonly storeId: string;
  readonly nodeId: string;
  readonly vnodeId: string;
}

/** A place in the engine's order: behind all records of the bucket with keys up to `key`, or before all without one. */
export interface EnginePosition {
  readonly partition: number;
  readonly bucket: number;
  readonly key: Uint8Array | undefined;
}

export type EngineVisitor = (
  partition: number,
  bucket: number,
  key: Uint8Array,
  record: Uint8Array,
) => boolean;

/** Told once how a commit ended. */
export type CommitDone = (error: Error | undefined) => void;

/**
 * Where the records of one virtual node come to rest: a map ordered by partition, bucket and key
 * bytes. Only the owning thread uses it. Writes are collected and committed in batches; nothing
 * here is on the way to an acknowledgement. test/storage/engine.test.ts is what an engine must do.
 *
 * Failing: the first commit that fails fences the engine. Every later commit fails with the same
 * error, and what was in a failed commit may or may not be there: do not trust reads of it.
 */
export interface Engine {
  /** As of the last commit that resolved; at open as stored, all zeros for a new engine. */
  readonly state: EngineState;

  /**
   * The committed record of a key, in ordinary memory, valid until the next call of any engine in
   * this thread. Throws DATA_CORRUPT when the engine's own structure is damaged; the record itself
   * is not verified.
   */
  get(partition: number, bucket: number, key: Uint8Array): Uint8Array | undefined;

  /**
   * Adds a record to the open batch. Key and record are copied before the call returns and may be
   * views of shared memory. REQUIRES: the key is in no other batch that has not resolved.
   */
  put(partition: number, bucket: number, key: Uint8Array, record: Uint8Array): void;

  /** As {@link put}; a key that is not there is nothing to do. */
  remove(partition: number, bucket: number, key: Uint8Array): void;

  /**
   * Closes the batch: everything since the last commit, the mark, count and root become one
   * transaction. `done` is called exactly once, never within this call, when it is on stable
   * storage or has failed. Commits may overlap and resolve in order. Never throws.
   */
  commit(mark: EngineMark, done: CommitDone): void;

  /**
   * Visits up to `limit` committed records of one bucket of a partition with keys above `after`,
   * in byte order. `visit` may keep neither argument after it returns.
   */
  scan(
    partition: number,
    bucket: number,
    after: Uint8Array | undefined,
    limit: number,
    visit: (key: Uint8Array, record: Uint8Array) => void,
  ): void;

  /**
   * Visits committed records behind a position and before a partition, in the order of partition,
   * bucket and key, until `visit` returns false. `visit` may keep neither key nor record.
   */
  walk(behind: EnginePosition, beforePartition: number, visit: EngineVisitor): void;

  /** Waits for the commits in flight. An open batch is dropped. */
  close(): Promise<void>;
}
