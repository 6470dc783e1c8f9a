import { hashWords } from '../base/hash.js';
import { LIMITS } from '../base/limits.js';

/**
 * Leases of keys that somebody loads (client/get-or-set.ts): one holder per key over all threads of
 * the process. Shared memory, two words per lease, `LIMITS.leases` of them in sets of {@link WAYS}; a
 * key may stand anywhere in its set.
 *
 *   word 0   0: free, else tag of the key <<10 | tentative <<9 | caller + 1
 *   word 1   when the lease ends: milliseconds of the process' clock, modulo 2^32
 *
 * Who writes, in which order:
 *
 *   take      the caller: word 0 from 0 to tentative by compare-exchange; a look at the whole set; if
 *             another lease of the key is there it stores 0 again, else word 1, then word 0 without
 *             `tentative`. Of two callers that come at the same time the later look sees the other's
 *             word, so that two never both keep theirs; both may give way, and try again.
 *   extend    the holder, if word 0 is what it stored: word 1
 *   give up   the holder: word 0 from what it stored to 0 by compare-exchange, then notify
 *   take over whoever finds word 1 past: word 0 from the holder's to its own, tentative, by
 *             compare-exchange; word 1, then word 0 without `tentative`
 *   clear     the host, when the port of a caller has closed: as if it gave up all words 0 that name it
 *
 * A caller writes words that name it from one thread only, so it needs no generation: what it finds
 * changed is not its own any more. Tags have 22 bits beside the set's number: two keys with the same
 * wait for each other, and each looks for its own value then, so that nothing but time is lost.
 */
const WAYS = 16;
const CALLER_MASK = 0x1ff;
const TENTATIVE = 0x200;
const TAG_BITS = 10;
/** A lease is taken within microseconds, unless the thread is held up within them. */
const TENTATIVE_MS = 10;

export interface LeaseName {
  readonly set: number;
  readonly tag: number;
}

/** Taken, or in whose way something is: wait until the word is another one. */
export interface Lease {
  readonly taken: boolean;
  readonly at: number;
  readonly word: number;
}

type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
  timeoutMs: number,
) => { async: false } | { async: true; value: Promise<string> };
const waitAsync = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync;

export class LeaseTable {
  private readonly words: Int32Array;
  private readonly sets: number;

  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(LIMITS.leases * 8);
  }

  constructor(buffer: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.sets = this.words.length / 2 / WAYS;
  }

  /** @param hash of the key; @param key its bytes as words, padded with zeros */
  nameOf(seed: number, hash: number, key: Int32Array, keyWords: number): LeaseName {
    const tag = hashWords(key, 0, keyWords, seed) >>> TAG_BITS;
    return { set: ((hash ^ seed) >>> 0) % this.sets, tag };
  }

  /** @param untilMs when others may take it over, by the clock that `nowMs` comes from */
  take(name: LeaseName, caller: number, nowMs: number, untilMs: number): Lease {
    const { words } = this;
    const tentative = (name.tag << TAG_BITS) | TENTATIVE | (caller + 1);
    const first = name.set * WAYS * 2;
    let free = -1;
    for (let at = first; at < first + WAYS * 2; at += 2) {
      const word = Atomics.load(words, at);
      if (word === 0) {
        if (free < 0) free = at;
      } else if (word >>> TAG_BITS === name.tag) {
        if (!this.isOver(at, word, nowMs)) return { taken: false, at, word };
        if (Atomics.compareExchange(words, at, word, tentative) === word)
          return this.keep(at, tentative, untilMs);
        return { taken: false, at, word: Atomics.load(words, at) };
      }
    }
    if (free < 0) {
      const at = first + (name.tag % WAYS) * 2;
      return { taken: false, at, word: Atomics.load(words, at) };
    }
    const found = Atomics.compareExchange(words, free, 0, tentative);
    if (found !== 0) return { taken: false, at: free, word: found };
    for (let at = first; at < first + WAYS * 2; at += 2) {
      const word = Atomics.load(words, at);
      if (at === free || word >>> TAG_BITS !== name.tag || word === 0) continue;
      this.free(free);
      return { taken: false, at, word };
    }
    return this.keep(free, tentative, untilMs);
  }

  private keep(at: number, tentative: number, untilMs: number): Lease {
    const word = tentative & ~TENTATIVE;
    Atomics.store(this.words, at + 1, Math.ceil(untilMs) | 0);
    Atomics.store(this.words, at, word);
    return { taken: true, at, word };
  }

  /** Whoever takes it only now has a deadline soon: only a holder's is looked at. */
  private isOver(at: number, word: number, nowMs: number): boolean {
    return (word & TENTATIVE) === 0 && this.leftMs(at, nowMs) < 0;
  }

  private leftMs(at: number, nowMs: number): number {
    return (Atomics.load(this.words, at + 1) - (Math.floor(nowMs) | 0)) | 0;
  }

  /** The holder has more time, unless somebody has taken it over. */
  extend({ at, word }: Lease, untilMs: number): void {
    if (Atomics.load(this.words, at) === word) Atomics.store(this.words, at + 1, Math.ceil(untilMs) | 0);
  }

  /** Unless somebody has taken it over. */
  giveUp({ at, word }: Pick<Lease, 'at' | 'word'>): void {
    if (Atomics.compareExchange(this.words, at, word, 0) === word) Atomics.notify(this.words, at);
  }

  /** Waits until what is in the way may be gone, at most so long. */
  async wait({ at, word }: Lease, nowMs: number, mostMs: number): Promise<void> {
    // At once if a lease ends before: then it can be taken over.
    const leftMs = (word & TENTATIVE) === 0 ? Math.max(0, this.leftMs(at, nowMs)) + 2 : TENTATIVE_MS;
    const waiting = waitAsync(this.words, at, word, Math.min(mostMs, leftMs));
    if (waiting.async) await waiting.value;
    else await nextTurn();
  }

  /** The caller's thread is gone. */
  clear(caller: number): void {
    for (let at = 0; at < this.words.length; at += 2) {
      const word = Atomics.load(this.words, at);
      // Somebody may be taking it over.
      if ((word & CALLER_MASK) === caller + 1) this.giveUp({ at, word });
    }
  }

  private free(at: number): void {
    Atomics.store(this.words, at, 0);
    Atomics.notify(this.words, at);
  }

  /** How many there are, for whoever looks from outside. */
  get held(): number {
    let held = 0;
    for (let at = 0; at < this.words.length; at += 2) if (Atomics.load(this.words, at) !== 0) held++;
    return held;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
