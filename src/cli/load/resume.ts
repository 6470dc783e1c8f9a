import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { RingletError } from '../../base/errors.js';
import { CheckpointFile } from '../checkpoint-file.js';

const EVERY_MS = 1_000;
/** So much at its beginning tells one file from another; it may grow at its end. */
const HEAD_BYTES = 64 << 10;

interface Head {
  readonly headBytes: number;
  readonly headSha256: string;
}

interface Reached extends Head {
  /** Number of the last record of which all up to it are acknowledged. */
  readonly record: number;
}

/**
 * Notes every second how far a load has come, in `FILE.ringlet-load`. What it notes was acknowledged a
 * second before: by then a store of the usual `flush-ms` has written it, should the process be killed.
 */
export class LoadCheckpoint {
  readonly #file: CheckpointFile<Reached>;
  readonly #head: Head;
  /** Records up to this one are skipped. */
  readonly after: number;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: CheckpointFile<Reached>, after: number, head: Head) {
    this.#file = file;
    this.#head = head;
    this.after = after;
  }

  /** @throws RingletError USAGE where the checkpoint is of another load or another file, IO */
  static async open(data: string, purpose: Readonly<Record<string, unknown>>): Promise<LoadCheckpoint> {
    const file = new CheckpointFile<Reached>(`${data}.ringlet-load`, purpose);
    const reached = await file.read();
    const head = await headOf(data, reached?.headBytes ?? HEAD_BYTES);
    if (reached !== undefined && head.headSha256 !== reached.headSha256) {
      const message = `${data} is not the file that ${file.path} speaks of: its beginning is another; remove that to begin anew`;
      throw new RingletError('USAGE', message, { path: file.path });
    }
    return new LoadCheckpoint(file, reached?.record ?? 0, head);
  }

  begin(settled: () => number): void {
    let before = this.after;
    this.#timer = setInterval(() => {
      const record = before;
      before = settled();
      // One that cannot be written costs work at the next load, and nothing else. One at a time: they share a file.
      this.#writing = this.#writing.then(() => this.#note(record)).catch(() => undefined);
    }, EVERY_MS);
  }

  /** Has to be called whatever the load came to: the process does not end before. */
  async end(record: number, complete: boolean): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await (complete ? this.#file.remove() : this.#note(record));
  }

  /** There is nothing to go on from before the first record: it would only bind the next load to this input. */
  async #note(record: number): Promise<void> {
    if (record > 0) await this.#file.write({ record, ...this.#head });
  }
}

async function headOf(path: string, atMost: number): Promise<Head> {
  const file = await open(path).catch((cause: Error) => {
    throw new RingletError('IO', `cannot read ${path} (${cause.message})`, { file: path }, { cause });
  });
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(atMost), 0, atMost, 0);
    const headSha256 = createHash('sha256').update(buffer.subarray(0, bytesRead)).digest('hex');
    return { headBytes: bytesRead, headSha256 };
  } finally {
    await file.close();
  }
}
