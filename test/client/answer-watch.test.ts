import { describe, expect, test } from 'vitest';
import { AnswerWatch } from '../../src/client/answer-watch.js';

/** Waits one after the other, each as long as its way takes; how each began: true by looking. */
function waits(watch: AnswerWatch, count: number, took: { lookMs: number; sleepMs: number }): boolean[] {
  let nowMs = 1;
  return Array.from({ length: count }, () => {
    const looks = watch.begin(1, nowMs);
    nowMs += looks ? took.lookMs : took.sleepMs;
    watch.goOn(nowMs);
    watch.answered(nowMs);
    return looks;
  });
}

const share = (list: readonly boolean[]): number => list.filter(Boolean).length / list.length;

describe('a caller that waits for an answer', () => {
  test('looks for 250 µs at the longest, and no longer once it is there', () => {
    const watch = new AnswerWatch();
    expect(watch.begin(1, 10)).toBe(true);
    expect(watch.goOn(10.24)).toBe(true);
    expect(watch.goOn(10.26)).toBe(false);
    expect(watch.begin(1, 20)).toBe(true);
    watch.answered(20.01);
    expect(watch.goOn(20.02)).toBe(false);
  });

  test('with five requests in flight it sleeps', () => {
    expect(new AnswerWatch().begin(4, 1)).toBe(true);
    expect(new AnswerWatch().begin(5, 1)).toBe(false);
  });

  test.each([
    { what: 'a quick machine', lookMs: 0.012, sleepMs: 0.06 },
    { what: 'a machine whose threads wake up slowly', lookMs: 0.12, sleepMs: 0.25 },
  ])('goes on looking where answers come sooner by it: $what', (took) => {
    const watch = new AnswerWatch();
    waits(watch, 100, took);
    expect(share(waits(watch, 10_000, took))).toBeGreaterThan(0.99);
  });

  test.each([
    { what: 'whoever works on the answer needs the core', lookMs: 0.3, sleepMs: 0.2 },
    { what: 'it is hardly sooner', lookMs: 0.18, sleepMs: 0.2 },
  ])('sleeps where they do not: $what', (took) => {
    const watch = new AnswerWatch();
    waits(watch, 200, took);
    expect(share(waits(watch, 10_000, took))).toBeLessThan(0.01);
  });

  test('follows a change either way', () => {
    const watch = new AnswerWatch();
    waits(watch, 5_000, { lookMs: 0.02, sleepMs: 0.1 });
    waits(watch, 10_000, { lookMs: 0.5, sleepMs: 0.1 });
    expect(share(waits(watch, 1_000, { lookMs: 0.5, sleepMs: 0.1 }))).toBeLessThan(0.05);
    waits(watch, 10_000, { lookMs: 0.02, sleepMs: 0.1 });
    expect(share(waits(watch, 1_000, { lookMs: 0.02, sleepMs: 0.1 }))).toBeGreaterThan(0.95);
  });

  test('one stall of a second does not change its mind', () => {
    const watch = new AnswerWatch();
    waits(watch, 1_000, { lookMs: 0.02, sleepMs: 0.4 });
    waits(watch, 1, { lookMs: 1_000, sleepMs: 1_000 });
    expect(share(waits(watch, 500, { lookMs: 0.02, sleepMs: 0.4 }))).toBeGreaterThan(0.9);
  });
});
