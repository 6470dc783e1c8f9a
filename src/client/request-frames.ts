import { copyBytes, copyWords, packBytes, writeDouble } from '../base/memory.js';
import {
  GET,
  GET_FIXED_WORDS,
  PING,
  PING_WORDS,
  PUT,
  PUT_FIXED_WORDS,
  FLAG_ANY,
  FLAG_REPAIR,
  FLAG_EVERY,
  FLAG_SETTLED,
  FLAG_STRICT,
  RECORD_AT,
  REPLICATE,
  SCAN,
  SYNC,
  writeHeader,
} from '../messaging/frames.js';
import type { Endpoint } from '../messaging/transport.js';
import { encodeRecord, type StoredValue } from '../storage/record-codec.js';
import { lengthAt, sealHead, wordsFor } from '../storage/record.js';
import type { Clock } from '../versions/dvvs.js';
import type { CallerRings } from './caller-ring.js';
import type { KeyRouter } from './key-router.js';
import type { GetTask, LocatedKey, Policy, PutTask, ScanTask } from './request.js';

/** What every frame of a caller carries. */
export interface FrameContext {
  readonly endpoint: Endpoint;
  readonly rings: CallerRings;
  readonly caller: number;
  readonly router: KeyRouter;
}

/** A page asks for at most so many bytes of records. */
const SCAN_BYTES = 256 << 10;

/** @param any the virtual node is to coordinate the get, whether or not it owns the key */
export function writeGet(
  frames: FrameContext,
  vnode: number,
  request: number,
  task: GetTask,
  any = false,
): void {
  const { key } = task;
  const { router } = frames;
  router.locateAgain(key);
  const outbox = frames.endpoint.to(vnode);
  const at = outbox.begin((GET_FIXED_WORDS + router.keyWords) * 4);
  const { words } = outbox;
  writeHeader(words, at, GET, any ? FLAG_ANY : 0, request, frames.rings.current.epoch, task.deadlineMs);
  words[at + 6] = any ? task.policy.r | (task.policy.n << 8) : 0;
  words[at + 7] = key.hash;
  words[at + 8] = task.policy.bucket | (key.partition << 16);
  words[at + 9] = router.keyBytes;
  copyWords(router.words, 0, words, at + GET_FIXED_WORDS, router.keyWords);
  outbox.end();
}

/** @param any the virtual node is to pass the put on if it does not own the key */
export function writePut(
  frames: FrameContext,
  vnode: number,
  request: number,
  task: PutTask,
  any = false,
): void {
  const { key, policy, context, value, valueBytes, contentType } = task;
  const { router } = frames;
  router.locateAgain(key);
  const typeBytes = contentType?.length ?? 0;
  const parts = context.length * 2 + router.keyWords + wordsFor(typeBytes) + wordsFor(valueBytes);
  const outbox = frames.endpoint.to(vnode);
  const at = outbox.begin((PUT_FIXED_WORDS + parts) * 4);
  const { words, bytes } = outbox;
  const flags = (policy.strict ? FLAG_STRICT : 0) | (any ? FLAG_ANY : 0);
  writeHeader(words, at, PUT, flags, request, frames.rings.current.epoch, task.deadlineMs);
  words[at + 6] = frames.caller;
  words[at + 7] = key.hash;
  words[at + 8] = policy.bucket | (key.partition << 16);
  words[at + 9] = router.keyBytes | (context.length << 16);
  words[at + 10] = task.operation | (policy.level << 8) | (policy.w << 16) | (policy.n << 24);
  words[at + 11] = policy.rule | (task.condition << 8) | (policy.r << 16) | (task.contentTypeCode << 24);
  words[at + 12] = valueBytes;
  words[at + 13] = typeBytes;
  writeDouble(words, at + 14, task.by);
  let word = at + PUT_FIXED_WORDS;
  for (const { actor, n } of context) {
    words[word++] = actor | 0;
    words[word++] = n | 0;
  }
  copyWords(router.words, 0, words, word, router.keyWords);
  word += router.keyWords;
  if (contentType !== undefined) copyBytes(contentType, 0, bytes, word * 4, typeBytes);
  word += wordsFor(typeBytes);
  packBytes(value, task.valueAt, words, word, valueBytes);
  outbox.end();
}

export function writeScan(frames: FrameContext, request: number, task: ScanTask): void {
  const outbox = frames.endpoint.to(task.vnode);
  const at = outbox.begin(GET_FIXED_WORDS * 4 + task.after.length);
  const { words, bytes } = outbox;
  const flags = (task.settled ? FLAG_SETTLED : 0) | (task.every === true ? FLAG_EVERY : 0);
  writeHeader(words, at, SCAN, flags, request, frames.rings.current.epoch, task.deadlineMs);
  words[at + 6] = task.limit;
  words[at + 7] = SCAN_BYTES;
  words[at + 8] = task.bucket | (task.partition << 16);
  words[at + 9] = task.after.length;
  copyBytes(task.after, 0, bytes, (at + GET_FIXED_WORDS) * 4, task.after.length);
  outbox.end();
}

/** Asks whether a virtual node is there at all. */
export function writePing(frames: FrameContext, vnode: number, deadlineMs: number): void {
  const outbox = frames.endpoint.to(vnode);
  const at = outbox.begin(PING_WORDS * 4);
  writeHeader(outbox.words, at, PING, 0, 0, frames.rings.current.epoch, deadlineMs);
  outbox.words[at + 6] = 0;
  outbox.words[at + 7] = 0;
  outbox.end();
}

/** Asks a virtual node to sync its journal although nobody's put waits for that. */
export function writeSync(frames: FrameContext, vnode: number, deadlineMs: number): void {
  const outbox = frames.endpoint.to(vnode);
  const at = outbox.begin(PING_WORDS * 4);
  writeHeader(outbox.words, at, SYNC, 0, 0, frames.rings.current.epoch, deadlineMs);
  outbox.words[at + 6] = 0;
  outbox.words[at + 7] = 0;
  outbox.end();
}

/** Read repair: the reconciled record to an owner that lacks something of it. Nobody waits for it. */
export function writeRepair(
  frames: FrameContext,
  vnode: number,
  key: LocatedKey,
  policy: Policy,
  kind: number,
  clock: Clock<StoredValue>,
  deadlineMs: number,
): void {
  const place = { hash: key.hash, partition: key.partition, bucket: policy.bucket };
  const { router } = frames;
  router.locateAgain(key);
  const record = encodeRecord(place, router.bytes.subarray(0, router.keyBytes), kind, clock);
  sealHead(record.words, 0, 0, 0, 0);
  const bytes = lengthAt(record.words, 0);
  const outbox = frames.endpoint.to(vnode);
  const at = outbox.begin(RECORD_AT * 4 + bytes);
  writeHeader(outbox.words, at, REPLICATE, FLAG_REPAIR, 0, frames.rings.current.epoch, deadlineMs);
  outbox.words[at + 6] = policy.rule << 8;
  copyWords(record.words, 0, outbox.words, at + RECORD_AT, bytes >>> 2);
  outbox.end();
}
