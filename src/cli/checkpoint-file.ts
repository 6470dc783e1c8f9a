import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { RingletError } from '../base/errors.js';

const FORMAT = 1;

/**
 * How far a command has come, beside the file that it reads or writes: a JSON object, written aside and
 * renamed, so that a reader meets all of it or none. `purpose` is what it has to agree with to go on.
 */
export class CheckpointFile<T extends object> {
  readonly path: string;
  readonly #purpose: Readonly<Record<string, unknown>>;

  constructor(path: string, purpose: Readonly<Record<string, unknown>>) {
    this.path = path;
    this.#purpose = purpose;
  }

  /** Undefined if there is none. @throws RingletError USAGE for one of another purpose, IO */
  async read(): Promise<T | undefined> {
    let text: string;
    try {
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw unusable(this.path, error);
    }
    const found = parse<T>(text);
    if (found?.format !== FORMAT) throw this.#refuse('is no checkpoint that this version reads');
    for (const [name, value] of Object.entries(this.#purpose)) {
      if (JSON.stringify(found.purpose[name]) === JSON.stringify(value)) continue;
      const [was, is] = [found.purpose[name], value].map((one) => JSON.stringify(one) ?? 'none');
      throw this.#refuse(`has ${name} ${was}, and this command ${is}`);
    }
    return found.reached;
  }

  /** @throws RingletError IO */
  async write(reached: T): Promise<void> {
    const aside = `${this.path}.tmp`;
    try {
      const content = { format: FORMAT, purpose: this.#purpose, reached };
      await writeFile(aside, `${JSON.stringify(content)}\n`, { mode: 0o600 });
      await rename(aside, this.path);
    } catch (error) {
      await rm(aside, { force: true });
      throw unusable(this.path, error);
    }
  }

  async remove(): Promise<void> {
    await rm(this.path, { force: true });
  }

  #refuse(why: string): RingletError {
    const message = `${this.path} ${why}; give the same options as before, or remove it to begin anew`;
    return new RingletError('USAGE', message, { path: this.path });
  }
}

interface Content<T> {
  readonly format: number;
  readonly purpose: Readonly<Record<string, unknown>>;
  readonly reached: T;
}

function parse<T>(text: string): Content<T> | undefined {
  try {
    const content = JSON.parse(text) as Partial<Content<T>> | null;
    const whole = typeof content?.purpose === 'object' && typeof content.reached === 'object';
    return whole ? (content as Content<T>) : undefined;
  } catch {
    return undefined;
  }
}

function unusable(path: string, cause: unknown): RingletError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new RingletError('IO', `cannot use ${path} (${why})`, { path }, { cause });
}
