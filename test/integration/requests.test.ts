import { describe, expect, test } from 'vitest';
import { ENGINES, failure, openSmall, text } from './support.js';

describe.each(ENGINES)('the life of a request (%s)', (engine) => {
  test('a signal that has fired refuses everything and nothing is written', async () => {
    const store = await openSmall(engine);
    const signal = AbortSignal.abort();
    const requests = [
      () => store.get('k', { signal }),
      () => store.put('k', 'v', { signal }),
      () => store.delete('k', { signal }),
      () => store.increment('k', 1, { signal }),
    ];
    for (const request of requests) {
      expect(await failure(request())).toMatchObject({
        code: 'ABORTED',
        maybeApplied: false,
        retryable: true,
      });
    }
    expect((await store.get('k')).context).toBeUndefined();
  });

  test('a put that was aborted or timed out with maybeApplied = false is never seen, whenever the signal fires', async () => {
    const store = await openSmall(engine);
    await store.put('warm', 'up');
    const ends = { done: 0, never: 0, maybe: 0 };
    const never: string[] = [];
    const value = new Uint8Array(20_000);
    await Promise.all(
      Array.from({ length: 600 }, async (_, i) => {
        const controller = new AbortController();
        const timed = i % 3 === 0;
        const put = store.put(
          `k${i}`,
          value,
          timed ? { timeoutMs: 1 + (i % 40) } : { signal: controller.signal },
        );
        if (i % 6 === 1) controller.abort();
        else if (i % 6 === 2) queueMicrotask(() => controller.abort());
        else if (!timed) setTimeout(() => controller.abort(), i % 60);
        try {
          await put;
          ends.done++;
        } catch (error) {
          const { code, maybeApplied } = error as { code: string; maybeApplied: boolean };
          expect(['ABORTED', 'TIMEOUT', 'QUORUM_NOT_MET']).toContain(code);
          ends[maybeApplied ? 'maybe' : 'never']++;
          if (!maybeApplied) never.push(`k${i}`);
        }
      }),
    );
    expect(ends.never).toBeGreaterThan(100);
    // The ways are first in, first out: what is acknowledged by all owners came after every frame above.
    await Promise.all(Array.from({ length: 300 }, (_, i) => store.put(`barrier-${i}`, 'x', { w: 'all' })));
    for (const key of never) expect((await store.get(key, { r: 'all' })).context, key).toBeUndefined();
  });

  test('many requests may share one signal, and it keeps no listeners of those that are done', async () => {
    const store = await openSmall(engine);
    const warnings: string[] = [];
    const note = ({ name }: Error): void => void warnings.push(name);
    process.on('warning', note);
    const { signal } = new AbortController();
    for (let round = 0; round < 5; round++)
      await Promise.all(Array.from({ length: 200 }, (_, i) => store.put(`k${i}`, 'v', { signal })));
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  test('a thread that sends more than fits is told OVERLOADED at once, and everything else is done', async () => {
    const store = await openSmall(engine, { nodes: 1, memoryMiB: 64 });
    const value = new Uint8Array(1 << 20);
    await store.put('k', 'x');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) =>
        store.put(`k${i % 4}`, value, {
          timeoutMs: 60_000,
          ...(i % 2 === 0 ? {} : { signal: new AbortController().signal }),
        }),
      ),
    );
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected')
        expect(outcome.reason).toMatchObject({
          code: expect.stringMatching(/^(OVERLOADED|TOO_MANY_SIBLINGS)$/) as string,
          maybeApplied: false,
        });
    }
    expect(
      outcomes.some(
        (outcome) =>
          outcome.status === 'rejected' && (outcome.reason as { code: string }).code === 'OVERLOADED',
      ),
    ).toBe(true);
    const small = await Promise.allSettled(
      Array.from({ length: 5_000 }, (_, i) => store.put(`small${i}`, 'x', { timeoutMs: 60_000 })),
    );
    const refused = small.filter((outcome) => outcome.status === 'rejected');
    expect(refused.length).toBe(5_000 - 4_096);
    for (const { reason } of refused)
      expect(reason).toMatchObject({ code: 'OVERLOADED', details: { limit: 4_096 } });
    await store.put('after', 'x');
  });

  test('the timeline names who was asked, who answered, in order, and ends with done', async () => {
    const store = await openSmall(engine);
    await store.put('warm', 'up');
    // Every owner has it, and whoever reads need ask nobody.
    const put = await store.put('k', 'v', { w: 'all', timeline: true });
    // One that nobody had begun when a stall of the machine was over was sent once more.
    const events = put.timeline!.map(({ event }) => event).join(' ');
    expect(events).toMatch(/^(sent retried )*sent answered done$/);
    expect(put.timeline![0]!.vnode).toMatch(/^n[123]\.0$/);
    const hit = await store.get('k', { timeline: true });
    expect(hit.timeline!.map(({ event }) => event)).toEqual(['direct-read', 'direct-read', 'done']);
    const miss = await store.get('absent', { timeline: true });
    expect(miss.timeline!.filter(({ event }) => event === 'answered')).toHaveLength(2);
    for (const { timeline } of [put, hit, miss]) {
      const times = timeline!.map(({ atUs }) => atUs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times.every((atUs) => Number.isInteger(atUs) && atUs >= 0)).toBe(true);
    }
    expect((await store.get('k')).timeline).toBeUndefined();
  });
});

// Direct reads know no engine.
test.each([
  'a plain value',
  'a value with its own content type',
  'siblings',
  'a counter',
  'a bucket that does not exist',
])('during a long run of immediate gets of %s due timers fire', async (what) => {
  const store = await openSmall('memory');
  await store.put('a plain value', 'v');
  await store.put('a value with its own content type', 'v', { contentType: 'application/x-own' });
  await Promise.all([store.put('siblings', 'a'), store.put('siblings', 'b')]);
  await store.increment('a counter');
  const bucket = what === 'a bucket that does not exist' ? store.bucket('missing') : store;
  const turns = { fired: 0 };
  const timer = setInterval(() => turns.fired++, 5);
  const untilMs = performance.now() + 20_000;
  const gets = what === 'a plain value' ? 100_000 : 0;
  for (let i = 0; i < gets || (turns.fired < 5 && performance.now() < untilMs); i++) await bucket.get(what);
  clearInterval(timer);
  // Not one would, however long it lasts, if the answers never yielded to the event loop.
  expect(turns.fired).toBeGreaterThan(0);
  expect(text((await store.get('a plain value')).value)).toBe('v');
});
