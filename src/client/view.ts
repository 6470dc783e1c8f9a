import type { SharedBuffers } from '../messaging/layout.js';
import type { Ring } from '../ring/ring.js';
import type { BufferShape } from '../storage/buffer-layout.js';
import type { BucketProperties } from './api.js';

/** A bucket that exists. */
export interface BucketDefinition {
  readonly number: number;
  readonly name: string;
  readonly properties: BucketProperties;
  readonly version: number;
}

/** What a caller knows of the store: everything in it can be cloned to another thread. */
export interface StoreView {
  readonly shared: SharedBuffers;
  /** By slot; of one that has joined a moment ago it may be missing: it answers by messages. */
  readonly buffers: (SharedArrayBuffer | undefined)[];
  readonly bufferShape: BufferShape;
  /** Of requests; see latencies.ts. */
  readonly latencies: SharedArrayBuffer;
  /** As its thread knows it. */
  ring: Ring;
  readonly engine: 'lmdb' | 'memory';
  readonly valueBytes: number;
  readonly maxRecordBytes: number;
  readonly maxCallers: number;
  readonly directReads: boolean;
  readonly coordination: 'client' | 'server';
  /** Of the admission of background work; infinite: none is held back. */
  readonly foregroundP99Ms: number;
  readonly defaults: BucketProperties;
  readonly openedAtMs: number;
  /** Silence that callers hold against no virtual node; absent: as in vnode-health.ts. */
  silenceMs?: number | undefined;
}

/** Holds the newest definition of a bucket, for whoever asks often. */
export interface BucketCell {
  definition: BucketDefinition;
}

/** How a caller asks for buckets: the host itself, or over a port to it. */
export interface BucketDirectory {
  /** A bucket that is known to exist; the cell stays the same and follows changes. */
  cell(name: string): BucketCell | undefined;
  /** Takes in what has arrived already: a bucket that another thread uses must be known here too. */
  refresh(): void;
  list(): readonly BucketDefinition[];
  /** Creates the bucket, or changes its r, w, durability and strict. */
  define(name: string, properties: Partial<BucketProperties>): Promise<BucketDefinition>;
}
