import { splitInline } from '../../../src/server/resp/inline.js';
import type { ParserLimits } from '../../../src/server/resp/parser.js';

export interface Parsed {
  /** Words in latin1. */
  readonly requests: readonly string[][];
  readonly error: string | undefined;
}

/** The grammar read off a whole string, with no thought of speed or chunks: what the real parser is compared with. */
export function parseNaively(text: string, limits: ParserLimits): Parsed {
  const requests: string[][] = [];
  let rest = text;
  try {
    for (;;) {
      const [words, after] = rest.startsWith('*') ? array(rest, limits) : inline(rest, limits);
      if (words.length > 0) requests.push(words);
      rest = after;
    }
  } catch (reason) {
    return { requests, error: reason === CUT ? undefined : (reason as Error).message };
  }
}

const CUT = Symbol('more must come');

/** A number in its shortest form up to CRLF; wrong bytes are an error as soon as they are there. */
function line(text: string, error: string): [value: number, after: string] {
  const digits = /^-?\d*/.exec(text)![0];
  const magnitude = digits.replace('-', '');
  if (/^0\d/.test(magnitude) || Number(magnitude) > 1e15) throw new Error(error);
  const behind = text.slice(digits.length);
  if (behind === '') throw CUT;
  if (behind[0] !== '\r' || magnitude === '') throw new Error(error);
  if (behind.length === 1) throw CUT;
  if (behind[1] !== '\n') throw new Error(error);
  return [Number(digits), behind.slice(2)];
}

function array(text: string, limits: ParserLimits): [words: string[], after: string] {
  let [count, rest] = line(text.slice(1), 'invalid multibulk length');
  if (count > limits.arguments) throw new Error('invalid multibulk length');
  const words: string[] = [];
  for (; words.length < count;) {
    if (rest === '') throw CUT;
    if (rest[0] !== '$') throw new Error("expected '$'");
    const [length, behind] = line(rest.slice(1), 'invalid bulk length');
    const before = text.length - behind.length;
    if (length < 0 || length > limits.bulkBytes || before + length > limits.requestBytes) {
      throw new Error('invalid bulk length');
    }
    const end = behind.slice(length, length + 2);
    if ((end !== '' && end[0] !== '\r') || (end.length === 2 && end !== '\r\n'))
      throw new Error('invalid bulk length');
    if (end.length < 2) throw CUT;
    words.push(behind.slice(0, length));
    rest = behind.slice(length + 2);
  }
  return [words, rest];
}

function inline(text: string, limits: ParserLimits): [words: string[], after: string] {
  const newline = text.indexOf('\n');
  const length = newline < 0 ? text.length : newline;
  if (length > Math.min(64 << 10, limits.requestBytes)) throw new Error('too big inline request');
  if (newline < 0) throw CUT;
  const words = splitInline(Buffer.from(text.slice(0, newline).replace(/\r$/, ''), 'latin1'));
  if (words === undefined) throw new Error('unbalanced quotes in request');
  if (words.length > limits.arguments) throw new Error('too big inline request');
  return [words.map((word) => word.toString('latin1')), text.slice(newline + 1)];
}
