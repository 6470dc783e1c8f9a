import { RingletError, type ErrorCode } from '../../src/base/errors.js';

/** Something that takes bytes from outside. */
export interface Target {
  readonly name: string;
  /** Sound inputs, of which others are made by changing them. */
  readonly seeds: readonly Uint8Array[];
  /** Throws, or rejects, if the input did what none may do. An input that is refused in the right way is fine. */
  check(input: Buffer): void | Promise<void>;
  close?(): Promise<void>;
}

/** Runs what may refuse its input with one of these codes, and in no other way. Undefined if it did. */
export function refusable<T>(run: () => T, ...codes: readonly ErrorCode[]): T | undefined {
  try {
    return run();
  } catch (error) {
    if (error instanceof RingletError && codes.includes(error.code)) return undefined;
    throw error;
  }
}

/** Cuts an input at places that follow from it, so that an input says everything about its run. */
export function piecesOf(input: Buffer): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (let step = input.length % 7; at < input.length; step = (step * 31 + input[at]!) % 97) {
    const end = Math.min(input.length, at + 1 + step);
    pieces.push(Buffer.from(input.subarray(at, end)));
    at = end;
    if (at >= input.length) break;
  }
  return pieces;
}
