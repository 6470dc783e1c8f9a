import { splitInline } from './inline.js';
import { ProtocolError } from './errors.js';

/**
 * Requests as clients send them:
 *
 *   request  = array | inline
 *   array    = "*" count CRLF count×( "$" length CRLF length×byte CRLF )
 *   inline   = words LF                     words as in a shell: "…" with escapes, '…'
 *
 * A count of 0 or below, and an empty line, are no request at all. The result is the same however
 * the bytes are cut into chunks. Arguments are ranges of `source`; nothing is copied for a request
 * that lies within one chunk.
 */
export interface ParserLimits {
  /** Of one argument. */
  readonly bulkBytes: number;
  readonly arguments: number;
  /** Of a whole request. */
  readonly requestBytes: number;
}

/** Redis' own: the longest line, be it an inline request, a count or a length. */
const LINE_BYTES = 64 << 10;
const NO_BYTES = Buffer.alloc(0);
const CR = 13;
const LF = 10;
const MINUS = 45;
const STAR = 42;
const DOLLAR = 36;
const ZERO = 48;
/** The line has not arrived whole. */
const CUT = -2;
/** Greater than every limit; more digits than this number has are no number. */
const HUGE = 1e15;

export class RequestParser {
  limits: ParserLimits;
  /** Before authentication the errors are others (as in Redis). */
  authenticated = true;
  /** Of the request that `next` found; valid until the next `next`, the bytes in `source` for as long as somebody has them. */
  argc = 0;
  source: Buffer = NO_BYTES;
  starts = new Int32Array(16);
  ends = new Int32Array(16);

  private buffer: Buffer = NO_BYTES;
  /** Whether `buffer` is ours, so that more may be written behind `end`. */
  private own = false;
  private begin = 0;
  private at = 0;
  private end = 0;
  /** Arguments still to come; −1 between requests. */
  private left = -1;
  /** Length of the argument whose bytes come next; −1 before its length is known. */
  private bulk = -1;
  /** Up to where an inline request was searched for its end. */
  private searched = 0;

  constructor(limits: ParserLimits) {
    this.limits = limits;
  }

  /** Bytes that have come and are not yet a request. */
  get heldBytes(): number {
    return this.end - this.begin;
  }

  /** Takes a chunk, which nobody may change from now on. */
  feed(chunk: Buffer): void {
    const held = this.end - this.begin;
    if (held === 0) {
      this.buffer = chunk;
      this.own = false;
      this.begin = this.at = this.searched = 0;
      this.end = chunk.length;
      return;
    }
    const bytes = held + chunk.length;
    if (!this.own || this.end + chunk.length > this.buffer.length) this.move(held, bytes);
    chunk.copy(this.buffer, this.end);
    this.end += chunk.length;
  }

  /** What has come of the next request is not wanted any more; the one that was found is left alone. */
  drop(): void {
    this.buffer = NO_BYTES;
    this.begin = this.at = this.end = this.searched = 0;
  }

  /** Into a new buffer of our own: of the old one others may have parts. */
  private move(held: number, bytes: number): void {
    const wanted = this.at - this.begin + Math.max(this.bulk, 0) + 2;
    const next = Buffer.allocUnsafeSlow(Math.max(bytes, Math.min(wanted, 2 * bytes), 1_024));
    this.buffer.copy(next, 0, this.begin, this.end);
    const shift = this.begin;
    // Of a request that is still coming; one that was found keeps its own source.
    for (let i = 0; this.left >= 0 && i < this.argc; i++) {
      this.starts[i]! -= shift;
      this.ends[i]! -= shift;
    }
    this.buffer = next;
    this.own = true;
    this.at -= shift;
    this.searched -= shift;
    this.begin = 0;
    this.end = held;
  }

  /** Whether a whole request has come. @throws ProtocolError, after which nothing more can be read */
  next(): boolean {
    for (;;) {
      if (this.left < 0) {
        this.argc = 0;
        this.begin = this.at;
        if (this.at === this.end) return false;
        if (this.buffer[this.at] !== STAR) {
          if (!this.inline()) return false;
          if (this.argc > 0) return true;
          continue;
        }
        const count = this.number('invalid multibulk length');
        if (count === CUT) return false;
        if (count < 1) continue;
        this.checkCount(count);
        this.left = count;
      }
      if (!this.arguments()) return false;
      this.left = -1;
      this.source = this.buffer;
      this.begin = this.at;
      return true;
    }
  }

