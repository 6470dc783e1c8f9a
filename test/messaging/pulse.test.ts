import { expect, test } from 'vitest';
import { Pulse } from '../../src/messaging/pulse.js';

const LIMITS = { floorMs: 500, ceilingMs: 10_000 };

/** Asks every second; each answer takes `delayMs`. */
function answer(pulse: Pulse, delayMs: number, times: number, fromMs: number): number {
  let nowMs = fromMs;
  for (let i = 0; i < times; i++, nowMs += Math.max(1_000, delayMs)) {
    pulse.asked(nowMs);
    pulse.judge(nowMs + delayMs);
    pulse.heard(nowMs + delayMs);
  }
  return nowMs;
}

test('silence counts only behind a question, and only longer than the usual delay and the floor', () => {
  const pulse = new Pulse(LIMITS, 0);
  expect(pulse.judge(60_000)).toBe(false);
  pulse.asked(60_000);
  expect([pulse.judge(60_499), pulse.judge(60_500)]).toEqual([false, true]);
  pulse.asked(70_000);
  expect(pulse.judge(70_000)).toBe(true);
  pulse.heard(70_001);
  expect(pulse.judge(70_002)).toBe(false);
});

test('the limit follows the observed delay up and, slower, down again', () => {
  const pulse = new Pulse(LIMITS, 0);
  let nowMs = answer(pulse, 2, 100, 1_000);
  expect(pulse.limitMs).toBeLessThan(510);
  nowMs = answer(pulse, 400, 100, nowMs);
  expect(pulse.limitMs).toBeGreaterThan(890);
  nowMs = answer(pulse, 2, 200, nowMs);
  expect(pulse.limitMs).toBeLessThan(510);
});

test('a delay above the floor is suspected at first and not any more once it is known', () => {
  const pulse = new Pulse(LIMITS, 0);
  let suspicions = 0;
  for (let nowMs = 1_000; nowMs < 101_000; nowMs += 1_000) {
    pulse.asked(nowMs);
    if (pulse.judge(nowMs + 900)) suspicions++;
    pulse.heard(nowMs + 900);
  }
  expect(suspicions).toBeGreaterThan(0);
  expect(suspicions).toBeLessThan(5);
});

test('an outage of any length about doubles the limit, and a ceiling holds', () => {
  const pulse = new Pulse(LIMITS, 0);
  pulse.asked(1_000);
  pulse.judge(2_000);
  pulse.heard(3_600_000);
  expect(pulse.limitMs).toBeLessThan(1_100);
  for (let i = 1; i < 200; i++) {
    pulse.asked(i * 1e7);
    pulse.heard(i * 1e7 + 1e6);
  }
  expect(pulse.limitMs).toBe(10_000);
});

test('a period that is granted anew begins anew, but nobody who is suspected already is cleared', () => {
  const pulse = new Pulse(LIMITS, 0);
  pulse.asked(1_000);
  pulse.grant(20_000);
  expect([pulse.judge(20_499), pulse.judge(20_500)]).toEqual([false, true]);
  pulse.grant(30_000);
  expect(pulse.judge(30_001)).toBe(true);
  pulse.forget(30_002);
  expect(pulse.judge(90_000)).toBe(false);
});
