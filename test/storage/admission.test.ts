import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { Admission, type Work } from '../../src/storage/admission.js';
import { LatencyWindow } from '../../src/storage/latency-window.js';

const WINDOW = LIMITS.admissionWindowMs;
const SLOW = LIMITS.foregroundP99Ms * 4;
const FAST = LIMITS.foregroundP99Ms / 4;

/** A thread in which nothing takes time but slices. */
class Thread {
  nowMs = 0;
  readonly admission = new Admission(() => this.nowMs);
  /** Milliseconds that each kind of work got. */
  readonly got = new Map<Work, number>();

  ask(work: Work, takesMs: number): boolean {
    return this.admission.slice(work, this.nowMs, () => {
      this.nowMs += takesMs;
      this.got.set(work, (this.got.get(work) ?? 0) + takesMs);
    });
  }

  /** Windows in which every request took so long. */
  windows(count: number, requestMs: number | undefined): void {
    for (let i = 0; i < count; i++) {
      if (requestMs !== undefined) this.admission.waited(requestMs);
      this.nowMs += WINDOW;
      this.admission.turn(this.nowMs);
    }
  }
}

describe('admission of background work (§6.5)', () => {
  it('halves its share while requests are slower than the target, down to a floor, and lets it grow again', () => {
    const thread = new Thread();
    thread.windows(1, FAST);
    expect(thread.admission.share).toBe(1);
    thread.windows(2, SLOW);
    expect(thread.admission.share).toBe(0.25);
    expect(thread.admission.foregroundP99Ms).toBeGreaterThan(LIMITS.foregroundP99Ms);
    thread.windows(20, SLOW);
    expect(thread.admission.share).toBe(LIMITS.backgroundShare);
    thread.windows(2, FAST);
    expect(thread.admission.share).toBeCloseTo(LIMITS.backgroundShare * 1.25 ** 2);
    thread.windows(20, FAST);
    expect(thread.admission.share).toBe(1);
  });

  it('gives it everything at once when nobody asks for anything', () => {
    const thread = new Thread();
    thread.windows(20, SLOW);
    thread.windows(1, undefined);
    expect(thread.admission.share).toBe(1);
  });

  it('does not judge by one slow request among more than a hundred', () => {
    const thread = new Thread();
    thread.windows(1, FAST);
    for (let i = 0; i < 200; i++) thread.admission.waited(FAST);
    thread.windows(1, SLOW);
    expect(thread.admission.share).toBe(1);
  });

  it('takes no more of the time than its share, whatever slices last, and no less while it asks', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 3 }),
        fc.array(fc.double({ min: 0.05, max: 3, noNaN: true }), { minLength: 50, maxLength: 200 }),
        (slowWindows, slices) => {
          const thread = new Thread();
          thread.windows(slowWindows, SLOW);
          const { share } = thread.admission;
          const began = thread.nowMs;
          for (const takesMs of slices) {
            while (!thread.ask('engine', takesMs)) {
              expect(thread.admission.nextMs).toBeGreaterThan(thread.nowMs);
              thread.nowMs = thread.admission.nextMs;
            }
          }
          const took = thread.got.get('engine')!;
          const untilMs = Math.max(thread.nowMs, thread.admission.nextMs);
          expect(took / (untilMs - began)).toBeCloseTo(share, 6);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('lets each kind have its turn, whoever asks first in a turn', () => {
    const thread = new Thread();
    thread.windows(1, SLOW);
    const kinds: Work[] = ['engine', 'handoff', 'trees'];
    for (let turn = 0; turn < 3_000; turn++) {
      for (const kind of kinds) thread.ask(kind, 1);
      thread.nowMs += 0.5;
    }
    const got = kinds.map((kind) => thread.got.get(kind) ?? 0);
    expect(Math.max(...got) - Math.min(...got)).toBeLessThanOrEqual(2);
  });

  it('waits for nobody who was refused and has nothing to do any more', () => {
    const thread = new Thread();
    expect(thread.ask('engine', 1)).toBe(true);
    thread.nowMs -= 0.5;
    expect(thread.ask('trees', 1)).toBe(false);
    thread.nowMs += 1;
    expect(thread.ask('engine', 1)).toBe(false);
    thread.nowMs += 1_000;
    expect(thread.ask('engine', 1)).toBe(true);
  });
});

it('quantiles of a window are bounds, at most a fifth above the true ones', () => {
  fc.assert(
    fc.property(
      fc.array(fc.double({ min: 0.011, max: 10_000, noNaN: true }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (samples, q) => {
        const window = new LatencyWindow();
        for (const ms of samples) window.add(ms);
        const sorted = [...samples].sort((a, b) => a - b);
        const exact = sorted[Math.ceil(q * sorted.length) - 1]!;
        expect(window.quantile(q)).toBeGreaterThanOrEqual(exact * 0.999_999);
        expect(window.quantile(q)).toBeLessThanOrEqual(exact * 1.2);
        window.clear();
        expect(window.quantile(q)).toBe(0);
      },
    ),
  );
});
