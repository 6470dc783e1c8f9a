import { paddedWords } from '../../base/memory.js';
import { REAP, REAP_ANSWER, REAP_KEY_WORDS, REAP_KEYS_AT, writeHeader } from '../../messaging/frames.js';
import type { VnodeEnvironment } from '../environment.js';
import type { Condemned } from './condemned.js';

/** The three questions about a tombstone; see reaper.ts. */
export const PROVE = 1;
export const HIDE = 2;
export const REMOVE = 3;
export type Round = typeof PROVE | typeof HIDE | typeof REMOVE;

/** How long a question or an answer counts. */
const FRAME_MS = 5_000;

/** Writes and reads the frames of reaping; their grammar stands in messaging/frames.ts. */
export class ReapFrames {
  private readonly env: VnodeEnvironment;

  constructor(env: VnodeEnvironment) {
    this.env = env;
  }

  ask(to: number, request: number, round: Round, keys: readonly Condemned[]): void {
    const { env } = this;
    const size = keys.reduce((sum, key) => sum + wordsOf(key), REAP_KEYS_AT);
    const outbox = env.endpoint.to(to);
    const at = outbox.begin(size * 4);
    const { words } = outbox;
    writeHeader(words, at, REAP, 0, request, env.ring.epoch, env.clock.nowMs() + FRAME_MS);
    words[at + 6] = round;
    words[at + 7] = keys.length;
    let word = at + REAP_KEYS_AT;
    for (const condemned of keys) {
      words[word] = condemned.hash;
      words[word + 1] = condemned.bucket | (condemned.partition << 16);
      words[word + 2] = condemned.key.length;
      words[word + 3] = condemned.low;
      words[word + 4] = condemned.high;
      words.set(paddedWords(condemned.key), word + REAP_KEY_WORDS);
      word += wordsOf(condemned);
    }
    outbox.end();
  }

  answer(to: number, request: number, outcome: number, good: readonly boolean[]): void {
    const { env } = this;
    const outbox = env.endpoint.to(to);
    const bitWords = (good.length + 31) >>> 5;
    const at = outbox.begin((REAP_KEYS_AT + bitWords) * 4);
    const { words } = outbox;
    writeHeader(words, at, REAP_ANSWER, 0, request, env.ring.epoch, env.clock.nowMs() + FRAME_MS);
    words[at + 6] = outcome;
    words[at + 7] = good.length;
    for (let i = 0; i < bitWords; i++) words[at + REAP_KEYS_AT + i] = 0;
    good.forEach((yes, i) => {
      if (yes) words[at + REAP_KEYS_AT + (i >>> 5)]! |= 1 << (i & 31);
    });
    outbox.end();
  }
}

/** Words of a key in a REAP frame. */
export function wordsOf({ key }: Pick<Condemned, 'key'>): number {
  return REAP_KEY_WORDS + ((key.length + 3) >>> 2);
}

/** The keys of an intact REAP frame, in ordinary memory. */
export function readKeys(words: Int32Array, bytes: Uint8Array, at: number): Condemned[] {
  const keys: Condemned[] = [];
  let word = at + REAP_KEYS_AT;
  for (let i = 0; i < words[at + 7]!; i++) {
    const start = (word + REAP_KEY_WORDS) * 4;
    const condemned = {
      hash: words[word]!,
      bucket: words[word + 1]! & 0xffff,
      partition: words[word + 1]! >>> 16,
      low: words[word + 3]!,
      high: words[word + 4]!,
      key: bytes.slice(start, start + words[word + 2]!),
    };
    keys.push(condemned);
    word += wordsOf(condemned);
  }
  return keys;
}

export function readBits(words: Int32Array, at: number): boolean[] {
  return Array.from(
    { length: words[at + 7]! },
    (_, i) => ((words[at + REAP_KEYS_AT + (i >>> 5)]! >>> (i & 31)) & 1) === 1,
  );
}
