import { copyWords, paddedWords } from '../base/memory.js';
import { OK, OUT_CORRUPT, SCAN_RECORDS_AT, SCAN_REPLY, writeHeader } from '../messaging/frames.js';
import type { Engine } from '../storage/engine.js';
import type { Pipeline } from '../storage/pipeline.js';
import {
  aligned,
  bucketAt,
  keyAt,
  keyLengthAt,
  KIND_REMOVED,
  kindAt,
  lengthAt,
  partitionAt,
  verifyRecord,
  W_KEY_HASH,
} from '../storage/record.js';
import type { VnodeEnvironment } from './environment.js';

export interface ScanRequest {
  readonly from: number;
  readonly id: number;
  readonly partition: number;
  readonly bucket: number;
  readonly limit: number;
  readonly maxBytes: number;
  /** Ordinary memory. */
  readonly after: Uint8Array;
  readonly deadlineMs: number;
}

/** A walk over the index for engines without order: the keys of one partition and bucket, collected slice by slice. */
interface Walk {
  readonly request: ScanRequest;
  table: number;
  cursor: number;
  keys: Named[];
}

interface Named {
  readonly key: Uint8Array;
  readonly hash: number;
}

const SLICE = 8_192;

/**
 * Pages of a partition in key order. With an engine: a range scan. Without: the index is walked a
 * slice per turn and the keys sorted; the list of the last walk serves the following pages.
 */
export class Scanner {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly engine: Engine | undefined;
  private readonly walks: Walk[] = [];
  private last: { partition: number; bucket: number; keys: Named[] } | undefined;

  constructor(env: VnodeEnvironment, pipeline: Pipeline, engine: Engine | undefined) {
    this.env = env;
    this.pipeline = pipeline;
    this.engine = engine;
  }

  get busy(): boolean {
    return this.walks.length > 0;
  }

  begin(request: ScanRequest): void {
    if (this.engine !== undefined) {
      this.scanEngine(request, this.engine);
    } else if (
      request.after.length > 0 &&
      this.last?.partition === request.partition &&
      this.last.bucket === request.bucket
    ) {
      this.serve(request, this.last.keys);
    } else {
      this.walks.push({ request, table: -1, cursor: 0, keys: [] });
    }
  }

  /** Moves the oldest walk on by a slice. */
  step(nowMs: number): void {
    const walk = this.walks[0];
    if (walk === undefined) return;
    const { request } = walk;
    if (nowMs > request.deadlineMs) {
      this.walks.shift();
      return;
    }
    const { index, words } = this.pipeline.buffer;
    if (walk.table !== index.tableNumber) {
      walk.table = index.tableNumber;
      walk.cursor = 0;
      walk.keys = [];
    }
    const done = index.visit(walk.cursor, SLICE, (byte) => {
      const at = byte >>> 2;
      if (partitionAt(words, at) !== request.partition || bucketAt(words, at) !== request.bucket) return;
      const key = this.pipeline.keyBytesAt(words, this.pipeline.buffer.memory.bytes, at).slice();
      walk.keys.push({ key, hash: words[at + W_KEY_HASH]! });
    });
    walk.cursor += SLICE;
    if (!done) return;
    this.walks.shift();
    walk.keys.sort((a, b) => compareBytes(a.key, b.key));
    this.last = { partition: request.partition, bucket: request.bucket, keys: walk.keys };
    this.serve(request, walk.keys);
  }

  private serve(request: ScanRequest, keys: readonly Named[]): void {
    const page: Int32Array[] = [];
    let bytes = 0;
    let i = request.after.length === 0 ? 0 : upperBound(keys, request.after);
    const { buffer } = this.pipeline;
    for (; i < keys.length && page.length < request.limit && bytes < request.maxBytes; i++) {
      const { key, hash } = keys[i]!;
      const byte = buffer.find(hash, request.bucket, paddedWords(key), key.length);
      if (byte === 0) continue;
      page.push(copyRecord(buffer.words, byte >>> 2));
      bytes += lengthAt(buffer.words, byte >>> 2);
    }
    this.reply(request, page, i >= keys.length);
  }

  private scanEngine(request: ScanRequest, engine: Engine): void {
    const page: Int32Array[] = [];
    let bytes = 0;
    let seen = 0;
    let corrupt = false;
    const after = request.after.length === 0 ? undefined : request.after;
    let more = false;
    engine.scan(request.partition, request.bucket, after, request.limit, (_key, record) => {
      seen++;
      if (bytes >= request.maxBytes) {
        more = true;
        return;
      }
      if (!verifyRecord(record)) {
        corrupt = true;
        return;
      }
      const { words } = aligned(record);
      const newest = this.newest(words);
      if (kindAt(newest, 0) !== KIND_REMOVED) page.push(newest);
      bytes += record.length;
    });
    if (corrupt) this.reply(request, [], true, OUT_CORRUPT);
    else this.reply(request, page, !more && seen < request.limit);
  }

  /** The buffer may hold a newer version than the engine. */
  private newest(words: Int32Array): Int32Array {
    const { buffer } = this.pipeline;
    const key = words.subarray(keyAt(words, 0));
    const byte = buffer.find(words[W_KEY_HASH]!, bucketAt(words, 0), key, keyLengthAt(words, 0));
    return byte === 0 ? copyRecord(words, 0) : copyRecord(buffer.words, byte >>> 2);
  }

  refuse(from: number, id: number, outcome: number): void {
    this.reply({ from, id }, [], true, outcome);
  }

  private reply(
    request: Pick<ScanRequest, 'from' | 'id'>,
    page: readonly Int32Array[],
    done: boolean,
    outcome = OK,
  ): void {
    const size = page.reduce((sum, record) => sum + record.length, SCAN_RECORDS_AT);
    const outbox = this.env.endpoint.to(request.from);
    const at = outbox.begin(size * 4);
    const { words } = outbox;
    writeHeader(words, at, SCAN_REPLY, 0, request.id, this.env.ring.epoch, 0);
    words[at + 6] = outcome;
    words[at + 7] = page.length;
    words[at + 8] = done ? 1 : 0;
    let word = at + SCAN_RECORDS_AT;
    for (const record of page) {
      copyWords(record, 0, words, word, record.length);
      word += record.length;
    }
    outbox.end();
  }
}

function copyRecord(words: Int32Array, at: number): Int32Array {
  return words.slice(at, at + (lengthAt(words, at) >>> 2));
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** The first position behind `key` in a sorted list. */
function upperBound(keys: readonly Named[], key: Uint8Array): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(keys[middle]!.key, key) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