  private checkCount(count: number): void {
    if (count > this.limits.arguments) {
      throw new ProtocolError(`${this.authenticated ? 'invalid' : 'unauthenticated'} multibulk length`);
    }
    if (count <= this.starts.length) return;
    // Grows with what arrives, not with what was announced.
    const length = Math.min(count, 1_024);
    if (length > this.starts.length) this.grow(length);
  }

  private grow(length: number): void {
    const { starts, ends } = this;
    this.starts = new Int32Array(length);
    this.ends = new Int32Array(length);
    this.starts.set(starts);
    this.ends.set(ends);
  }

  /** The arguments that are left; false if more must come. */
  private arguments(): boolean {
    while (this.left > 0) {
      if (this.bulk < 0) {
        if (this.at === this.end) return false;
        if (this.buffer[this.at] !== DOLLAR) {
          throw new ProtocolError(`expected '$', got '${printable(this.buffer[this.at]!)}'`);
        }
        const length = this.number('invalid bulk length');
        if (length === CUT) return false;
        if (length < 0) throw new ProtocolError('invalid bulk length');
        if (length > this.limits.bulkBytes) {
          throw new ProtocolError(`${this.authenticated ? 'invalid' : 'unauthenticated'} bulk length`);
        }
        if (this.at - this.begin + length > this.limits.requestBytes) {
          throw new ProtocolError('invalid bulk length');
        }
        this.bulk = length;
      }
      const after = this.at + this.bulk;
      if (this.end > after && this.buffer[after] !== CR) throw new ProtocolError('invalid bulk length');
      if (this.end < after + 2) return false;
      if (this.buffer[after + 1] !== LF) throw new ProtocolError('invalid bulk length');
      if (this.argc === this.starts.length) this.grow(this.argc * 2);
      this.starts[this.argc] = this.at;
      this.ends[this.argc++] = after;
      this.at = after + 2;
      this.bulk = -1;
      this.left--;
    }
    return true;
  }

  /** The number of the line at `at`, behind its first byte; moves behind the line unless it is cut. */
  private number(error: string): number {
    const { buffer, end } = this;
    let i = this.at + 1;
    let value = 0;
    let sign = 1;
    if (i < end && buffer[i] === MINUS) {
      sign = -1;
      i++;
    }
    const first = i;
    for (; i < end; i++) {
      const digit = buffer[i]! - ZERO;
      if (digit < 0 || digit > 9) {
        if (buffer[i] !== CR || i === first) throw new ProtocolError(error);
        if (i + 1 === end) return CUT;
        if (buffer[i + 1] !== LF) throw new ProtocolError(error);
        this.at = i + 2;
        return sign * value;
      }
      value = value * 10 + digit;
      if (value > HUGE || (i > first && buffer[first] === ZERO)) throw new ProtocolError(error);
    }
    return CUT;
  }

  private inline(): boolean {
    const newline = this.buffer.indexOf(LF, Math.max(this.searched, this.at));
    const found = newline >= 0 && newline < this.end;
    const length = (found ? newline : this.end) - this.at;
    if (length > LINE_BYTES || length > this.limits.requestBytes) {
      throw new ProtocolError('too big inline request');
    }
    if (!found) {
      this.searched = this.end;
      return false;
    }
    const last = newline > this.at && this.buffer[newline - 1] === CR ? newline - 1 : newline;
    const words = splitInline(this.buffer.subarray(this.at, last));
    if (words === undefined) throw new ProtocolError('unbalanced quotes in request');
    if (words.length > this.limits.arguments) throw new ProtocolError('too big inline request');
    this.at = this.begin = this.searched = newline + 1;
    if (words.length > this.starts.length) this.grow(words.length);
    this.source = Buffer.concat(words);
    let offset = 0;
    words.forEach((word, i) => {
      this.starts[i] = offset;
      offset += word.length;
      this.ends[i] = offset;
    });
    this.argc = words.length;
    return true;
  }

  argument(i: number): Buffer {
    return this.source.subarray(this.starts[i], this.ends[i]);
  }
}

function printable(byte: number): string {
  return byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`;
}
