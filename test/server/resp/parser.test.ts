import fc from '../../properties.js';
import { describe, expect, test } from 'vitest';
import { splitInline } from '../../../src/server/resp/inline.js';
import { ProtocolError } from '../../../src/server/resp/errors.js';
import { type ParserLimits, RequestParser } from '../../../src/server/resp/parser.js';
import { type Parsed, parseNaively } from './naive-parser.js';

const LONG = process.env['RINGLET_LONG'] === '1';
const LIMITS: ParserLimits = { bulkBytes: 200, arguments: 12, requestBytes: 400 };

/** All requests of a text that arrives in chunks cut at these places. */
function parse(text: string, cuts: readonly number[], limits = LIMITS, authenticated = true): Parsed {
  const parser = new RequestParser(limits);
  parser.authenticated = authenticated;
  const bytes = Buffer.from(text, 'latin1');
  const requests: string[][] = [];
  const sources: { words: string[]; views: Buffer[] }[] = [];
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let error: string | undefined;
  try {
    let from = 0;
    for (const to of [...places, bytes.length]) {
      // A copy each, as a socket gives them.
      parser.feed(Buffer.from(bytes.subarray(from, to)));
      from = to;
      while (parser.next()) {
        const views = Array.from({ length: parser.argc }, (_, i) => parser.argument(i));
        const words = views.map((view) => view.toString('latin1'));
        requests.push(words);
        sources.push({ words, views });
      }
    }
  } catch (reason) {
    expect(reason).toBeInstanceOf(ProtocolError);
    error = (reason as Error).message.replace('ERR Protocol error: ', '').replace(/(?<=^expected '.').*/, '');
  }
  // Whoever keeps an argument still has it, whatever came later.
  for (const { words, views } of sources) expect(views.map((view) => view.toString('latin1'))).toEqual(words);
  return { requests, error };
}

const word = fc.oneof(
  fc.string({
    unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
    maxLength: 30,
  }),
  fc.constantFrom('', 'GET', '\r\n', '$3\r\nabc\r\n', '"', "'"),
  fc.integer({ min: 0, max: 230 }).map((length) => 'x'.repeat(length)),
);
const asArray = fc
  .array(word, { maxLength: 14 })
  .map((words) => `*${words.length}\r\n${words.map((one) => `$${one.length}\r\n${one}\r\n`).join('')}`);
const asInline = fc.constantFrom(
  'PING\r\n',
  '\n',
  '  set "a b" \'c\' \r\n',
  '"\\x41\\n\\"" x\n',
  '"open\r\n',
  `${'y'.repeat(500)}\r\n`,
  '"a"b\n',
);
const odd = fc.constantFrom(
  '*0\r\n',
  '*-1\r\n',
  '*3\n',
  '*01\r\n',
  '*1\r\n$-1\r\n',
  '*1\r\nx',
  '$4\r\n',
  '*99\r\n',
  '*1\r\n$00\r\n',
  '\r',
  '*',
  '-',
);
const stream = fc
  .array(fc.oneof(asArray, asArray, asInline, odd), { maxLength: 6 })
  .map((parts) => parts.join(''));
/** A byte changed, or the end lost. */
const broken = fc
  .tuple(stream, fc.nat(), fc.integer({ min: 0, max: 255 }), fc.boolean())
  .map(([text, at, code, cut]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + (cut ? '' : String.fromCharCode(code) + text.slice(place + 1));
  });

test('any stream in any chunks is what the grammar says, errors included', () => {
  fc.assert(
    fc.property(fc.oneof(stream, broken), fc.array(fc.nat(), { maxLength: 12 }), (text, cuts) => {
      expect(parse(text, cuts)).toEqual(parseNaively(text, LIMITS));
    }),
    { numRuns: LONG ? 200_000 : 3_000 },
  );
});

test('byte by byte is the same as at once', () => {
  const text = '*2\r\n$3\r\nGET\r\n$5\r\nkey\r\n\r\nset "a b" 1\n*1\r\n$4\r\nPING\r\n';
  const every = Array.from({ length: text.length }, (_, i) => i);
  expect(parse(text, every)).toEqual(parse(text, []));
  expect(parse(text, every).requests).toEqual([['GET', 'key\r\n'], ['set', 'a b', '1'], ['PING']]);
});

describe('protocol errors read as those of Redis', () => {
  test.each([
    ['*99999999\r\n', 'invalid multibulk length'],
    ['*abc\r\n', 'invalid multibulk length'],
    ['*1\r\n:5\r\n', "expected '$'"],
    ['*1\r\n$-5\r\n', 'invalid bulk length'],
    ['*1\r\n$2147483647\r\n', 'invalid bulk length'],
    ['a'.repeat(70_000), 'too big inline request'],
    ['set "a\r\n', 'unbalanced quotes in request'],
  ])('%j', (text, error) => {
    expect(parse(text, []).error).toBe(error);
  });

  test('before authentication', () => {
    const limits = { bulkBytes: 16 << 10, arguments: 10, requestBytes: 200 << 10 };
    expect(parse('*11\r\n', [], limits, false).error).toBe('unauthenticated multibulk length');
    expect(parse('*1\r\n$16385\r\n', [], limits, false).error).toBe('unauthenticated bulk length');
    expect(parse('*10\r\n$1\r\n', [], limits, false).error).toBeUndefined();
  });
});

test('what is held of a request grows with what has arrived, not with what was announced', () => {
  const parser = new RequestParser({ bulkBytes: 1 << 30, arguments: 1 << 20, requestBytes: 1 << 30 });
  const before = process.memoryUsage();
  for (let i = 0; i < 200; i++) {
    const each = i === 0 ? parser : new RequestParser(parser.limits);
    each.feed(Buffer.from('*1000000\r\n$900000000\r\nab'));
    expect(each.next()).toBe(false);
    each.feed(Buffer.from('c'));
    expect(each.next()).toBe(false);
    expect(each.heldBytes).toBe(25);
  }
  const after = process.memoryUsage();
  expect(after.arrayBuffers + after.external - before.arrayBuffers - before.external).toBeLessThan(32 << 20);
});

test('a long value in small chunks is not copied over and over', () => {
  const value = Buffer.alloc(8 << 20, 'v');
  const parser = new RequestParser({ bulkBytes: 16 << 20, arguments: 3, requestBytes: 17 << 20 });
  parser.feed(Buffer.from(`*1\r\n$${value.length}\r\n`));
  let found = parser.next();
  const buffers = new Set<ArrayBufferLike>();
  for (let at = 0; at < value.length; at += 4_096) {
    parser.feed(Buffer.from(value.subarray(at, at + 4_096)));
    found = parser.next();
    buffers.add((parser as unknown as { buffer: Buffer }).buffer.buffer);
  }
  expect(found).toBe(false);
  parser.feed(Buffer.from('\r\n'));
  expect(parser.next()).toBe(true);
  expect(parser.argument(0).equals(value)).toBe(true);
  expect(buffers.size).toBeLessThan(24);
});

test('inline words are those that a shell would make', () => {
  const words = (line: string) => splitInline(Buffer.from(line))?.map((one) => one.toString('latin1'));
  expect(words('  a  b ')).toEqual(['a', 'b']);
  expect(words(String.raw`"\x00\xff\n\t\a\q" 'it\'s \n'`)).toEqual([
    '\0\u00ff\n\t\x07q',
    String.raw`it's \n`,
  ]);
  expect(words('""')).toEqual(['']);
  expect(words('a"b c"')).toEqual(['ab c']);
  expect(words('"a')).toBeUndefined();
  expect(words('"a"b')).toBeUndefined();
});
