import { copyWords, paddedWords } from '../base/memory.js';
import { LIMITS } from '../base/limits.js';
import {
  OK,
  OUT_CORRUPT,
  OUT_READ_ONLY,
  SCAN_RECORDS_AT,
  SCAN_REPLY,
  writeHeader,
} from '../messaging/frames.js';
import type { Engine } from '../storage/engine.js';
import type { Pipeline } from '../storage/pipeline.js';
import {
  aligned,
  bucketAt,
  HINT_BUCKET,
  keyAt,
  keyBytesAt,
  KIND_REMOVED,
  kindAt,
  lengthAt,
  partitionAt,
  verifyRecord,
  W_KEY_HASH,
} from '../storage/record.js';
import type { VnodeEnvironment } from './environment.js';
import { hashOfKey } from './key-name.js';
import { KeyList, type KeyPlace, type Named, upperBound } from './key-list.js';

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
  /** For a backup: all buckets from this one on, whoever owns them, as background work. */
  readonly every: boolean;
}

/** A walk over the index for engines without order: the keys of one partition (and bucket), collected slice by slice. */
interface Walk {
  readonly request: ScanRequest;
  table: number;
  cursor: number;
  keys: KeyList;
}

/** A page in the making; without `next`, the last key that was looked at, it is the last one. */
interface EnginePage {
  readonly records: Int32Array[];
  next: Uint8Array | undefined;
  /** A record that cannot be read has no other copy here. */
  corrupt: boolean;
}

const SLICE = 8_192;

/**
 * Pages of a partition in key order. With an engine: a range scan. Without: the index is walked a
 * slice per turn and the keys sorted; the list of the last walk serves the following pages, of later scans
 * too, and is told of keys that come.
 */
export class Scanner {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly engine: Engine | undefined;
  private readonly walks: Walk[] = [];
  /** Pages for a backup that wait until requests leave time for them. */
  private readonly pages: ScanRequest[] = [];
  /** For which the engine has not got all that was written before. */
  private readonly expected = new Set<ScanRequest>();
  /** Of askers who have not taken what they were sent: their pages are read when they have. */
  private readonly held: ScanRequest[] = [];
  private last: { readonly request: ScanRequest; readonly keys: KeyList } | undefined;
  private readonly onUnreadable: (bucket: number, key: Uint8Array) => void;

  /** @param onUnreadable the engine has a damaged record of a key */
  constructor(
    env: VnodeEnvironment,
    pipeline: Pipeline,
    engine: Engine | undefined,
    onUnreadable: (bucket: number, key: Uint8Array) => void,
  ) {
    this.env = env;
    this.onUnreadable = onUnreadable;
    this.pipeline = pipeline;
    this.engine = engine;
  }

  /** When {@link step} is to be called next. */
  nextMs(nowMs: number): number {
    if (this.walks.length > 0) return nowMs;
    const heldMs = this.held.length > 0 ? nowMs + 1 : Number.POSITIVE_INFINITY;
    if (this.pages.length === 0) return heldMs;
    return Math.min(heldMs, Math.max(nowMs, this.pipeline.admission.nextMs));
  }

  /** It begins when what was written before it has {@link arrived} in the engine. */
  expect(request: ScanRequest): void {
    this.expected.add(request);
  }

  arrived(request: ScanRequest): void {
    if (this.expected.delete(request)) this.begin(request);
  }

  /** Nothing arrives in an engine that has failed: another owner has the page. A backup needs this one, and waits for its next thread. */
  private giveUp(nowMs: number): void {
    for (const request of this.expected) {
      if (request.every && nowMs <= request.deadlineMs) continue;
      this.expected.delete(request);
      if (!request.every) this.refuse(request.from, request.id, OUT_READ_ONLY);
    }
  }

  begin(request: ScanRequest): void {
    if (this.isClogged(request)) {
      this.held.push(request);
    } else if (this.engine !== undefined) {
      if (request.every) this.pages.push(request);
      else this.scanEngine(request, this.engine);
    } else if (this.last !== undefined && goesOn(request, this.last.request)) {
      this.serve(request, this.last.keys.ordered());
    } else {
      this.walks.push({ request, table: -1, cursor: 0, keys: new KeyList() });
    }
  }

