import fc from '../properties.js';
import { describe, expect, test } from 'vitest';
import { range, readNumbered, sendNumbered } from './numbered-frames.js';
import type { Pair, Transport } from './pairs.js';

/**
 * Two parties step by step, each with the thread loop of the store: drain, write, flush, arm the
 * doorbell, look again, sleep. A party asleep moves only once its bell was rung. Where the steps of
 * the two interleave is up to fast-check, and so a wake-up that can be lost at these points is
 * lost here, without threads and without luck.
 */
type Step = readonly [side: 0 | 1, what: 'send' | 'drain' | 'flush' | 'sleep', amount: number];

class Party {
  readonly side: 0 | 1;
  readonly received: number[] = [];
  sent = 0;
  state: 'awake' | 'flushed' | 'armed' | 'asleep' = 'awake';
  private readonly pair: Pair;

  constructor(pair: Pair, side: 0 | 1) {
    this.pair = pair;
    this.side = side;
  }

  get word(): number {
    return this.pair.layout.doorbellWord(this.side);
  }
  private get control(): Int32Array {
    return new Int32Array(this.pair.shared.control);
  }

  step(what: Step[1], amount: number): void {
    const end = this.pair.ends[this.side]!;
    if (this.state === 'asleep') {
      if (this.control[this.word] === 1) return;
      this.state = 'awake';
    }
    // From the end of its turn on, a thread does nothing but go to sleep; the other one may do anything.
    if (this.state === 'flushed') {
      this.control[this.word] = 1;
      this.state = 'armed';
      return;
    }
    if (this.state === 'armed') {
      this.state = end.idle() ? 'asleep' : 'awake';
      if (this.state === 'awake') this.control[this.word] = 0;
      return;
    }
    if (what === 'send') sendNumbered(end, 1 - this.side, this.sent++, 16 + amount);
    else if (what === 'drain') end.drain(1 + (amount % 40), this.take);
    else if (what === 'flush') end.flush();
    else {
      while (end.drain(100, this.take)) continue;
      end.flush();
      this.state = 'flushed';
    }
  }

  readonly take = (_from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    this.received.push(readNumbered(words, bytes, at));
  };
}

const side = fc.constantFrom(0 as const, 1 as const);
const frame = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 3, arbitrary: fc.integer({ min: 200, max: 1_100 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1_100, max: 12_000 }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(side, fc.constant('send' as const), frame) },
  { weight: 2, arbitrary: fc.tuple(side, fc.constant('drain' as const), fc.nat(60)) },
  { weight: 2, arbitrary: fc.tuple(side, fc.constant('flush' as const), fc.constant(0)) },
  { weight: 5, arbitrary: fc.tuple(side, fc.constant('sleep' as const), fc.constant(0)) },
);

export function describeModel(transport: Transport): void {
  describe(`two parties over ${transport.name}, in any interleaving`, () => {
    test('everything arrives once and in order, and nobody sleeps for ever', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
          const pair = transport.open();
          try {
            const parties = [new Party(pair, 0), new Party(pair, 1)] as const;
            for (const [who, what, amount] of steps) parties[who].step(what, amount);
            // From here on each only finishes its turns: whoever sleeps must be woken by the other.
            for (
              let turns = 0;
              turns < 2_000 && parties.some(({ state }) => state !== 'asleep' || wasRung(pair));
              turns++
            ) {
              for (const party of parties) party.step('sleep', 0);
            }
            for (const party of parties) {
              expect(party.state).toBe('asleep');
              expect(party.received).toEqual(range(0, parties[1 - party.side]!.sent));
              expect(pair.ends[party.side]!.blocked).toBe(false);
            }
          } finally {
            pair.close();
          }
        }),
        { numRuns: 300 },
      );
    });

    test('of each incarnation of a sender a prefix arrives, whatever is written when it dies', () => {
      const life = fc.array(fc.tuple(frame, fc.boolean(), fc.nat(30)), { maxLength: 40 });
      fc.assert(
        fc.property(fc.array(life, { minLength: 2, maxLength: 6 }), (lives) => {
          const pair = transport.open();
          const arrived: number[] = [];
          const take = (_from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
            arrived.push(readNumbered(words, bytes, at));
          };
          lives.forEach((frames, generation) => {
            if (generation > 0) pair.restart(0);
            frames.forEach(([amount, flush, budget], i) => {
              sendNumbered(pair.ends[0]!, 1, generation * 1_000 + i, 16 + amount);
              if (flush) pair.ends[0]!.flush();
              if (budget > 0) pair.ends[1]!.drain(budget, take);
            });
          });
          for (let turn = 0; turn < 2_000 && (turn < 2 || pair.ends[0]!.blocked); turn++) {
            pair.ends[0]!.flush();
            while (pair.ends[1]!.drain(100, take)) continue;
            pair.ends[1]!.flush();
          }
          pair.close();
          lives.forEach((frames, generation) => {
            const of = arrived.filter((number) => Math.floor(number / 1_000) === generation);
            expect(of).toEqual(range(generation * 1_000, generation * 1_000 + of.length));
            if (generation === lives.length - 1) expect(of.length).toBe(frames.length);
          });
          expect(arrived).toEqual([...arrived].sort((a, b) => a - b));
        }),
        { numRuns: 150 },
      );
    });
  });

  function wasRung(pair: Pair): boolean {
    const control = new Int32Array(pair.shared.control);
    return [0, 1].some((party) => control[pair.layout.doorbellWord(party)] === 0);
  }
}
