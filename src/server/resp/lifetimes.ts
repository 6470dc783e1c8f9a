import { LIMITS } from '../../base/limits.js';
import { ReplyError } from './errors.js';
import { integerOf } from './numbers.js';

/** How a command's number says when a value expires. */
export interface Unit {
  readonly ms: 1 | 1_000;
  /** Since 1970, not from now. */
  readonly absolute: boolean;
}

/** Options of SET and GETEX. */
export const UNITS: ReadonlyMap<string, Unit> = new Map([
  ['ex', { ms: 1_000, absolute: false }],
  ['px', { ms: 1, absolute: false }],
  ['exat', { ms: 1_000, absolute: true }],
  ['pxat', { ms: 1, absolute: true }],
]);

const LEAST = -(1n << 63n);

/**
 * When a value expires, in milliseconds since 1970; it may be over, even below 0.
 *
 * @throws ReplyError also for what is later than this store can keep
 */
export function timeOf(bytes: Uint8Array, { ms, absolute }: Unit, command: string, nowMs: number): number {
  const given = integerOf(bytes) * BigInt(ms);
  const time = absolute ? given : given + BigInt(nowMs);
  if (given < LEAST || time > BigInt(LIMITS.maxExpiresAtMs)) throw invalidTime(command);
  return Number(time);
}

/** The same for the commands that take no number below 1. @throws ReplyError */
export function laterTimeOf(bytes: Uint8Array, unit: Unit, command: string, nowMs: number): number {
  if (integerOf(bytes) <= 0n) throw invalidTime(command);
  return timeOf(bytes, unit, command, nowMs);
}

function invalidTime(command: string): ReplyError {
  return new ReplyError(`ERR invalid expire time in '${command}' command`);
}