  private isClogged({ from }: ScanRequest): boolean {
    return this.env.endpoint.to(from).waitingBytes > LIMITS.outboxBytes;
  }

  /** Goes on with those whose askers have taken what they were sent. */
  private unhold(nowMs: number): void {
    for (const request of this.held.splice(0)) if (nowMs <= request.deadlineMs) this.begin(request);
  }

  /** Answers a page that waits, or moves the oldest walk on by a slice. */
  step(nowMs: number): void {
    if (this.expected.size > 0 && this.pipeline.engineFailed) this.giveUp(nowMs);
    if (this.held.length > 0) this.unhold(nowMs);
    const { engine, pages } = this;
    if (engine !== undefined && pages.length > 0) {
      const read = (): boolean => {
        const page = pages.shift()!;
        if (nowMs <= page.deadlineMs) this.readEvery(page, engine);
        return false;
      };
      this.pipeline.admission.slice('backup', nowMs, read);
    }
    const walk = this.walks[0];
    if (walk === undefined) return;
    const { request } = walk;
    if (nowMs > request.deadlineMs) {
      this.walks.shift();
      return;
    }
    // Many may have begun before the first was answered.
    if (walk.cursor === 0 && this.isClogged(request)) {
      this.walks.shift();
      this.held.push(request);
      return;
    }
    const { index, words } = this.pipeline.buffer;
    if (walk.table !== index.tableNumber) {
      walk.table = index.tableNumber;
      walk.cursor = 0;
      walk.keys = new KeyList();
    }
    const done = index.visit(walk.cursor, SLICE, (byte) => {
      const at = byte >>> 2;
      if (isWanted(request, words, at)) walk.keys.add(this.named(at));
    });
    walk.cursor += SLICE;
    if (!done) return;
    this.walks.shift();
    this.last = { request, keys: walk.keys };
    this.serve(request, walk.keys.ordered());
  }

  /** A key that was not in the index was put: what has been listed lacks it. */
  noteNew(words: Int32Array, at: number): void {
    const { last } = this;
    // The others have not begun, or have no list of their own.
    const walk = this.walks[0];
    if (walk !== undefined && walk.cursor > 0 && isWanted(walk.request, words, at))
      walk.keys.add(this.named(at));
    if (last === undefined || !isWanted(last.request, words, at)) return;
    last.keys.add(this.named(at));
    if (last.keys.outgrown) this.last = undefined;
  }

  private named(at: number): Named {
    const { words, memory } = this.pipeline.buffer;
    const key = keyBytesAt(words, memory.bytes, at).slice();
    return { bucket: bucketAt(words, at), key, hash: words[at + W_KEY_HASH]! };
  }

  private serve(request: ScanRequest, keys: readonly Named[]): void {
    const page: Int32Array[] = [];
    let bytes = 0;
    let i = upperBound(keys, { bucket: request.bucket, key: request.after });
    const { buffer } = this.pipeline;
    for (; i < keys.length && page.length < request.limit && bytes < request.maxBytes; i++) {
      const { bucket, key, hash } = keys[i]!;
      const byte = buffer.find(hash, bucket, paddedWords(key), key.length);
      if (byte === 0 || kindAt(buffer.words, byte >>> 2) === KIND_REMOVED) continue;
      page.push(copyRecord(buffer.words, byte >>> 2));
      bytes += lengthAt(buffer.words, byte >>> 2);
    }
    this.reply(request, page, i >= keys.length);
  }

  private scanEngine(request: ScanRequest, engine: Engine): void {
    let page = this.enginePage(request, engine);
    // One without records has no place where the next begins: keys that have just gone are passed over.
    while (page.records.length === 0 && page.next !== undefined)
      page = this.enginePage({ ...request, after: page.next }, engine);
    if (page.corrupt) this.reply(request, [], true, OUT_CORRUPT);
    else this.reply(request, page.records, page.next === undefined);
  }

