import { Presets, SingleBar } from 'cli-progress';

/** Where the run stands and how long it will take: a bar on a terminal, a line per case elsewhere. */
export class Progress {
  readonly #bar: SingleBar | null;
  readonly #plannedSeconds: number;
  readonly #budgetLeft: () => number;
  readonly #results: NodeJS.WritableStream;
  readonly #beganMs = performance.now();
  #doneSeconds = 0;

  /**
   * @param budgetLeft seconds that the run may still take
   * @param results where finished experiments are printed
   */
  constructor(
    plannedSeconds: number,
    budgetLeft: () => number,
    results: NodeJS.WritableStream = process.stdout,
  ) {
    this.#plannedSeconds = plannedSeconds;
    this.#budgetLeft = budgetLeft;
    this.#results = results;
    this.#bar = process.stderr.isTTY
      ? new SingleBar(
          {
            format: '{bar} {percentage} % · {left} left · {label}',
            stream: process.stderr,
            clearOnComplete: true,
            hideCursor: true,
            linewrap: false,
          },
          Presets.shades_classic,
        )
      : null;
    this.#bar?.start(Math.max(1, plannedSeconds), 0, { left: duration(plannedSeconds), label: '' });
  }

  begin(label: string): void {
    const left = duration(this.#secondsLeft());
    if (this.#bar === null) process.stderr.write(`${left} left · ${label}\n`);
    else this.#bar.update(Math.min(this.#doneSeconds, this.#plannedSeconds), { left, label });
  }

  /** Counts planned seconds as done, however long they really took. */
  advance(seconds: number): void {
    this.#doneSeconds += seconds;
  }

  /** An experiment is done, with all of its rounds or without: so much of the plan is left. */
  remains(seconds: number): void {
    this.#doneSeconds = this.#plannedSeconds - seconds;
  }

  /** Prints under the bar without tearing it. */
  print(text: string): void {
    if (this.#bar !== null) process.stderr.write('\r\u001B[K');
    this.#results.write(`${text}\n`);
  }

  stop(): void {
    this.#bar?.stop();
  }

  /** Planned time that is left, stretched as the time so far was. */
  #secondsLeft(): number {
    const left = Math.max(0, this.#plannedSeconds - this.#doneSeconds);
    const stretched =
      this.#doneSeconds < 5 ? left : (left * (performance.now() - this.#beganMs)) / 1_000 / this.#doneSeconds;
    return Math.min(stretched, this.#budgetLeft());
  }
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}
