import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncDirectory } from '../storage/data-files.js';
import { readSealed, writeSealed } from './durable-file.js';

/**
 * `<data>/session.json`: under which boots of the machine the data was used since it was last
 * known to be whole. It is there from open until a clean shutdown. What was written without a sync
 * is only still there if that was one boot, and the present one: a store that was opened after a
 * power cut and died again before it had recovered has two.
 */
export const SESSION_FILE = 'session.json';
const FORMAT = 1;
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

interface SessionFile {
  readonly format: number;
  /** null is a boot that could not be told. */
  readonly boots: readonly (string | null)[];
}

/** The identity of this boot of the machine; null where the system has none that can be trusted. */
export function currentBoot(): string | null {
  try {
    const id = readFileSync(BOOT_ID, 'utf8').trim();
    return /^[0-9a-f-]{36}$/.test(id) ? id : null;
  } catch {
    return null;
  }
}

export class SessionMark {
  readonly #directory: string;
  readonly #boot: string | null;
  readonly #before: readonly (string | null)[];

  /** Reads the mark and changes nothing. */
  constructor(directory: string, boot: string | null = currentBoot()) {
    this.#directory = directory;
    this.#boot = boot;
    const file = readSealed<SessionFile>(join(directory, SESSION_FILE), FORMAT);
    // A damaged mark says as little as an unknown boot.
    this.#before = file.kind === 'ok' ? file.value.boots : file.kind === 'missing' ? [] : [null];
  }

  /** Whether everything since the data was whole happened in this boot, so that no page can be lost. */
  get sameBoot(): boolean {
    return (
      this.#boot !== null && this.#before.length > 0 && this.#before.every((boot) => boot === this.#boot)
    );
  }

  /** At open: this boot joins those that are not recovered from. */
  begin(): void {
    this.#write([...new Set([...this.#before, this.#boot])]);
  }

  /** After recovery: only this boot counts. */
  recovered(): void {
    this.#write([this.#boot]);
  }

  /** At a clean shutdown. */
  end(): void {
    rmSync(join(this.#directory, SESSION_FILE), { force: true });
    syncDirectory(this.#directory);
  }

  #write(boots: readonly (string | null)[]): void {
    const file: SessionFile = { format: FORMAT, boots };
    writeSealed(join(this.#directory, SESSION_FILE), file);
  }
}