  private enginePage({ partition, bucket, after, limit, maxBytes }: ScanRequest, engine: Engine): EnginePage {
    const page: EnginePage = { records: [], next: undefined, corrupt: false };
    const unreadable: Uint8Array[] = [];
    let bytes = 0;
    let seen = 0;
    engine.scan(partition, bucket, after.length === 0 ? undefined : after, limit, (key, record) => {
      seen++;
      if (page.corrupt || bytes >= maxBytes) return;
      const whole = wholeRecord(record);
      if (whole === undefined) unreadable.push(key.slice());
      const newest = this.newest(bucket, key, whole);
      page.corrupt = newest === undefined;
      if (newest === undefined) return;
      page.next = key.slice();
      if (kindAt(newest, 0) === KIND_REMOVED) return;
      page.records.push(newest);
      bytes += record.length;
    });
    for (const key of unreadable) this.onUnreadable(bucket, key);
    const isLast = page.corrupt || (seen < limit && bytes < maxBytes);
    return { ...page, next: isLast ? undefined : page.next };
  }

  private readEvery(request: ScanRequest, engine: Engine): void {
    const { partition, bucket, after } = request;
    const page: Int32Array[] = [];
    let bytes = 0;
    let damaged = 0;
    let more = false;
    const behind = { partition, bucket, key: after.length === 0 ? undefined : after };
    const unreadable: KeyPlace[] = [];
    engine.walk(behind, partition + 1, (_partition, found, key, record) => {
      // Hints come last.
      if (found === HINT_BUCKET) return false;
      more = page.length >= request.limit || bytes >= request.maxBytes;
      if (more) return false;
      const whole = wholeRecord(record);
      if (whole === undefined) unreadable.push({ bucket: found, key: key.slice() });
      const newest = this.newest(found, key, whole);
      if (newest === undefined) {
        damaged++;
        return true;
      }
      if (kindAt(newest, 0) === KIND_REMOVED) return true;
      page.push(newest);
      bytes += newest.byteLength;
      return true;
    });
    for (const one of unreadable) this.onUnreadable(one.bucket, one.key);
    this.reply(request, page, !more, OK, damaged);
  }

  /** The buffer may hold a newer version than the engine, or one of a key whose record there is damaged. */
  private newest(bucket: number, key: Uint8Array, whole: Int32Array | undefined): Int32Array | undefined {
    const { buffer } = this.pipeline;
    const byte =
      whole === undefined
        ? buffer.find(hashOfKey(key), bucket, paddedWords(key), key.length)
        : buffer.find(whole[W_KEY_HASH]!, bucket, whole.subarray(keyAt(whole, 0)), key.length);
    if (byte !== 0) return copyRecord(buffer.words, byte >>> 2);
    return whole && copyRecord(whole, 0);
  }

  refuse(from: number, id: number, outcome: number): void {
    this.reply({ from, id }, [], true, outcome);
  }

  private reply(
    request: Pick<ScanRequest, 'from' | 'id'>,
    page: readonly Int32Array[],
    done: boolean,
    outcome = OK,
    damaged = 0,
  ): void {
    const size = page.reduce((sum, record) => sum + record.length, SCAN_RECORDS_AT);
    const outbox = this.env.endpoint.to(request.from);
    const at = outbox.begin(size * 4);
    const { words } = outbox;
    writeHeader(words, at, SCAN_REPLY, 0, request.id, this.env.ring.epoch, 0);
    words[at + 6] = outcome;
    words[at + 7] = page.length;
    words[at + 8] = done ? 1 : 0;
    words[at + 9] = damaged;
    let word = at + SCAN_RECORDS_AT;
    for (const record of page) {
      copyWords(record, 0, words, word, record.length);
      word += record.length;
    }
    outbox.end();
  }
}

/** A record of the engine, valid until the next one is read; undefined if it is damaged. */
function wholeRecord(record: Uint8Array): Int32Array | undefined {
  return verifyRecord(record) ? aligned(record).words : undefined;
}

function copyRecord(words: Int32Array, at: number): Int32Array {
  return words.slice(at, at + (lengthAt(words, at) >>> 2));
}

function isWanted({ every, bucket, partition }: ScanRequest, words: Int32Array, at: number): boolean {
  if (partitionAt(words, at) !== partition) return false;
  return every ? bucketAt(words, at) !== HINT_BUCKET : bucketAt(words, at) === bucket;
}

/** Whether a page goes on in the list that was made for another one. */
function goesOn(request: ScanRequest, { partition, bucket, every }: ScanRequest): boolean {
  return (
    request.after.length > 0 &&
    request.partition === partition &&
    request.every === every &&
    (every || request.bucket === bucket)
  );
}
