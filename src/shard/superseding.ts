import { type Memory, writeDouble } from '../base/memory.js';
import { OP_DELETE, RULE_LWW } from '../messaging/frames.js';
import {
  CONTENT_TYPE_LITERAL,
  ENTRY_WORDS,
  EXPIRY_WORDS,
  FIXED_WORDS,
  KIND_COUNTER,
  KIND_PLAIN,
  keyWordOf,
  kindAt,
  META_WORDS,
  metasAt,
  recordBytes,
  sealContent,
  VALUE_DELETED,
  VALUE_EXPIRES,
  W_KEY,
  W_KEY_HASH,
  W_LENGTH,
  W_PLACE,
  wordsFor,
} from '../storage/record.js';
import { stagingFor } from '../storage/record-codec.js';
import { MAX_DOT } from '../versions/dvvs.js';
import type { PutRequest } from './put-request.js';

/**
 * The common put, built without decoding anything: the new value supersedes every value that is
 * there, because the context has seen them all, or the bucket is `lww` and the new time is the
 * greatest, or nothing is there. The result equals versions/dvvs.ts `update` (a test compares
 * them). Undefined where siblings survive, and the caller takes the general way.
 */
export function buildSuperseding(
  request: PutRequest,
  current: Int32Array | undefined,
  at: number,
  actor: number,
  time: number,
  floor: number,
): Memory | undefined {
  const { context } = request;
  if (current !== undefined) {
    if (kindAt(current, at) === KIND_COUNTER && request.rule !== RULE_LWW && context.length === 0)
      return undefined;
    if (request.rule !== RULE_LWW && !seesAll(context, current, at)) return undefined;
  }
  const first = current === undefined ? 0 : at + FIXED_WORDS;
  const end = current === undefined ? 0 : metasAt(current, at);
  const most = (end - first) / ENTRY_WORDS + context.length + 1;
  const typeBytes = request.contentTypeBytes.length;
  const expires = request.expiresAtMs > 0;
  const payload = (expires ? EXPIRY_WORDS : 0) + wordsFor(typeBytes) + wordsFor(request.value.length);
  const memory = stagingFor(recordBytes(most, 1, request.key.length, payload));
  const { words, bytes } = memory;

  const entries = writeEntries(words, current, first, end, context, actor, floor);
  if (entries < 0) return undefined;
  const length = recordBytes(entries, 1, request.key.length, payload);
  words[W_LENGTH] = length;
  words[W_KEY_HASH] = request.hash;
  words[W_PLACE] = request.bucket | (request.partition << 16);
  words[W_KEY] = keyWordOf(request.key.length, KIND_PLAIN, entries);
  const meta = FIXED_WORDS + entries * ENTRY_WORDS;
  const deleted = request.operation === OP_DELETE ? VALUE_DELETED : 0;
  const flags = (request.contentTypeCode << 8) | deleted | (expires ? VALUE_EXPIRES : 0);
  words[meta] = request.value.length;
  words[meta + 1] = typeBytes | (flags << 16);
  writeDouble(words, meta + 2, time);
  let word = meta + META_WORDS;
  for (let i = 0; i < request.keyWords.length; i++) words[word + i] = request.keyWords[i]!;
  word += wordsFor(request.key.length);
  if (expires) {
    writeDouble(words, word, request.expiresAtMs);
    word += EXPIRY_WORDS;
  }
  if (request.contentTypeCode === CONTENT_TYPE_LITERAL)
    word = copyPart(bytes, words, word, request.contentTypeBytes);
  word = copyPart(bytes, words, word, request.value);
  if (word * 4 < length) words[word] = 0;
  sealContent(words, 0);
  return memory;
}

function copyPart(bytes: Uint8Array, words: Int32Array, word: number, part: Uint8Array): number {
  const end = word + wordsFor(part.length);
  if (end > word) words[end - 1] = 0;
  bytes.set(part, word * 4);
  return end;
}

/** Whether the context covers the newest dot of every actor that has values. */
function seesAll(context: PutRequest['context'], words: Int32Array, at: number): boolean {
  const end = metasAt(words, at);
  for (let entry = at + FIXED_WORDS; entry < end; entry += ENTRY_WORDS) {
    if (words[entry + 2] === 0) continue;
    const actor = words[entry]! >>> 0;
    const seen = context.find((other) => other.actor === actor);
    if (seen === undefined || seen.n < words[entry + 1]! >>> 0) return false;
  }
  return true;
}

/** Merges the counters of record and context, without values, and makes the actor's next dot, above `floor`. −1: no dot left. */
function writeEntries(
  words: Int32Array,
  current: Int32Array | undefined,
  first: number,
  end: number,
  context: PutRequest['context'],
  actor: number,
  floor: number,
): number {
  let count = 0;
  let i = first;
  let j = 0;
  let own = false;
  const put = (who: number, n: number, listed: number): void => {
    const entry = FIXED_WORDS + count++ * ENTRY_WORDS;
    words[entry] = who | 0;
    words[entry + 1] = n | 0;
    words[entry + 2] = listed;
  };
  for (;;) {
    const left = i < end ? current![i]! >>> 0 : Infinity;
    const right = j < context.length ? context[j]!.actor : Infinity;
    const who = Math.min(left, right);
    if (!own && actor < who) {
      if (floor >= MAX_DOT) return -1;
      put(actor, floor + 1, 1);
      own = true;
    }
    if (who === Infinity) return count;
    let n = 0;
    if (left === who) {
      n = current![i + 1]! >>> 0;
      i += ENTRY_WORDS;
    }
    if (right === who) {
      n = Math.max(n, context[j]!.n);
      j++;
    }
    if (who === actor) {
      const known = Math.max(n, floor);
      if (known >= MAX_DOT) return -1;
      put(actor, known + 1, 1);
      own = true;
    } else if (n > 0) {
      put(who, n, 0);
    }
  }
}
