import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, test } from 'vitest';
import { SharedLayout } from '../../src/messaging/layout.js';
import { openPorts } from '../../src/messaging/port-endpoint.js';
import { sharedPair } from './pairs.js';
import type { TakeoverTask } from './takeover-worker.js';
import type { TrafficReport, TrafficTask } from './traffic-worker.js';

/** `.ts` workers do not load on Node 20: these are compiled by `npm run build`. */
function start(
  name: string,
  data: TrafficTask | TakeoverTask,
  transferList: readonly unknown[] = [],
): Worker {
  const url = new URL(`../../dist/test/messaging/${name}.js`, import.meta.url);
  return new Worker(url, { workerData: data, transferList: transferList as never });
}

const LONG = process.env['RINGLET_LONG'] !== undefined;

type Case = Omit<TrafficTask, 'shared' | 'party' | 'ports'> & {
  readonly name: string;
  readonly over: 'rings' | 'ports';
  readonly ringBytes: number;
  /** Sleeps of each party that must have happened, or the case tests nothing; where nothing but the
   *  scheduler of the machine brings them about, there need be none. */
  readonly leastSleeps: number;
};

const CASES: readonly Case[] = [
  {
    name: 'a million and a half small frames each way in long runs, as fast as they go',
    over: 'rings',
    ringBytes: 128 << 10,
    frames: LONG ? 1_500_000 : 300_000,
    maxBytes: 64,
    ahead: 1e9,
    sleep: 'block',
    leastSleeps: 0,
  },
  {
    name: 'half a million small frames each way in long runs, 64 ahead, on the event loop',
    over: 'rings',
    ringBytes: 128 << 10,
    frames: LONG ? 500_000 : 200_000,
    maxBytes: 64,
    ahead: 64,
    sleep: 'event loop',
    leastSleeps: 100,
  },
  {
    name: '100,000 small frames each way, 4 ahead, sleeping both ways',
    over: 'rings',
    ringBytes: 4_096,
    frames: 100_000,
    maxBytes: 64,
    ahead: 4,
    sleep: 'both',
    leastSleeps: 1_000,
  },
  {
    name: '20,000 frames each way of up to 20 kB through rings of 4 kB',
    over: 'rings',
    ringBytes: 4_096,
    frames: 20_000,
    maxBytes: 20_000,
    ahead: 1e9,
    sleep: 'both',
    leastSleeps: 100,
  },
  {
    name: '200,000 small frames each way, 64 ahead',
    over: 'ports',
    ringBytes: 4_096,
    frames: 200_000,
    maxBytes: 64,
    ahead: 64,
    sleep: 'both',
    leastSleeps: 100,
  },
  {
    name: '20,000 frames each way of up to 100 kB',
    over: 'ports',
    ringBytes: 4_096,
    frames: 20_000,
    maxBytes: 100_000,
    ahead: 1e9,
    sleep: 'both',
    leastSleeps: 0,
  },
];

describe('two threads that sleep and wake each other', () => {
  test.each(CASES)(
    '$over: $name: nothing is lost, moved or doubled, and no wake-up is missed',
    async (one) => {
      const { over, ringBytes, leastSleeps, name: _, ...traffic } = one;
      const shared = sharedPair(ringBytes);
      const links = over === 'ports' ? openPorts(new SharedLayout(shared.shape)) : undefined;
      const reports = await Promise.all(
        ([0, 1] as const).map(async (party) => {
          const ports = links?.[party];
          const worker = start('traffic-worker', { ...traffic, shared, party, ...(ports && { ports }) }, [
            ...(ports?.values() ?? []),
          ]);
          const [[report]] = (await Promise.all([once(worker, 'message'), once(worker, 'exit')])) as [
            [TrafficReport],
            unknown,
          ];
          return report;
        }),
      );
      for (const { sleeps, ...report } of reports) {
        expect(report).toEqual({ received: traffic.frames, timeouts: 0, missed: 0 });
        expect(sleeps).toBeGreaterThanOrEqual(leastSleeps);
      }
    },
  );
});

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}

describe('threads that are terminated while they send and receive', () => {
  const KILLS = 12;
  const PER_LIFE = 20_000;

  async function scenario(
    mortal: 0 | 1,
    lives: readonly { first: number; until: number }[],
  ): Promise<Int32Array> {
    const shared = sharedPair();
    const total = lives.at(-1)!.until;
    const taken = new SharedArrayBuffer(total * 4);
    const progress = new SharedArrayBuffer(12);
    const moves = new Int32Array(progress);
    const common = { shared, taken, progress };
    const counts = new Int32Array(taken);
    const other = start('takeover-worker', {
      ...common,
      party: mortal === 0 ? 1 : 0,
      first: 0,
      until: total,
    });
    for (const [i, { first, until }] of lives.entries()) {
      const before = Atomics.load(moves, mortal);
      const worker = start('takeover-worker', { ...common, party: mortal, first, until });
      while (Atomics.load(moves, mortal) === before) await pause(1);
      // All but the last are terminated at no particular instruction.
      if (i < lives.length - 1) await pause((i * 7) % 11);
      else while (Atomics.load(counts, total - 1) === 0 && moves[2] === 0) await pause(5);
      await worker.terminate();
    }
    await other.terminate();
    expect(moves[2]).toBe(0);
    return counts;
  }

  test('a receiver: what it was handling is lost at most, everything else arrives once', async () => {
    const taken = await scenario(
      1,
      Array.from({ length: KILLS }, () => ({ first: 0, until: KILLS * PER_LIFE })),
    );
    expect(taken.filter((times) => times > 1).length).toBe(0);
    expect(taken.filter((times) => times === 0).length).toBeLessThan(KILLS);
  });

  test('a sender: what arrives of each life is a prefix, and nothing is doubled', async () => {
    const lives = Array.from({ length: KILLS }, (_, i) => ({
      first: i * PER_LIFE,
      until: (i + 1) * PER_LIFE,
    }));
    const taken = await scenario(0, lives);
    expect(taken.filter((times) => times > 1).length).toBe(0);
    for (const { first, until } of lives) {
      const times = taken.subarray(first, until);
      const end = times.indexOf(0) === -1 ? times.length : times.indexOf(0);
      expect(times.subarray(end).every((count) => count === 0)).toBe(true);
    }
    expect(taken.at(-1)).toBe(1);
  });
});
