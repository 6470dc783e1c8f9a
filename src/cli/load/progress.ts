import { SingleBar } from 'cli-progress';
import type { LoadCounts } from './run.js';

/** A plain line this often where there is no terminal to draw on. */
const LINE_MS = 5_000;
const CLEAR_LINE = '\r\u001B[K';

export interface Progress {
  /** So many more bytes of the input have been read. */
  read(bytes: number): void;
  /** A line of its own, above the bar. */
  tell(line: string): void;
  stop(): void;
}

/** On a terminal a bar (input bytes, records per second, time left), else a line every few seconds. */
export function startProgress(
  counts: () => LoadCounts,
  totalBytes: number | undefined,
  stream: NodeJS.WriteStream,
): Progress {
  const startMs = performance.now();
  let bytes = 0;
  const rate = (): string => {
    const perSecond = counts().written / Math.max((performance.now() - startMs) / 1_000, 0.001);
    return `${Math.round(perSecond).toLocaleString('en')} records/s`;
  };
  const written = (): string => `${counts().written.toLocaleString('en')} written`;
  if (stream.isTTY && totalBytes !== undefined) {
    const bar = new SingleBar({
      format: '{bar} {percentage} %  {written}  {rate}  {eta_formatted} left',
      barCompleteChar: '█',
      barIncompleteChar: '░',
      stream,
      hideCursor: true,
    });
    bar.start(totalBytes, 0, { written: written(), rate: rate() });
    return {
      read(more) {
        bytes += more;
        bar.update(bytes, { written: written(), rate: rate() });
      },
      tell: (line) => void stream.write(`${CLEAR_LINE}${line}\n`),
      stop: () => bar.stop(),
    };
  }
  const timer = setInterval(() => {
    const share = totalBytes === undefined ? '' : ` (${Math.floor((bytes / totalBytes) * 100)} % read)`;
    stream.write(`${written()}${share}, ${rate()}\n`);
  }, LINE_MS);
  return {
    read(more) {
      bytes += more;
    },
    tell: (line) => void stream.write(`${line}\n`),
    stop: () => clearInterval(timer),
  };
}
