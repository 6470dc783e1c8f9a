import type { HeatReport, HeatStep } from '../cases/case.js';
import { nowMs } from './clock.js';
import { operate } from './mixed-loop.js';
import { hasStoppedRising, LEAST_WINDOWS } from './rising.js';
import type { Workload } from './workload.js';
import type { Target } from '../targets/target.js';

/** Operations by their shares, with a fixed number in flight, until their rate stops rising or the time is over. */
export async function runHeating(target: Target, workload: Workload, step: HeatStep): Promise<HeatReport> {
  const beganMs = nowMs();
  const windows = new Windows(step, beganMs);
  const lane = async (): Promise<void> => {
    while (!windows.isOver) {
      await operate(target, workload, step.mix);
      windows.count(nowMs());
    }
  };
  await Promise.all(Array.from({ length: step.inFlight }, lane));
  return { seconds: (nowMs() - beganMs) / 1_000, steady: windows.isSteady };
}

/** Rates of windows that are as long as asked for, or until the next operation ends. */
class Windows {
  readonly #windowMs: number;
  readonly #untilMs: number;
  readonly #rates: number[] = [];
  #fromMs: number;
  #operations = 0;
  isSteady = false;
  isOver = false;

  constructor({ leastSeconds, mostSeconds }: HeatStep, beganMs: number) {
    this.#windowMs = (leastSeconds * 1_000) / LEAST_WINDOWS;
    this.#untilMs = beganMs + mostSeconds * 1_000;
    this.#fromMs = beganMs;
  }

  count(atMs: number): void {
    this.#operations++;
    if (atMs - this.#fromMs < this.#windowMs || this.isOver) return;
    this.#rates.push(this.#operations / (atMs - this.#fromMs));
    this.#fromMs = atMs;
    this.#operations = 0;
    this.isSteady = hasStoppedRising(this.#rates);
    this.isOver = this.isSteady || atMs >= this.#untilMs;
  }
}
