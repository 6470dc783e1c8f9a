import { join } from 'node:path';
import { HybridClock } from '../messaging/hybrid-clock.js';
import { TICKS_PER_MS } from '../base/time.js';
import { readSealed, replaceSealed, writeSealed } from './durable-file.js';

export const CLOCK_FILE = 'clock.json';
const FORMAT = 1;
const EVERY_MS = 10_000;

interface ClockFile {
  readonly format: number;
  /** Hybrid time (base/time.ts). */
  readonly time: number;
}

/**
 * Keeps the hybrid clock ahead of every time that is stored, also when the time of day was set
 * back between two starts: the clock is written down every ten seconds, and a start sets it to
 * what was written plus what may have been given out since. A start writes it down too, before it gives out
 * any: of several that end within ten seconds each begins above the one before.
 */
export class ClockMark {
  private readonly path: string;
  private readonly clock: HybridClock;
  private readonly timer: NodeJS.Timeout;
  private written = 0;
  private writing = false;

  constructor(directory: string, control: SharedArrayBuffer) {
    this.path = join(directory, CLOCK_FILE);
    this.clock = new HybridClock(control, () => Date.now());
    const found = readSealed<ClockFile>(this.path, FORMAT);
    // Only where the time of day has not passed the mark by itself: else it needs no help.
    const least = found.kind === 'ok' ? found.value.time + 2 * EVERY_MS * TICKS_PER_MS : 0;
    const wall = Date.now() * TICKS_PER_MS;
    if (wall < least) this.clock.observe(least);
    this.begin(Math.max(wall, least));
    this.timer = setInterval(() => void this.write(), EVERY_MS);
    this.timer.unref();
  }

  private begin(time: number): void {
    try {
      writeSealed(this.path, fileOf(time));
      this.written = time;
    } catch {
      // As in a round: the journals cannot take anything that would get a time either.
    }
  }

  private async write(): Promise<void> {
    const time = this.clock.last();
    if (this.writing || time <= this.written) return;
    this.writing = true;
    try {
      await replaceSealed(this.path, fileOf(time));
      this.written = time;
    } catch {
      // A full or failing disk shows in the journals first; the next round tries again.
    } finally {
      this.writing = false;
    }
  }

  stop(): void {
    clearInterval(this.timer);
    const time = this.clock.last();
    if (time > this.written) writeSealed(this.path, fileOf(time));
  }
}

/** For a new store that gets values of another one: its times begin above. @throws RingletError IO, STORE_FULL */
export function writeClockMark(directory: string, time: number): void {
  writeSealed(join(directory, CLOCK_FILE), fileOf(time));
}

function fileOf(time: number): ClockFile {
  return { format: FORMAT, time };
}
