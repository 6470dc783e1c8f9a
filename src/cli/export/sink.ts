import { type FileHandle, open, rm } from 'node:fs/promises';
import { RingletError } from '../../base/errors.js';
import { CheckpointFile } from '../checkpoint-file.js';
import { print } from '../key-command.js';

/** Lines are written in blocks of about this size. */
const BLOCK_CHARACTERS = 64 << 10;
const EVERY_MS = 1_000;

/** Where an export goes. */
export interface ExportSink {
  /** Where the list goes on; undefined: from its beginning. */
  readonly cursor: string | undefined;
  write(text: string, cursor?: string): Promise<void>;
  complete(): Promise<void>;
  /** What is written stays, to be resumed if that is possible. */
  interrupted(): Promise<void>;
}

/** Collects lines into blocks. */
class Block {
  #text = '';
  add(text: string): boolean {
    this.#text += text;
    return this.#text.length >= BLOCK_CHARACTERS;
  }
  take(): string {
    const text = this.#text;
    this.#text = '';
    return text;
  }
}

export class StandardOutput implements ExportSink {
  readonly cursor = undefined;
  readonly #block = new Block();

  async write(text: string): Promise<void> {
    if (this.#block.add(text)) await print(this.#block.take());
  }
  async complete(): Promise<void> {
    await print(this.#block.take());
  }
  interrupted(): Promise<void> {
    // Where it is what interrupted the export, it fails again.
    return this.complete().catch(() => undefined);
  }
}

interface Reached {
  /** So much of the file belongs to keys up to the cursor. */
  readonly bytes: number;
  /** Null: there is nothing yet. */
  readonly cursor: string | null;
}

const NOTHING: Reached = { bytes: 0, cursor: null };

/** A file, with a checkpoint beside it until it is complete. */
export class ExportFile implements ExportSink {
  readonly cursor: string | undefined;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #checkpoint: CheckpointFile<Reached>;
  readonly #block = new Block();
  /** What is in the file; the block is not. */
  #written: Reached;
  /** Of the last line in the block. */
  #cursor: string | null;
  #notedMs = performance.now();

  private constructor(path: string, file: FileHandle, checkpoint: CheckpointFile<Reached>, reached: Reached) {
    this.#path = path;
    this.#file = file;
    this.#checkpoint = checkpoint;
    this.#written = reached;
    this.#cursor = reached.cursor;
    this.cursor = reached.cursor ?? undefined;
  }

  /** @throws RingletError USAGE where the file exists and is not to be resumed, or cannot be; IO */
  static async open(
    path: string,
    purpose: Readonly<Record<string, unknown>>,
    resume: boolean,
  ): Promise<ExportFile> {
    const checkpoint = new CheckpointFile<Reached>(`${path}.ringlet-export`, purpose);
    const reached = resume ? await checkpoint.read() : undefined;
    const file = await open(path, reached === undefined ? 'wx' : 'r+').catch(
      (cause: NodeJS.ErrnoException) => {
        throw cause.code === 'EEXIST' ? existing(path, resume) : failed(path, cause);
      },
    );
    try {
      // At once: a file without a checkpoint is complete.
      if (reached === undefined) await checkpoint.write(NOTHING);
      else await cut(file, path, reached, checkpoint.path);
    } catch (error) {
      await file.close();
      if (reached === undefined) await rm(path, { force: true });
      throw error;
    }
    return new ExportFile(path, file, checkpoint, reached ?? NOTHING);
  }

  async write(text: string, cursor?: string): Promise<void> {
    this.#cursor = cursor ?? this.#cursor;
    if (this.#block.add(text)) await this.#flush();
  }

  async #flush(): Promise<void> {
    const text = this.#block.take();
    const bytes = Buffer.from(text);
    const end = this.#written.bytes + bytes.length;
    try {
      for (let at = this.#written.bytes; at < end;) {
        const { length } = bytes;
        at += (await this.#file.write(bytes, length - (end - at), end - at, at)).bytesWritten;
      }
    } catch (cause) {
      // Who resumes gets these keys once more, instead of going on behind them.
      this.#block.add(text);
      throw failed(this.#path, cause as Error);
    }
    this.#written = { bytes: end, cursor: this.#cursor };
    if (performance.now() - this.#notedMs >= EVERY_MS) await this.#note();
  }

  async #note(): Promise<void> {
    this.#notedMs = performance.now();
    // A checkpoint never speaks of bytes that a power cut could take.
    await this.#file.datasync();
    await this.#checkpoint.write(this.#written);
  }

  async complete(): Promise<void> {
    await this.#flush();
    await this.#file.datasync();
    await this.#file.close();
    await this.#checkpoint.remove();
  }

  async interrupted(): Promise<void> {
    try {
      await this.#flush();
    } catch {
      // The error that interrupted it is the one to tell.
    }
    // What was noted before still holds where this fails.
    if (this.#written.cursor !== null) await this.#note().catch(() => undefined);
    await this.#file.close();
    if (this.#written.cursor !== null) return;
    // Nothing to go on from: it would only be in the way.
    await rm(this.#path, { force: true });
    await this.#checkpoint.remove();
  }
}

/** What is behind the place where an export goes on is written again. */
async function cut(file: FileHandle, path: string, { bytes }: Reached, noted: string): Promise<void> {
  const { size } = await file.stat();
  if (size < bytes) {
    const message = `${path} has ${size} bytes, and ${noted} speaks of ${bytes}; remove both to begin anew`;
    throw new RingletError('USAGE', message, { path, size, expected: bytes });
  }
  await file.truncate(bytes);
}

function existing(path: string, resume: boolean): RingletError {
  const why = resume ? 'has no checkpoint to go on from, so it is complete' : 'exists';
  const remedy = resume ? '' : ', or --resume to go on with an interrupted export';
  return new RingletError('USAGE', `${path} ${why}; name another file${remedy}`, { path });
}

function failed(path: string, cause: Error): RingletError {
  return new RingletError('IO', `cannot write ${path} (${cause.message})`, { path }, { cause });
}
