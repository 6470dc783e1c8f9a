import { join } from 'node:path';
import { RingletError } from '../base/errors.js';
import { readSealed, writeSealed } from './durable-file.js';

/**
 * `<data>/actors`: the next free block of actor numbers of the whole store. An actor that were
 * used twice would make the same dot for two writes, and one of them would vanish; so a block is
 * durable before its first number is used, and a lost file is never replaced by a new one.
 */
export const ACTORS_FILE = 'actors';
export const ACTOR_BLOCK = 256;

const FORMAT = 1;
const END = 2 ** 32;

interface ActorsFile {
  readonly format: number;
  readonly storeId: string;
  readonly next: number;
}

export class ActorBlocks {
  readonly #path: string;
  readonly #storeId: string;
  #next: number;

  private constructor(path: string, storeId: string, next: number) {
    this.#path = path;
    this.#storeId = storeId;
    this.#next = next;
  }

  /**
   * Looks at the file without changing anything.
   * @param mayCreate the store has never served, so that no actor can have been used
   * @throws RingletError DATA_CORRUPT, DATA_FOREIGN
   */
  static open(directory: string, storeId: string, mayCreate: boolean): ActorBlocks {
    const path = join(directory, ACTORS_FILE);
    const file = readSealed<ActorsFile>(path, FORMAT);
    switch (file.kind) {
      case 'ok':
        if (file.value.storeId === storeId) return new ActorBlocks(path, storeId, file.value.next);
        throw new RingletError(
          'DATA_FOREIGN',
          `${path} belongs to store ${file.value.storeId}, not ${storeId}; put the right file in its place`,
          { path, stored: file.value.storeId, wanted: storeId },
        );
      case 'missing':
        // The first block is left out: no actor is 0.
        if (mayCreate) return new ActorBlocks(path, storeId, ACTOR_BLOCK);
        break;
      case 'damaged':
        break;
      case 'unknown-format':
        throw new RingletError(
          'DATA_FOREIGN',
          `${path} has format ${file.format}, this version reads ${FORMAT}; use the version that wrote it`,
          { path, format: file.format, supported: FORMAT },
        );
    }
    throw new RingletError(
      'DATA_CORRUPT',
      `${path} is ${file.kind}, and actor numbers must not be used twice; restore the data directory from a backup`,
      { path, reason: file.kind },
    );
  }

  /** The first of {@link ACTOR_BLOCK} numbers that nobody has had, durably taken. @throws RingletError IO, STORE_FULL */
  reserve(): number {
    const first = this.#next;
    if (first + ACTOR_BLOCK > END) {
      throw new RingletError('STORE_FULL', 'all actor numbers are used; copy the data into a new store', {
        path: this.#path,
        actors: END,
      });
    }
    this.#write(first + ACTOR_BLOCK);
    this.#next = first + ACTOR_BLOCK;
    return first;
  }

  /** For a new store that has records of another one: its own numbers begin there, or above. */
  beginAt(first: number): void {
    this.#next = Math.max(this.#next, Math.ceil(first / ACTOR_BLOCK) * ACTOR_BLOCK);
    this.#write(this.#next);
  }

  /** For a new store: from now on a missing file is a loss. */
  store(): void {
    this.#write(this.#next);
  }

  #write(next: number): void {
    const file: ActorsFile = { format: FORMAT, storeId: this.#storeId, next };
    writeSealed(this.#path, file);
  }
}
