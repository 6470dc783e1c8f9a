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
    return this.complete();
  }
}

interface Reached {
  /** So much of the file belongs to keys up to the cursor. */
  readonly bytes: number;
  readonly cursor: string;
}

/** A file, with a checkpoint beside it until it is complete. */
export class ExportFile implements ExportSink {
  readonly cursor: string | undefined;
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #checkpoint: CheckpointFile<Reached>;
  readonly #block = new Block();
  #bytes: number;
  #reached: string | undefined;
  #notedMs = performance.now();

  private constructor(
    path: string,
    file: FileHandle,
    checkpoint: CheckpointFile<Reached>,
    reached: Reached | undefined,
  ) {
    this.#path = path;
    this.#file = file;
    this.#checkpoint = checkpoint;
    this.#bytes = reached?.bytes ?? 0;
    this.cursor = reached?.cursor;
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
    if (reached !== undefined) {
      const { size } = await file.stat();
      if (size < reached.bytes) {
        await file.close();
        const message = `${path} has ${size} bytes, and ${checkpoint.path} speaks of ${reached.bytes}; remove both to begin anew`;
        throw new RingletError('USAGE', message, { path, size, expected: reached.bytes });
      }
      await file.truncate(reached.bytes);
    }
    return new ExportFile(path, file, checkpoint, reached);
  }

  async write(text: string, cursor?: string): Promise<void> {
    this.#reached = cursor ?? this.#reached;
    if (this.#block.add(text)) await this.#flush();
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.from(this.#block.take());
    try {
      for (let at = 0; at < bytes.length;) {
        at += (await this.#file.write(bytes, at, bytes.length - at, this.#bytes + at)).bytesWritten;
      }
    } catch (cause) {
      throw failed(this.#path, cause as Error);
    }
    this.#bytes += bytes.length;
    if (performance.now() - this.#notedMs >= EVERY_MS) await this.#note();
  }

  async #note(): Promise<void> {
    this.#notedMs = performance.now();
    if (this.#reached === undefined) return;
    // A checkpoint never speaks of bytes that a power cut could take.
    await this.#file.datasync();
    await this.#checkpoint.write({ bytes: this.#bytes, cursor: this.#reached });
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
      await this.#note();
    } catch {
      // The error that interrupted it is the one to tell; what was noted before still holds.
    }
    await this.#file.close();
    // Nothing to go on from: it would only be in the way.
    if (this.#reached === undefined && this.cursor === undefined) await rm(this.#path, { force: true });
  }
}

function existing(path: string, resume: boolean): RingletError {
  const why = resume ? 'has no checkpoint to go on from, so it is complete' : 'exists';
  const remedy = resume ? '' : ', or --resume to go on with an interrupted export';
  return new RingletError('USAGE', `${path} ${why}; name another file${remedy}`, { path });
}

function failed(path: string, cause: Error): RingletError {
  return new RingletError('IO', `cannot write ${path} (${cause.message})`, { path }, { cause });
}
