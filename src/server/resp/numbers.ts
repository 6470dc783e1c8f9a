import { notAnInteger, ReplyError } from './errors.js';

const MAX = (1n << 63n) - 1n;
const MIN = -(1n << 63n);
const INTEGER = /^(?:0|-?[1-9]\d{0,18})$/;

/** A 64-bit integer in its shortest form, as Redis takes it; undefined for anything else. */
export function integerIn(bytes: Uint8Array): bigint | undefined {
  if (bytes.length > 20 || bytes.length === 0) return undefined;
  const text = latin1(bytes);
  if (!INTEGER.test(text)) return undefined;
  const value = BigInt(text);
  return value >= MIN && value <= MAX ? value : undefined;
}

/** @throws ReplyError */
export function integerOf(bytes: Uint8Array): bigint {
  const value = integerIn(bytes);
  if (value === undefined) throw notAnInteger();
  return value;
}

/** A whole number within a range of safe integers. @throws ReplyError */
export function numberOf(bytes: Uint8Array, least: number, most: number, error = ''): number {
  const value = integerIn(bytes);
  if (value === undefined || value < BigInt(least) || value > BigInt(most)) {
    throw error === '' ? notAnInteger() : new ReplyError(error);
  }
  return Number(value);
}

/** @throws ReplyError when it leaves 64 bits */
export function sumOf(a: bigint, b: bigint): bigint {
  const sum = a + b;
  if (sum > MAX || sum < MIN) throw new ReplyError('ERR increment or decrement would overflow');
  return sum;
}

/** A decimal fraction: `digits` × 10^−`scale`. */
interface Decimal {
  readonly digits: bigint;
  readonly scale: number;
}

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,4}))?$/;
const INFINITE = /^[+-]?inf(?:inity)?$/i;
const BEYOND = 'ERR increment would produce NaN or Infinity';
/** Redis prints 17 digits behind the point. */
const PRINTED_SCALE = 17;
/** Beyond, a double would be infinite, or zero. */
const MAX_SCALE = 340;

function decimalOf(bytes: Uint8Array): Decimal {
  const text = bytes.length <= 400 ? latin1(bytes) : '';
  if (INFINITE.test(text)) throw new ReplyError(BEYOND);
  const match = text === '' ? null : DECIMAL.exec(text);
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match ?? [];
  const scale = fraction.length - Number(exponent);
  if (match === null || whole + fraction === '' || Math.abs(scale) > MAX_SCALE) {
    throw new ReplyError('ERR value is not a valid float');
  }
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  return scale >= 0 ? { digits, scale } : { digits: digits * 10n ** BigInt(-scale), scale: 0 };
}

/** The exact sum of two decimal numbers, rounded to what Redis prints. @throws ReplyError */
export function decimalSum(a: Uint8Array, b: Uint8Array): string {
  const left = decimalOf(a);
  const right = decimalOf(b);
  const scale = Math.max(left.scale, right.scale);
  const sum =
    left.digits * 10n ** BigInt(scale - left.scale) + right.digits * 10n ** BigInt(scale - right.scale);
  if (!Number.isFinite(Number(sum) / 10 ** Math.min(scale, 300))) {
    throw new ReplyError(BEYOND);
  }
  return print(sum, scale);
}

function print(value: bigint, scale: number): string {
  let digits = value < 0n ? -value : value;
  let places = scale;
  if (places > PRINTED_SCALE) {
    const unit = 10n ** BigInt(places - PRINTED_SCALE);
    digits = (digits + unit / 2n) / unit;
    places = PRINTED_SCALE;
  }
  const text = digits.toString().padStart(places + 1, '0');
  const whole = text.slice(0, text.length - places);
  const fraction = text.slice(text.length - places).replace(/0+$/, '');
  const printed = fraction === '' ? whole : `${whole}.${fraction}`;
  return value < 0n && printed !== '0' ? `-${printed}` : printed;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
