import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { bounded, inBatches } from '../../src/client/bounded.js';

test('so many calls are under way and no more; results come in the order of the list', async () => {
  let under = 0;
  let most = 0;
  const doubled = await bounded([5, 4, 3, 2, 1], 2, async (n) => {
    most = Math.max(most, ++under);
    for (let i = 0; i < n; i++) await nextTurn();
    under--;
    return n * 2;
  });
  expect([doubled, most]).toEqual([[10, 8, 6, 4, 2], 2]);
});

test('what weighs too much together waits, a single heavy one does not, and all are done', async () => {
  let under = 0;
  const seen: number[] = [];
  const of = (n: number): number => n;
  const list = [3, 3, 3, 20, 1, 1, 1, 1, 0, 7, 30];
  const results = await bounded(
    list,
    8,
    async (n) => {
      seen.push((under += n));
      for (let i = 0; i <= n; i++) await nextTurn();
      under -= n;
      return n;
    },
    { of, most: 6 },
  );
  expect(results).toEqual(list);
  expect(seen.every((together) => together <= 6 || list.includes(together))).toBe(true);
  // The light ones go on side by side once the heavy one is done.
  expect(seen).toContain(4);
});

test('after a failure nobody waits for room any more', async () => {
  const begun: number[] = [];
  const fail = async (i: number): Promise<void> => {
    begun.push(i);
    await nextTurn();
    throw new Error('one');
  };
  await expect(bounded([1, 2, 3, 4], 4, fail, { of: () => 1, most: 1 })).rejects.toThrow('one');
  expect(begun).toEqual([1]);
});

test('after a failure those under way end, and no further one begins', async () => {
  const begun: number[] = [];
  const list = Array.from({ length: 1_000 }, (_, i) => i);
  const work = bounded(list, 4, async (i) => {
    begun.push(i);
    await nextTurn();
    if (i === 5) throw new Error('five');
  });
  await expect(work).rejects.toThrow('five');
  for (let i = 0; i < 5; i++) await nextTurn();
  expect(begun.length).toBeLessThan(13);
});

test('what comes one by one is done in batches, the last one too', async () => {
  const done: string[] = [];
  async function* letters(): AsyncGenerator<string> {
    yield* 'abcde';
    done.push('end of the list');
  }
  await inBatches(letters(), 2, async (letter) => void done.push(letter));
  expect(done).toEqual(['a', 'b', 'c', 'd', 'end of the list', 'e']);
});

test('a failure ends the list, which is told so', async () => {
  let ended = false;
  async function* endless(): AsyncGenerator<number> {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      ended = true;
    }
  }
  const work = inBatches(endless(), 3, () => Promise.reject(new Error('no')));
  await expect(work).rejects.toThrow('no');
  expect(ended).toBe(true);
});
