import { setTimeout as sleep } from 'node:timers/promises';
import { RingletError } from '../../base/errors.js';
import { compactJson } from './compact.js';
import { RecordError, type KeyOf } from './key-template.js';
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

export interface Loader {
  readonly keyOf: KeyOf;
  write(key: string, value: Uint8Array): Promise<unknown>;
  /** Whether a write that may have been applied can be sent again without making a sibling. */
  readonly repeatable: boolean;
  written(key: string): void;
  tell(line: string): void;
}

export interface LoadCounts {
  records: number;
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
  #failedInARow = 0;

  constructor(loader: Loader) {
    this.#loader = loader;
  }

  async run(batches: AsyncIterable<readonly RawRecord[]>): Promise<LoadCounts> {
    try {
      for await (const batch of batches) {
        for (const record of batch) {
          await this.#take(record);
          if (this.#failedInARow >= HOPELESS) throw new InputError(`${HOPELESS} writes in a row failed`);
        }
      }
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      this.counts.stopped = error.message;
    } finally {
      await this.#window.drain();
    }
    this.counts.duplicates = this.#seen.duplicates;
    this.counts.duplicatesIncomplete = this.#seen.incomplete;
    return this.counts;
  }

  async #take(record: RawRecord): Promise<void> {
    this.counts.records++;
    const prepared = this.#prepare(record);
    if (prepared === undefined) return;
    const { key, value } = prepared;
    this.#seen.add(key);
    await this.#keysInFlight.get(key);
    await this.#window.start(() => {
      const written = this.#write(record.number, key, value).finally(() => this.#keysInFlight.delete(key));
      this.#keysInFlight.set(key, written);
      return written;
    });
  }

  #prepare({ number, text, problem }: RawRecord): { key: string; value: Uint8Array } | undefined {
    try {
      if (text === undefined) throw new RecordError(problem ?? 'it has no text');
      const parsed = parse(text);
      return { key: this.#loader.keyOf(parsed, number), value: Buffer.from(compactJson(text, parsed)) };
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      if (++this.counts.bad <= TOLD) this.#loader.tell(`record ${number} is skipped: ${error.message}`);
      return undefined;
    }
  }

  async #write(number: number, key: string, value: Uint8Array): Promise<void> {
    try {
      await this.#attempt(key, value);
      this.#failedInARow = 0;
      this.counts.written++;
      this.counts.bytes += value.length;
      this.#loader.written(key);
    } catch (error) {
      this.#failedInARow++;
      const message = error instanceof RingletError ? `${error.code}: ${error.message}` : String(error);
      if (++this.counts.failed <= TOLD) this.#loader.tell(`record ${number} is not written: ${message}`);
    }
  }

  async #attempt(key: string, value: Uint8Array): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#loader.write(key, value);
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RecordError(
      text === '' ? 'it is empty' : `it is no JSON (${(error as Error).message.slice(0, 120)})`,
    );
  }
}
