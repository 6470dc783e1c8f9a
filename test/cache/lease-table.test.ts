import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, test, vi } from 'vitest';
import { LeaseTable } from '../../src/messaging/lease-table.js';
import type { LeaseRace } from './lease-race-worker.js';

const NAME = { set: 5, tag: 77 };

test('a key has one lease; it is given up, extended, taken over at its end, or cleared with its caller', async () => {
  const table = new LeaseTable(LeaseTable.allocate());
  const lease = table.take(NAME, 0, 1_000, 1_100);
  expect(lease.taken).toBe(true);
  expect(table.take(NAME, 0, 1_000, 1_100).taken).toBe(false);
  expect(table.take(NAME, 255, 1_100, 1_200).taken).toBe(false);
  table.extend(lease, 1_200);
  expect(table.take(NAME, 255, 1_150, 1_300).taken).toBe(false);
  const over = table.take(NAME, 255, 1_201, 1_300);
  expect(over.taken).toBe(true);
  // It is another's now.
  table.giveUp(lease);
  expect(table.held).toBe(1);
  const inTheWay = table.take(NAME, 1, 1_202, 1_300);
  const waited = table.wait(inTheWay, 1_202, 60_000);
  table.clear(254);
  expect(table.held).toBe(1);
  table.clear(255);
  await waited;
  expect(table.held).toBe(0);
});

test('who met a lease while it was being taken does not wait for more than its deadline', async () => {
  const buffer = LeaseTable.allocate();
  const words = new Int32Array(buffer);
  const table = new LeaseTable(buffer);
  const { at, word } = table.take(NAME, 0, 1_000, 1_100);
  words[at] = word | 0x200;
  const inTheWay = table.take(NAME, 1, 1_000, 61_000);
  expect(inTheWay).toEqual({ taken: false, at, word: word | 0x200 });
  const waited = table.wait(inTheWay, 1_000, 60_000);
  // Nobody is told when it has been taken, nor when its holder hangs.
  words[at] = word;
  await waited;
});

test("who has lost its lease prolongs nobody else's", () => {
  const table = new LeaseTable(LeaseTable.allocate());
  const lost = table.take(NAME, 0, 1_000, 1_100);
  expect(table.take(NAME, 1, 1_101, 1_200).taken).toBe(true);
  table.extend(lost, 60_000);
  expect(table.take(NAME, 2, 1_201, 1_300).taken).toBe(true);
});

test('a deadline may pass the end of its 32 bits', () => {
  const table = new LeaseTable(LeaseTable.allocate());
  const nowMs = 2 ** 32 - 10;
  expect(table.take(NAME, 0, nowMs, nowMs + 100).taken).toBe(true);
  expect(table.take(NAME, 1, nowMs + 50, nowMs + 100).taken).toBe(false);
  expect(table.take(NAME, 1, nowMs + 150, nowMs + 200).taken).toBe(true);
});

test('in a full set the next key waits until one is given up', async () => {
  const table = new LeaseTable(LeaseTable.allocate());
  const taken = Array.from({ length: 16 }, (_, tag) => table.take({ set: 0, tag }, 0, 0, 60_000));
  expect(taken.every((lease) => lease.taken)).toBe(true);
  const inTheWay = table.take({ set: 0, tag: 99 }, 0, 0, 60_000);
  expect(inTheWay.taken).toBe(false);
  const waited = table.wait(inTheWay, 0, 60_000);
  for (const lease of taken) table.giveUp(lease);
  await waited;
  expect(table.take({ set: 0, tag: 99 }, 0, 0, 60_000).taken).toBe(true);
});

test('who finds that another one came first, in another place of the set, gives way', () => {
  const table = new LeaseTable(LeaseTable.allocate());
  const before = table.take({ set: NAME.set, tag: 1 }, 2, 0, 60_000);
  const exchange = Atomics.compareExchange;
  // Between the look of caller 0 and its own word the first place becomes free, and caller 1 takes it.
  vi.spyOn(Atomics, 'compareExchange').mockImplementationOnce(((
    words: Int32Array,
    at: number,
    a: number,
    b: number,
  ) => {
    table.giveUp(before);
    expect(table.take(NAME, 1, 0, 60_000).taken).toBe(true);
    return exchange(words, at, a, b);
  }) as typeof exchange);
  expect(table.take(NAME, 0, 0, 60_000)).toMatchObject({ taken: false, at: before.at });
  expect(table.held).toBe(1);
});

test('threads that race for the same keys never hold one together', async () => {
  const table = LeaseTable.allocate();
  const holders = new SharedArrayBuffer(64);
  const file = fileURLToPath(new URL('../../dist/test/cache/lease-race-worker.js', import.meta.url));
  const reports = await Promise.all(
    [0, 1, 2].map((caller) => {
      const race: LeaseRace = { table, holders, caller, rounds: 100_000, keys: 3 };
      return new Promise<{ taken: number; together: number }>((resolve, reject) => {
        new Worker(file, { workerData: race }).once('message', resolve).once('error', reject);
      });
    }),
  );
  expect(reports.map(({ together }) => together)).toEqual([0, 0, 0]);
  for (const { taken } of reports) expect(taken).toBeGreaterThan(100);
  expect(new LeaseTable(table).held).toBe(0);
});
