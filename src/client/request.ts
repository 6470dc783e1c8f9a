import type { RingletError } from '../base/errors.js';
import type { Clock } from '../versions/dvvs.js';
import type { Key, TimelineEvent } from './api.js';
import type { Contribution } from './merge.js';

/** A key and where it lives. Its bytes are in the router's scratch space after `locate(source)`. */
export interface LocatedKey {
  /** A string, or a copy of the user's bytes. */
  readonly source: Key;
  readonly hash: number;
  readonly partition: number;
}

/** How a bucket wants its requests. */
export interface Policy {
  readonly bucket: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly level: number;
  readonly rule: number;
  /** Only owners count; no fallback stands in for one. */
  readonly strict: boolean;
  /** Fallbacks stand in for owners in puts of the bucket, whatever this request asks for. */
  readonly sloppyPuts: boolean;
  /** Of values that are put without another one; 0 or missing: for ever. */
  readonly ttlMs?: number;
  /** Reads are noted, for the owner to know what to keep. */
  readonly cache?: boolean;
}

interface Common {
  readonly key: LocatedKey;
  readonly policy: Policy;
  readonly startedMs: number;
  readonly deadlineMs: number;
  readonly timeline: TimelineEvent[] | undefined;
}

export interface GetOutcome {
  readonly contributions: readonly Contribution[];
  /** Fewer than R owners are among them. */
  readonly degraded: boolean;
}

export interface GetTask extends Common {
  readonly kind: 'get';
  readonly done: (outcome: GetOutcome | RingletError) => void;
}

export interface PutTask extends Common {
  readonly kind: 'put';
  readonly operation: number;
  readonly condition: number;
  readonly context: Clock<never>;
  /** The value is a part of these bytes: it begins at `valueAt`. */
  readonly value: Uint8Array;
  readonly valueAt: number;
  readonly valueBytes: number;
  readonly contentTypeCode: number;
  readonly contentType: Uint8Array | undefined;
  /** Of an increment; of a put or touch when the value expires (wall ms, 0: never). */
  readonly by: number;
  readonly done: (outcome: PutOutcome | RingletError) => void;
}

export interface PutOutcome {
  readonly vector: Clock<never>;
  readonly total: number;
}

export interface ScanPage {
  /** Records in the order of bucket and key, in memory of their own. */
  readonly records: readonly Int32Array[];
  readonly more: boolean;
  /** Records that a page for a backup leaves out because they are damaged there. */
  readonly damaged: number;
}

export interface ScanTask {
  readonly kind: 'scan';
  readonly vnode: number;
  readonly bucket: number;
  readonly partition: number;
  readonly after: Uint8Array;
  readonly limit: number;
  readonly settled: boolean;
  /** For a backup: all buckets of the partition from this one on, of any virtual node. */
  readonly every?: boolean;
  readonly startedMs: number;
  readonly deadlineMs: number;
  /** `elsewhere`: its virtual node has gone, or owns the partition no more; nothing was read. Not of one for a backup. */
  readonly done: (outcome: ScanPage | 'elsewhere' | RingletError) => void;
}

export type Task = GetTask | PutTask | ScanTask;
