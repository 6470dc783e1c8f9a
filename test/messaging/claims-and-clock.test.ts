import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import fc from '../properties.js';
import { describe, expect, test } from 'vitest';
import { TICKS_PER_MS } from '../../src/base/time.js';
import { Claims, requestNumber, slotOf, SLOTS } from '../../src/messaging/claims.js';
import { HybridClock } from '../../src/messaging/hybrid-clock.js';
import { allocateShared, SharedLayout, type SharedBuffers } from '../../src/messaging/layout.js';
import type { RaceReport, RaceTask } from './race-worker.js';

const SLOTS_PER_ROUND = 1_024;

function shared(): SharedBuffers {
  return allocateShared({
    vnodes: 1,
    callers: 2,
    claimsPerCaller: SLOTS,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
}

async function race(kind: RaceTask['race'], threads: number, rounds: number): Promise<RaceReport[]> {
  const common = {
    race: kind,
    shared: shared(),
    threads,
    rounds,
    board: new SharedArrayBuffer((2 + SLOTS_PER_ROUND) * 4),
  };
  return Promise.all(
    Array.from({ length: threads }, async (_, thread) => {
      const url = new URL('../../dist/test/messaging/race-worker.js', import.meta.url);
      const worker = new Worker(url, { workerData: { ...common, thread } satisfies RaceTask });
      const [report] = (await once(worker, 'message')) as [RaceReport];
      return report;
    }),
  );
}

function claimsOf(buffers = shared()): { claims: Claims; control: Int32Array; layout: SharedLayout } {
  const layout = new SharedLayout(buffers.shape);
  const control = new Int32Array(buffers.control);
  return { claims: new Claims(control, layout), control, layout };
}

describe('claim words', () => {
  test('of threads that race for a put and a caller that cancels it exactly one wins', async () => {
    const rounds = 60;
    const won = [0, 0, 0];
    // Where one of them is never in time, it was no race yet.
    while (won.includes(0)) {
      const reports = await race('claims', won.length, rounds);
      const winners = reports.flat();
      expect(winners.filter((late) => late < 0)).toEqual([]);
      expect(new Set(winners).size).toBe(winners.length);
      expect(winners.length).toBe(rounds * SLOTS_PER_ROUND);
      reports.forEach(({ length }, thread) => (won[thread]! += length));
    }
  });

  test('a put is claimed once, never after its cancel, and not under an earlier use of its slot', () => {
    const { claims } = claimsOf();
    const first = claims.open(0, 7);
    expect(claims.claim(1, first)).toBe(false);
    expect(claims.claim(0, first)).toBe(true);
    expect(claims.claim(0, first)).toBe(false);
    expect(claims.cancel(0, first)).toBe(false);
    const second = claims.open(0, 7);
    expect(claims.claim(0, first)).toBe(false);
    expect(claims.cancel(0, second)).toBe(true);
    expect(claims.claim(0, second)).toBe(false);
  });

  test('against a model of one slot, any order of calls', () => {
    const call = fc.tuple(fc.constantFrom('open', 'claim', 'cancel'), fc.nat(5));
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const { claims } = claimsOf();
        const requests: number[] = [];
        let pending = false;
        for (const [what, back] of calls) {
          if (what === 'open') {
            requests.push(claims.open(0, 3));
            pending = true;
            continue;
          }
          const request = requests.at(-1 - back);
          if (request === undefined) continue;
          const wins = back === 0 && pending;
          expect(what === 'claim' ? claims.claim(0, request) : claims.cancel(0, request)).toBe(wins);
          if (wins) pending = false;
        }
      }),
    );
  });

  test('uses of a slot are counted round; numbers keep slot and use apart', () => {
    const { claims, control, layout } = claimsOf();
    const word = layout.claimWord(1, SLOTS - 1);
    control[word] = ((1 << 20) - 2) << 2;
    const last = claims.open(1, SLOTS - 1);
    expect(last).toBe(requestNumber(SLOTS - 1, (1 << 20) - 1));
    expect(last).toBe(2 ** 32 - 1);
    expect(slotOf(last)).toBe(SLOTS - 1);
    expect(claims.claim(1, last)).toBe(true);
    const first = claims.open(1, SLOTS - 1);
    expect(first).toBe(SLOTS - 1);
    expect(claims.claim(1, last)).toBe(false);
    expect(claims.claim(1, first)).toBe(true);
  });

  test.each([-1, 2, 1_000_000, -(2 ** 31)])(
    'a damaged frame that names caller %d claims nothing',
    (caller) => {
      const { claims, control } = claimsOf();
      const request = claims.open(0, 0);
      const before = control.slice();
      expect(claims.claim(caller, request)).toBe(false);
      expect(Buffer.compare(Buffer.from(control.buffer), Buffer.from(before.buffer))).toBe(0);
    },
  );
});

describe('the hybrid clock', () => {
  test('ticks of racing threads are unique and rise in each of them, while their times of day jump about', async () => {
    const reports = await race('clock', 3, 30_000);
    const all = new Set<number>();
    for (const ticks of reports) {
      expect(ticks.every((tick, i) => i === 0 || tick > ticks[i - 1]!)).toBe(true);
      for (const tick of ticks) all.add(tick);
    }
    expect(all.size).toBe(3 * 30_000);
  });

  test('rises over any jumps of the time of day and of observed times, and follows it forwards', () => {
    const step = fc.tuple(fc.constantFrom('tick', 'wall', 'observe'), fc.integer({ min: 0, max: 4e12 }));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let wall = 1_700_000_000_000;
        let least = 0;
        const clock = new HybridClock(shared().control, () => wall + 0.75);
        for (const [what, to] of steps) {
          if (what === 'wall') wall = to;
          else if (what === 'observe') {
            clock.observe(to * TICKS_PER_MS + 3);
            least = Math.max(least, to * TICKS_PER_MS + 3);
          } else {
            const tick = clock.tick();
            expect(tick).toBe(Math.max(least + 1, wall * TICKS_PER_MS));
            expect(Number.isSafeInteger(tick)).toBe(true);
            least = tick;
          }
          expect(clock.last()).toBe(least);
        }
      }),
    );
  });
});
