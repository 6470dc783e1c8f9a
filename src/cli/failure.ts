import { CommanderError } from 'commander';
import { RingletError } from '../base/errors.js';

export interface Failure {
  /** One line for stderr; absent when the parser of the command line has already said it. */
  readonly line?: string;
  /** 2 for a mistake in the use of the command, or a value outside its range; else 1. */
  readonly exitCode: number;
}

/** Whoever read our output has seen enough, as in `ringlet scan | head`: no fault, and nothing more to do. */
export class ReaderGone extends Error {}

/** Any error as one line and an exit code. A stack is for our own faults, and only when asked for. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CommanderError) return { exitCode: error.exitCode === 0 ? 0 : 2 };
  if (error instanceof ReaderGone) return { exitCode: 0 };
  const known = error instanceof RingletError;
  const code = known ? error.code : 'INTERNAL';
  const message = error instanceof Error ? error.message : String(error);
  const stack = process.env['RINGLET_DEBUG'] && error instanceof Error ? `\n${error.stack ?? ''}` : '';
  const line = `ringlet: ${code}: ${oneLine(message)}${stack}`;
  return { line, exitCode: code === 'USAGE' || code === 'BAD_REQUEST' ? 2 : 1 };
}

/** What somebody gave may be part of it: it neither begins another line nor moves the cursor of a terminal. */
export function oneLine(text: string): string {
  return printable(text.replaceAll(/\s*\n\s*/g, ' '));
}

/** Control characters, which a terminal would obey, and those that turn the direction of writing, as hexadecimal digits. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (control) => {
    const digits = control.charCodeAt(0).toString(16);
    return digits.length <= 2 ? `\\x${digits.padStart(2, '0')}` : `\\u${digits.padStart(4, '0')}`;
  });
}
