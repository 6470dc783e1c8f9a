import { Presets, SingleBar } from 'cli-progress';

/** Where the run stands and how long it will take: a bar on a terminal, a line per case elsewhere. */
export class Progress {
  readonly #bar: SingleBar | null;
  readonly #plannedSeconds: number;
  readonly #beganMs = performance.now();
  #doneSeconds = 0;

  constructor(plannedSeconds: number) {
    this.#plannedSeconds = plannedSeconds;
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

  /** Prints under the bar without tearing it. */
  print(text: string): void {
    if (this.#bar !== null) process.stderr.write('\r\u001B[K');
    process.stdout.write(`${text}\n`);
  }

  stop(): void {
    this.#bar?.stop();
  }

  /** Planned time that is left, stretched as the time so far was. */
  #secondsLeft(): number {
    const left = Math.max(0, this.#plannedSeconds - this.#doneSeconds);
    if (this.#doneSeconds < 5) return left;
    return (left * (performance.now() - this.#beganMs)) / 1_000 / this.#doneSeconds;
  }
}

export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}
