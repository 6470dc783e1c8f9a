import { isUtf8 } from 'node:buffer';

/**
 * Cuts a stream of bytes into records, each a line (NDJSON), an element of one array or a row (CSV:
 * csv.ts), with no more than one record and one chunk in memory. It finds the borders only; whether
 * a record is sound is for its parser to say, so that a bad one does not end the input.
 */

export type Format = 'ndjson' | 'array' | 'csv';

export interface RawRecord {
  /** 1-based: the line of NDJSON (blank ones count), the element of an array, the line where a row of CSV begins. */
  readonly number: number;
  readonly text?: string;
  /** Why there is no text. */
  readonly problem?: string;
}

/** Why the input as a whole is cut short or goes on where it should not. */
export class InputError extends Error {}

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === NEWLINE || byte === 0x0d || byte === 0x09;
}

/** The bytes of the record that is being read. A longer one than `maxBytes` is forgotten as it comes. */
export class Pending {
  readonly #maxBytes: number;
  #parts: Buffer[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  append(part: Buffer): void {
    this.#bytes += part.length;
    if (this.#bytes > this.#maxBytes) this.#parts = [];
    else if (part.length > 0) this.#parts.push(part);
  }

  get empty(): boolean {
    return this.#bytes === 0;
  }

  take(number: number): RawRecord {
    const [parts, bytes] = [this.#parts, this.#bytes];
    this.#parts = [];
    this.#bytes = 0;
    if (bytes > this.#maxBytes) return { number, problem: `longer than ${this.#maxBytes} bytes` };
    const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    return isUtf8(whole) ? { number, text: whole.toString() } : { number, problem: 'not UTF-8' };
  }
}

function trimmed(record: RawRecord): RawRecord {
  return record.text === undefined ? record : { number: record.number, text: record.text.trim() };
}

export interface Splitter {
  /** The records that end in this chunk. What is wrong behind them is thrown by the call that follows: none is lost. */
  push(chunk: Buffer): RawRecord[];
  /** The last record, if the input does not end in a newline. Throws {@link InputError} inside an array. */
  end(): RawRecord[];
}

export class LineSplitter implements Splitter {
  readonly #pending: Pending;
  #line = 0;

  constructor(maxBytes: number) {
    this.#pending = new Pending(maxBytes);
  }

  push(chunk: Buffer): RawRecord[] {
    const records: RawRecord[] = [];
    let start = 0;
    for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, start)) {
      this.#pending.append(chunk.subarray(start, at));
      start = at + 1;
      this.#finish(records);
    }
    this.#pending.append(chunk.subarray(start));
    return records;
  }

  end(): RawRecord[] {
    const records: RawRecord[] = [];
    this.#finish(records);
    return records;
  }

  #finish(records: RawRecord[]): void {
    const record = trimmed(this.#pending.take(++this.#line));
    if (record.text !== '') records.push(record);
  }
}

export class ArraySplitter implements Splitter {
  readonly #pending: Pending;
  #state: 'before' | 'inside' | 'after' = 'before';
  /** Open brackets and braces within the element. */
  #depth = 0;
  #inString = false;
  #escaped = false;
  #number = 0;
  #failure: InputError | undefined;

  constructor(maxBytes: number) {
    this.#pending = new Pending(maxBytes);
  }

  push(chunk: Buffer): RawRecord[] {
    if (this.#failure !== undefined) throw this.#failure;
    const records: RawRecord[] = [];
    let start = 0;
    for (let i = 0; i < chunk.length && this.#failure === undefined; i++) {
      const byte = chunk[i]!;
      if (this.#state !== 'inside') {
        this.#outside(byte);
        start = i + 1;
      } else if (this.#endsElement(byte)) {
        this.#pending.append(chunk.subarray(start, i));
        start = i + 1;
        this.#finish(records, byte === CLOSE_BRACKET);
      }
    }
    if (this.#state === 'inside') this.#pending.append(chunk.subarray(start));
    return records;
  }

  end(): RawRecord[] {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#state !== 'after')
      throw new InputError(`the input ends inside the array, in element ${this.#number + 1}`);
    return [];
  }

  #outside(byte: number): void {
    if (isSpace(byte)) return;
    if (this.#state === 'before' && byte === OPEN_BRACKET) this.#state = 'inside';
    else
      this.#failure = new InputError(
        this.#state === 'before' ? 'the input is no array' : 'there is more after the end of the array',
      );
  }

  #endsElement(byte: number): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return false;
    }
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth++;
    else if (this.#depth === 0) return byte === COMMA || byte === CLOSE_BRACKET;
    else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) this.#depth--;
    return false;
  }

  #finish(records: RawRecord[], last: boolean): void {
    const record = trimmed(this.#pending.take(this.#number + 1));
    if (last) this.#state = 'after';
    // `[]` has no element; a comma before the bracket announces one, and an empty one is a mistake.
    if (last && this.#number === 0 && record.text === '') return;
    this.#number++;
    records.push(record);
  }
}
