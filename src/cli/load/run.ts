import { setTimeout as sleep } from 'node:timers/promises';
import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';
import { type Entry, RecordError } from '../entries/entry.js';
import type { Prepare } from './prepare.js';
import { InputError, type RawRecord } from './records.js';
import { SeenKeys } from './seen-keys.js';
import { Window } from './window.js';

const IN_FLIGHT = 256;
/** What of the bad records and failed writes is told in full; all are counted. */
export const TOLD = 20;
const ATTEMPTS = 6;
const FIRST_PAUSE_MS = 20;
/** So many writes that fail one after the other are no accident: the rest would fail as well. */
const HOPELESS = 100;
/** Why a load ends that its signal ends. */
const INTERRUPTED = 'it was interrupted';

export interface Loader {
  readonly prepare: Prepare;
  write(entry: Entry): Promise<unknown>;
  /** Whether a write that may have been applied can be sent again without making a sibling. */
  readonly repeatable: boolean;
  written(key: string | Uint8Array): void;
  tell(line: string): void;
  /** Records up to this number were written by an earlier load. */
  readonly after?: number;
  /** Ends the load early: what is under way is still written. */
  readonly signal?: AbortSignal;
}

export interface LoadCounts {
  records: number;
  /** Of these, those that an earlier load has written. */
  skipped: number;
  /** Those whose time is over. */
  expired: number;
  written: number;
  bad: number;
  /** Writes that failed for good. */
  failed: number;
  duplicates: number;
  duplicatesIncomplete: boolean;
  /** Of the values written. */
  bytes: number;
  /** Why the load ended before the input did. */
  stopped?: string;
}

/** One run over an input. Records with equal keys are written in the order of the input: the last one stays. */
export class LoadRun {
  readonly counts: LoadCounts = {
    records: 0,
    skipped: 0,
    expired: 0,
    written: 0,
    bad: 0,
    failed: 0,
    duplicates: 0,
    duplicatesIncomplete: false,
    bytes: 0,
  };
  readonly #loader: Loader;
  readonly #seen = new SeenKeys();
  readonly #window = new Window(IN_FLIGHT);
  readonly #keysInFlight = new Map<string, Promise<void>>();
  /** Numbers of records that are not written yet, or failed, in order. */
  readonly #open = new Set<number>();
  #taken = 0;
  #failedInARow = 0;

  constructor(loader: Loader) {
    this.#loader = loader;
  }

  /**
   * All records up to this number are acknowledged, or no records that can be written. Never less than what an
   * earlier load has written, also while that is only skipped.
   */
  get settled(): number {
    const [oldest] = this.#open;
    return Math.max(this.#loader.after ?? 0, oldest === undefined ? this.#taken : oldest - 1);
  }

  async run(batches: AsyncIterable<readonly RawRecord[]>): Promise<LoadCounts> {
    try {
      for await (const batch of batches) {
        for (const record of batch) {
          this.#loader.signal?.throwIfAborted();
          await this.#take(record);
          if (this.#failedInARow >= HOPELESS) throw new InputError(`${HOPELESS} writes in a row failed`);
        }
      }
    } catch (error) {
      const interrupted = this.#loader.signal?.aborted === true;
      if (!interrupted && !(error instanceof InputError)) throw error;
      this.counts.stopped = interrupted ? INTERRUPTED : (error as InputError).message;
    } finally {
      await this.#window.drain();
    }
    this.counts.duplicates = this.#seen.duplicates;
    this.counts.duplicatesIncomplete = this.#seen.incomplete;
    return this.counts;
  }

  async #take(record: RawRecord): Promise<void> {
    const { number } = record;
    this.counts.records++;
    if (number <= (this.#loader.after ?? 0)) {
      this.counts.skipped++;
      this.#taken = number;
      return;
    }
    const entry = this.#prepare(record);
    if (entry === undefined) {
      this.#taken = number;
      return;
    }
    const name = nameOf(entry.key);
    this.#seen.add(name);
    await this.#keysInFlight.get(name);
    await this.#window.start(() => {
      this.#open.add(number);
      this.#taken = number;
      const written = this.#write(number, entry).finally(() => this.#keysInFlight.delete(name));
      this.#keysInFlight.set(name, written);
      return written;
    });
  }

  /** What is left to write of a record; undefined where that is nothing. */
  #prepare(record: RawRecord): Entry | undefined {
    try {
      const entry = this.#loader.prepare(record);
      checkKey(entry.key);
      const values = entry.values.filter(
        ({ expiresAtMs }) => expiresAtMs === undefined || expiresAtMs > Date.now(),
      );
      if (values.length > 0) return { key: entry.key, values };
      this.counts.expired++;
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      this.#bad(record.number, error);
    }
    return undefined;
  }

  #bad(number: number, error: RecordError): void {
    if (++this.counts.bad <= TOLD) this.#loader.tell(`record ${number} is skipped: ${error.message}`);
  }

  async #write(number: number, entry: Entry): Promise<void> {
    try {
      await this.#attempt(entry);
      this.#failedInARow = 0;
      this.counts.written++;
      for (const { bytes } of entry.values) this.counts.bytes += bytes.length;
      this.#loader.written(entry.key);
      this.#open.delete(number);
    } catch (error) {
      if (error instanceof RecordError) {
        this.#open.delete(number);
        this.#bad(number, error);
        return;
      }
      this.#failedInARow++;
      const message = error instanceof RingletError ? `${error.code}: ${error.message}` : String(error);
      if (++this.counts.failed <= TOLD) this.#loader.tell(`record ${number} is not written: ${message}`);
    }
  }

  async #attempt(entry: Entry): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#loader.write(entry);
        return;
      } catch (error) {
        const again = error instanceof RingletError && error.retryable;
        const safe = again && (this.#loader.repeatable || !error.maybeApplied);
        if (!safe || attempt === ATTEMPTS) throw error;
        await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1));
      }
    }
  }
}

function checkKey(key: string | Uint8Array): void {
  const bytes = typeof key === 'string' ? Buffer.byteLength(key) : key.length;
  if (typeof key === 'string' && !key.isWellFormed())
    throw new RecordError('its key has half a surrogate pair, for which there is no UTF-8');
  if (bytes === 0) throw new RecordError('its key is empty');
  if (bytes > LIMITS.keyBytes)
    throw new RecordError(`its key has ${bytes} bytes, at most ${LIMITS.keyBytes} fit`);
}

/** Of keys that are bytes: a text that no other key has, since they are no UTF-8. */
function nameOf(key: string | Uint8Array): string {
  return typeof key === 'string' ? key : `\0${Buffer.from(key).toString('latin1')}`;
}
