import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { readSealed, writeSealed } from './durable-file.js';

/**
 * Which life of a virtual node a directory comes from, so that an older copy of one directory that is
 * put back is told from the present one: it has forgotten writes, and dots that were made since.
 *
 * `<data>/lives.json` has a stamp per virtual node and `life.json` in each directory the same; both
 * are new at every open and for every directory that takes the place of a lost one, before the first
 * dot. The top has the next stamp beside the present one until the directory has it too: after a
 * crash between the two either is right, since nothing was written under the next one yet.
 */
export const LIVES_FILE = 'lives.json';
export const LIFE_FILE = 'life.json';
const FORMAT = 1;

interface Stamps {
  readonly now?: string;
  readonly next?: string;
}

interface LivesFile {
  readonly format: number;
  readonly lives: Readonly<Record<string, Stamps>>;
}

interface LifeFile {
  readonly format: number;
  readonly stamp: string;
}

interface Place {
  readonly vnodeId: string;
  readonly directory: string;
}

function writeStamp(directory: string, stamp: string): void {
  const file: LifeFile = { format: FORMAT, stamp };
  writeSealed(join(directory, LIFE_FILE), file);
}

export class Lives {
  readonly #path: string;
  readonly #stamps: Map<string, Stamps>;
  /** Without the list nothing tells an older copy: no clean mark may be trusted. */
  readonly vouches: boolean;

  /** Reads the list and changes nothing. */
  constructor(directory: string) {
    this.#path = join(directory, LIVES_FILE);
    const file = readSealed<LivesFile>(this.#path, FORMAT);
    this.vouches = file.kind === 'ok';
    this.#stamps = new Map(file.kind === 'ok' ? Object.entries(file.value.lives) : []);
  }

  /** Why a directory that is there is not the one that was used last; undefined when it is. */
  mismatch({ vnodeId, directory }: Place): string | undefined {
    const known = this.#stamps.get(vnodeId);
    if (known === undefined) return undefined;
    const file = readSealed<LifeFile>(join(directory, LIFE_FILE), FORMAT);
    if (file.kind !== 'ok') return `${join(directory, LIFE_FILE)} is ${file.kind}`;
    const { stamp } = file.value;
    if (stamp === known.now || stamp === known.next) return undefined;
    return `${directory} is an older copy: it was put back, and lacks what was written since`;
  }

  /**
   * New lives for directories that are there, durably. What a crash has left between two stamps gets
   * the one that it was about to get: no other would be known.
   *
   * @throws RingletError IO, STORE_FULL
   */
  renew(vnodes: readonly Place[]): void {
    const next = new Map(
      vnodes.map(({ vnodeId }) => [vnodeId, this.#stamps.get(vnodeId)?.next ?? randomUUID()]),
    );
    this.#announce(next);
    for (const { vnodeId, directory } of vnodes) writeStamp(directory, next.get(vnodeId)!);
    this.#settle(next);
  }

  /**
   * A new life for what takes the place of a lost directory, which must never be taken for it.
   *
   * @param put makes the directory, puts it there, and has it stamped before
   * @throws RingletError IO, STORE_FULL
   */
  replace(vnodeId: string, put: (stampIn: (directory: string) => void) => void): void {
    const stamp = randomUUID();
    const next = new Map([[vnodeId, stamp]]);
    this.#announce(next);
    put((directory) => writeStamp(directory, stamp));
    this.#settle(next);
  }

  #announce(stamps: ReadonlyMap<string, string>): void {
    for (const [id, next] of stamps) this.#stamps.set(id, { ...this.#stamps.get(id), next });
    this.#save();
  }

  #settle(stamps: ReadonlyMap<string, string>): void {
    for (const [id, now] of stamps) this.#stamps.set(id, { now });
    this.#save();
  }

  /** It is no member any more. */
  forget(vnodeId: string): void {
    this.#stamps.delete(vnodeId);
  }

  #save(): void {
    const file: LivesFile = { format: FORMAT, lives: Object.fromEntries(this.#stamps) };
    writeSealed(this.#path, file);
  }
}
