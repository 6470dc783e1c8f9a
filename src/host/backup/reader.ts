import { createReadStream } from 'node:fs';
import { errorFrom, ERROR_CODES, type ErrorCode, RingletError } from '../../base/errors.js';
import { checkPath } from '../../client/arguments.js';
import type { BackupSummary } from '../../client/backup-api.js';
import { headIntact, contentIntact, lengthAt } from '../../storage/record.js';
import {
  type BackupEnd,
  type BackupFailure,
  type BackupHead,
  SectionParser,
  type Section,
} from './format.js';

/** What a whole backup says. */
export interface ReadBackup {
  readonly head: BackupHead;
  readonly end: BackupEnd;
  readonly summary: BackupSummary;
  /** Of all that was read: another one has another. */
  readonly check: string;
}

/**
 * Follows a backup from its first byte to its last and verifies all of it: the chain of sections, every
 * record, and that the end says what came.
 */
export class BackupReader {
  readonly #name: string;
  readonly #parser: SectionParser;
  #head: BackupHead | undefined;
  #end: BackupEnd | undefined;
  #records = 0;
  #bytes = 0;

  /** @param name of the backup in errors */
  constructor(name: string) {
    this.#name = name;
    this.#parser = new SectionParser(name);
  }

  /** Known after the first section. */
  get head(): BackupHead {
    if (this.#head === undefined) throw this.#parser.damaged('has no head');
    return this.#head;
  }

  /**
   * The verified records in a further piece, valid as long as that piece is.
   * @throws RingletError DATA_CORRUPT, DATA_FOREIGN, or what the backup says that it failed with
   */
  push(chunk: Uint8Array): Int32Array[] {
    this.#bytes += chunk.length;
    return this.#parser.push(chunk).flatMap((section) => this.#take(section));
  }

  /** @throws RingletError DATA_CORRUPT if it is not whole */
  end(): ReadBackup {
    this.#parser.end();
    const { head } = this;
    if (this.#end === undefined) throw this.#parser.damaged('breaks off before its end');
    const { damagedCopies } = this.#end;
    const { createdAt, without } = head;
    const summary = {
      createdAt,
      buckets: head.buckets.length,
      records: this.#records,
      bytes: this.#bytes,
      damagedCopies,
      without,
    };
    return { head, end: this.#end, summary, check: this.#parser.check };
  }

  #take({ kind, payload }: Section): Int32Array[] {
    if (this.#end !== undefined) throw this.#parser.damaged('goes on behind its end');
    switch (kind) {
      case 'RBAK':
        if (this.#head !== undefined) throw this.#parser.damaged('has a second head');
        this.#head = this.#json<BackupHead>(payload, ['topology', 'buckets', 'without']);
        return [];
      case 'RREC':
        return this.#recordsIn(payload);
      case 'REND':
        this.#end = this.#json<BackupEnd>(payload, ['records', 'actorsBelow', 'clock']);
        if (this.#end.records !== this.#records)
          throw this.#parser.damaged(`has ${this.#records} of ${this.#end.records} records`);
        return [];
      case 'RERR':
        throw failureOf(this.#json<BackupFailure>(payload, ['code', 'message']), this.#name);
    }
  }

  #json<T extends object>(payload: Buffer, fields: readonly (keyof T)[]): T {
    try {
      const content = JSON.parse(payload.toString()) as T;
      if (fields.every((field) => content[field] !== undefined)) return content;
    } catch {
      // Said below.
    }
    throw this.#parser.damaged(`has no ${fields.join(', ')} where they must be`);
  }

  #recordsIn(payload: Buffer): Int32Array[] {
    // Records are read as words, which have to be aligned.
    const words = new Int32Array(Uint8Array.from(payload).buffer);
    const records: Int32Array[] = [];
    for (let at = 0; at < words.length;) {
      if (!headIntact(words, at, words.length) || !contentIntact(words, at))
        throw this.#parser.damaged(`has a record that is damaged (behind ${this.#records} others)`);
      const end = at + (lengthAt(words, at) >>> 2);
      records.push(words.subarray(at, end));
      this.#records++;
      at = end;
    }
    return records;
  }
}

function failureOf({ code, message }: BackupFailure, name: string): RingletError {
  const known = Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : 'IO';
  return errorFrom({
    code: known,
    message: `the backup ${name} was not finished: ${message}`,
    details: {},
    retryable: ERROR_CODES[known].retryable,
    maybeApplied: false,
  });
}

/** @throws RingletError ABORTED */
export function assertWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new RingletError('ABORTED', 'it was interrupted, and nothing is left of it', {});
}

/**
 * Reads a backup from a file, whole.
 * @param onRecords is waited for before more is read
 * @throws RingletError DATA_CORRUPT, DATA_FOREIGN, IO, ABORTED
 */
export async function readBackup(
  path: string,
  onRecords: (records: readonly Int32Array[], head: BackupHead) => Promise<void> | void = () => undefined,
  signal?: AbortSignal,
): Promise<ReadBackup> {
  checkPath('a backup is read from the path of its file', path);
  const reader = new BackupReader(path);
  try {
    const stream = createReadStream(path, { highWaterMark: 1 << 20 });
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      assertWanted(signal);
      const records = reader.push(chunk);
      if (records.length > 0) await onRecords(records, reader.head);
    }
  } catch (error) {
    if (error instanceof RingletError) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new RingletError('IO', `cannot read ${path} (${why})`, { path }, { cause: error });
  }
  return reader.end();
}
