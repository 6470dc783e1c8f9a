import { LIMITS } from '../../base/limits.js';
import { replyTooLong } from './errors.js';

const CR = 13;
const LF = 10;
const ZERO = 48;
const DOLLAR = 36;
const START_BYTES = 1 << 10;

/**
 * Replies of RESP2 and RESP3 in one growing buffer. What RESP2 has no type for is written as what
 * Redis writes there: a map as a flat array, a boolean as 0 or 1, a double as a string.
 */
export class ReplyWriter {
  protocol: 2 | 3 = 2;
  buffer: Buffer = Buffer.allocUnsafeSlow(START_BYTES);
  length = 0;
  /** Bytes that were taken before what stands in the buffer. */
  private taken = 0;

  /** Where the next reply begins, counted from the first one. */
  get position(): number {
    return this.taken + this.length;
  }
  /** Forgets what was written since a position; false if a part of it has left already. */
  rollBack(position: number): boolean {
    if (position < this.taken) return false;
    this.length = position - this.taken;
    return true;
  }

  /** Room for so many bytes more. @throws ReplyError when the replies of one turn become too large */
  reserve(bytes: number): void {
    const need = this.length + bytes;
    if (need <= this.buffer.length) return;
    if (need > LIMITS.respReplyBytes) throw replyTooLong();
    const next = Buffer.allocUnsafeSlow(
      Math.max(need, Math.min(this.buffer.length * 2, LIMITS.respReplyBytes)),
    );
    this.buffer.copy(next, 0, 0, this.length);
    this.buffer = next;
  }

  /** What was written; the caller gives the buffer back by `reset`, or keeps it and calls `renew`. */
  take(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
  reset(): void {
    this.taken += this.length;
    this.length = 0;
    if (this.buffer.length > LIMITS.respKeptBytes) this.renew();
  }
  renew(): void {
    this.taken += this.length;
    this.buffer = Buffer.allocUnsafeSlow(START_BYTES);
    this.length = 0;
  }

  raw(bytes: Uint8Array): void {
    const { length } = bytes;
    this.reserve(length);
    if (length <= 64) for (let i = 0; i < length; i++) this.buffer[this.length + i] = bytes[i]!;
    else this.buffer.set(bytes, this.length);
    this.length += length;
  }

  private line(text: string): void {
    this.reserve(text.length + 2);
    this.length += this.buffer.write(text, this.length, 'latin1');
    this.end();
  }
  private end(): void {
    this.buffer[this.length++] = CR;
    this.buffer[this.length++] = LF;
  }

  /** A type's byte and a whole number from 0 on. */
  private head(type: number, value: number): void {
    this.reserve(20);
    this.buffer[this.length++] = type;
    if (value < 10) {
      this.buffer[this.length++] = ZERO + value;
    } else {
      let digits = 2;
      for (let power = 100; power <= value; power *= 10) digits++;
      let at = this.length + digits;
      this.length = at;
      for (let rest = value; digits > 0; digits--) {
        const next = Math.floor(rest / 10);
        this.buffer[--at] = ZERO + (rest - next * 10);
        rest = next;
      }
    }
    this.end();
  }

  simple(text: string): void {
    this.line(`+${text}`);
  }
  /** Line ends would end the reply. */
  error(text: string): void {
    this.line(`-${text.replace(/[\r\n]/g, ' ')}`);
  }
  integer(value: number | bigint): void {
    if (typeof value === 'number' && value >= 0) this.head(58, value);
    else this.line(`:${value}`);
  }
  bulk(bytes: Uint8Array): void {
    this.head(DOLLAR, bytes.length);
    this.raw(bytes);
    this.reserve(2);
    this.end();
  }
  /** The head of a bulk whose bytes the caller then writes itself, with room for them and their end. */
  bulkHead(bytes: number): void {
    this.reserve(bytes + 24);
    this.head(DOLLAR, bytes);
  }
  bulkEnd(bytes: number): void {
    this.length += bytes;
    this.end();
  }
  text(text: string): void {
    this.bulk(Buffer.from(text));
  }
  null(): void {
    this.line(this.protocol === 3 ? '_' : '$-1');
  }
  nullArray(): void {
    this.line(this.protocol === 3 ? '_' : '*-1');
  }
  array(count: number): void {
    this.head(42, count);
  }
  set(count: number): void {
    this.head(this.protocol === 3 ? 126 : 42, count);
  }
  /** A map of so many pairs: key and value follow, one after the other. */
  map(pairs: number): void {
    if (this.protocol === 3) this.head(37, pairs);
    else this.head(42, pairs * 2);
  }
  boolean(value: boolean): void {
    if (this.protocol === 3) this.line(value ? '#t' : '#f');
    else this.integer(value ? 1 : 0);
  }
  double(value: number): void {
    const text = Number.isFinite(value) ? String(value) : value > 0 ? 'inf' : value < 0 ? '-inf' : 'nan';
    if (this.protocol === 3) this.line(`,${text}`);
    else this.text(text);
  }
  bigNumber(value: bigint): void {
    if (this.protocol === 3) this.line(`(${value}`);
    else this.text(String(value));
  }
  /** Text for people. */
  verbatim(text: string): void {
    if (this.protocol !== 3) {
      this.text(text);
      return;
    }
    const bytes = Buffer.from(text);
    this.head(61, bytes.length + 4);
    this.raw(Buffer.from('txt:'));
    this.raw(bytes);
    this.reserve(2);
    this.end();
  }
}
