import { describe, expect, test } from 'vitest';
import { ENGINES, failure, freshBuckets, text, texts } from './support.js';

const NEVER_WRITTEN = 'never-written';

describe.each(ENGINES)('conditions and contexts (%s)', (engine) => {
  const fresh = freshBuckets(engine);

  test('of 50 concurrent ifAbsent puts exactly one wins, round after round', async () => {
    const store = fresh();
    for (let round = 0; round < 20; round++) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 50 }, (_, i) => store.put(`k${round}`, `v${i}`, { ifAbsent: true })),
      );
      const winners = outcomes.flatMap(({ status }, i) => (status === 'fulfilled' ? [`v${i}`] : []));
      expect(winners).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected')
          expect(outcome.reason).toMatchObject({ code: 'CONDITION_FAILED', maybeApplied: false });
      }
      expect(texts(await store.get(`k${round}`, { r: 'all' }))).toEqual(winners);
    }
  });

  test('of 50 concurrent ifMatch puts on one context exactly one wins', async () => {
    const store = fresh();
    let { context } = await store.put('k', '0');
    for (let round = 1; round <= 20; round++) {
      const outcomes = await Promise.allSettled(
        Array.from({ length: 50 }, (_, i) => store.put('k', `${round}/${i}`, { ifMatch: context })),
      );
      const won = outcomes.filter(({ status }) => status === 'fulfilled');
      expect(won).toHaveLength(1);
      const now = await store.get('k', { r: 'all' });
      expect(now.siblings).toHaveLength(1);
      context = now.context!;
    }
  });

  test('ifMatch supersedes what it matches, so that a context beside it is the same or refused', async () => {
    const store = fresh();
    const { context: first } = await store.put('k', 'a');
    await store.put('k', 'b');
    const both = (await store.get('k')).context!;
    for (const write of [
      store.put('k', 'c', { context: first, ifMatch: both }),
      store.delete('k', { context: first, ifMatch: both }),
    ])
      expect(await failure(write)).toMatchObject({ code: 'BAD_REQUEST', maybeApplied: false });
    expect(texts(await store.get('k'))).toEqual(['a', 'b']);
    await store.put('k', 'c', { context: both.bytes, ifMatch: String(both) });
    expect(texts(await store.get('k'))).toEqual(['c']);
  });

  test('ifAbsent holds for a tombstone, ifMatch for siblings only with all of them', async () => {
    const store = fresh();
    const { context: first } = await store.put('k', 'a');
    await store.delete('k', { context: first });
    await store.put('k', 'b', { ifAbsent: true });
    expect(await failure(store.put('k', 'c', { ifAbsent: true }))).toMatchObject({
      code: 'CONDITION_FAILED',
    });
    expect(await failure(store.put('k', 'c', { ifMatch: first }))).toMatchObject({
      code: 'CONDITION_FAILED',
    });
    const one = await store.get('k');
    await store.put('k', 'sibling');
    expect(await failure(store.put('k', 'c', { ifMatch: one.context! }))).toMatchObject({
      code: 'CONDITION_FAILED',
    });
    const both = await store.get('k');
    expect(texts(both)).toEqual(['b', 'sibling']);
    await store.put('k', 'merged', { ifMatch: both.context! });
    await store.delete('k', { ifMatch: (await store.get('k')).context! });
    expect((await store.get('k')).found).toBe(false);
    expect(await failure(store.put('k', 'x', { ifAbsent: true, ifMatch: first }))).toMatchObject({
      code: 'BAD_REQUEST',
    });
  });

  test('a condition that fails is never applied in part: the key keeps value and context', async () => {
    const store = fresh();
    await store.put('k', 'v');
    const before = await store.get('k', { r: 'all' });
    await Promise.allSettled(
      Array.from({ length: 100 }, (_, i) => store.put('k', `x${i}`, { ifAbsent: true })),
    );
    const after = await store.get('k', { r: 'all' });
    expect([texts(after), String(after.context)]).toEqual([['v'], String(before.context)]);
  });

  test('a context works as object, string and bytes, and supersedes exactly what was seen', async () => {
    const store = fresh();
    for (const form of ['object', 'string', 'bytes', 'JSON'] as const) {
      await store.put(form, 'a');
      const { context } = await store.get(form);
      const passed = {
        object: context!,
        string: context!.toString(),
        bytes: context!.bytes,
        JSON: JSON.parse(JSON.stringify(context)) as string,
      };
      await store.put(form, 'unseen');
      await store.put(form, 'b', { context: passed[form] });
      expect(texts(await store.get(form, { r: 'all' })), form).toEqual(['b', 'unseen']);
    }
  });

  test('forged and damaged contexts are BAD_CONTEXT and nothing is written', async () => {
    const store = fresh();
    await store.put('k', 'v');
    const good = (await store.get('k')).context!.bytes;
    const forgeries: unknown[] = [
      '',
      '!',
      'AAAA',
      '%%%',
      new Uint8Array(0),
      new Uint8Array(20_000),
      Buffer.from('hello'),
      7,
      null,
      {},
      { bytes: 'x' },
      [],
    ];
    for (let i = 0; i < good.length; i++) {
      const flipped = Uint8Array.from(good);
      flipped[i]! ^= 1 << (i % 8);
      forgeries.push(flipped, good.subarray(0, i));
    }
    forgeries.push(Uint8Array.of(...good, 0));
    for (const forged of forgeries) {
      for (const options of [{ context: forged as string }, { ifMatch: forged as string }]) {
        expect(await failure(store.put('k', 'forged', options)), String(forged)).toMatchObject({
          code: 'BAD_CONTEXT',
        });
      }
    }
    expect(texts(await store.get('k', { r: 'all' }))).toEqual(['v']);
  });

  test("another key's context does no harm: what it did not see stays", async () => {
    const store = fresh();
    for (let i = 0; i < 20; i++)
      await store
        .put(NEVER_WRITTEN, `${i}`, { context: (await store.get(NEVER_WRITTEN)).context ?? 'x' })
        .catch(() => store.put(NEVER_WRITTEN, `${i}`));
    const { context } = await store.get(NEVER_WRITTEN);
    await store.put('k', 'mine', { context: context! });
    expect(texts(await store.get('k', { r: 'all' }))).toEqual(['mine']);
    await store.put('k', 'next', { context: (await store.get('k')).context! });
    expect(text((await store.get('k')).value)).toBe('next');
  });
});
