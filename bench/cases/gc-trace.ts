import type { GcPauses } from './case.js';

/** "[17:0x5…]  123 ms: Scavenge 4.0 (5.1) -> 3.5 (6.1) MB, 0.51 / 0.00 ms  (average …": the first of the two is the pause. */
const PAUSE = /ms: [A-Z][^,\n]*, (\d+(?:\.\d+)?) \/ \d/g;

/** Reads what V8 prints with `--trace-gc`, of all threads of a process; a performance observer sees only its own thread. */
export class GcTrace {
  #rest = '';
  #pauses = 0;
  #totalMs = 0;
  #longestMs = 0;

  read(text: string): void {
    const whole = this.#rest + text;
    const end = whole.lastIndexOf('\n') + 1;
    this.#rest = whole.slice(end);
    for (const [, pauseMs] of whole.slice(0, end).matchAll(PAUSE)) {
      this.#pauses++;
      this.#totalMs += Number(pauseMs);
      this.#longestMs = Math.max(this.#longestMs, Number(pauseMs));
    }
  }

  /** What came since the last call. */
  take(): GcPauses {
    const taken = { pauses: this.#pauses, totalMs: this.#totalMs, longestMs: this.#longestMs };
    this.#pauses = this.#totalMs = this.#longestMs = 0;
    return taken;
  }
}
