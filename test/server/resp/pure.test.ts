import fc from '../../properties.js';
import { describe, expect, test } from 'vitest';
import { RingletError } from '../../../src/base/errors.js';
import { allDone } from '../../../src/server/resp/all-done.js';
import { errorText, ReplyError, unknownCommand } from '../../../src/server/resp/errors.js';
import { Gate } from '../../../src/server/resp/gate.js';
import { Glob } from '../../../src/server/resp/glob.js';
import { decimalSum, integerIn, sumOf } from '../../../src/server/resp/numbers.js';
import { Pipeline } from '../../../src/server/resp/pipeline.js';
import { QuickCommands } from '../../../src/server/resp/quick.js';
import { ReplyWriter } from '../../../src/server/resp/reply-writer.js';
import { ScanCursors } from '../../../src/server/resp/scan-cursors.js';

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1');

describe('globs', () => {
  test.each([
    ['h?llo', 'hello', true],
    ['h*llo', 'heeeello', true],
    ['h[ae]llo', 'hillo', false],
    ['h[^e]llo', 'hallo', true],
    ['h[^e]llo', 'hello', false],
    ['h[a-b]llo', 'hbllo', true],
    ['h[b-a]llo', 'hallo', true],
    ['a\\*b', 'a*b', true],
    ['a\\*b', 'axb', false],
    ['[\\]]', ']', true],
    ['[abc', 'b', true],
    ['*', '', true],
    ['', 'a', false],
    ['a**b', 'a--b', true],
    ['\\', '\\', true],
  ])('%s on %s: %s', (pattern, text, matches) => {
    expect(new Glob(bytes(pattern)).matches(bytes(text))).toBe(matches);
  });

  test('stars, question marks and classes mean what a regular expression says', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 12 });
    const parts = fc.array(fc.constantFrom('a', 'b', 'c', '*', '?', '[ab]', '[^a]', '[a-b]'), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(parts, letters, (pattern, text) => {
        const expression = pattern.map((part) => (part === '*' ? '.*' : part === '?' ? '.' : part)).join('');
        expect(new Glob(bytes(pattern.join(''))).matches(bytes(text))).toBe(
          new RegExp(`^${expression}$`).test(text),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test('a pattern made to backtrack does not', () => {
    const glob = new Glob(bytes(`${'a*'.repeat(500)}b`));
    let looked = 0;
    const text = new Proxy(new Uint8Array(2_000).fill(97), {
      get(target, name) {
        if (typeof name === 'string' && /^\d+$/.test(name)) looked++;
        return Reflect.get(target, name) as unknown;
      },
    });
    expect(glob.matches(text)).toBe(false);
    expect(looked).toBeLessThan(1_001 * 2_000);
  });

  test('the prefix of all matches', () => {
    expect(String(new Glob(bytes('user:*')).prefix)).toBe('user:');
    expect(String(new Glob(bytes('a\\*b?')).prefix)).toBe('a*b');
    expect(String(new Glob(bytes('*')).prefix)).toBe('');
  });
});

describe('numbers', () => {
  test('64-bit integers in their shortest form, and nothing else', () => {
    expect(integerIn(bytes('9223372036854775807'))).toBe(9223372036854775807n);
    expect(integerIn(bytes('-9223372036854775808'))).toBe(-9223372036854775808n);
    for (const text of ['', '9223372036854775808', '01', '+1', '-0', ' 1', '1.0', '1e3', 'x']) {
      expect(integerIn(bytes(text))).toBeUndefined();
    }
    expect(() => sumOf(9223372036854775807n, 1n)).toThrow('ERR increment or decrement would overflow');
  });

  test.each([
    ['0.1', '0.2', '0.3'],
    ['10.50', '0.1', '10.6'],
    ['5.0e3', '200', '5200'],
    ['3', '-3', '0'],
    ['-1.5', '0.25', '-1.25'],
    ['1e-20', '0', '0'],
    ['.5', '1.', '1.5'],
    ['12345678901234567890', '1', '12345678901234567891'],
  ])('%s + %s = %s', (a, b, sum) => {
    expect(decimalSum(bytes(a), bytes(b))).toBe(sum);
  });
  test.each(['', 'x', '1.2.3', '.', 'nan', '1e9999', ' 1'])('%j is no decimal number', (text) => {
    expect(() => decimalSum(bytes(text), bytes('1'))).toThrow('ERR value is not a valid float');
  });
});

describe('replies', () => {
  function written(protocol: 2 | 3, write: (reply: ReplyWriter) => void): string {
    const reply = new ReplyWriter();
    reply.protocol = protocol;
    write(reply);
    return reply.take().toString('latin1');
  }

  test.each<[string, (reply: ReplyWriter) => void, string, string]>([
    ['null', (reply) => reply.null(), '$-1\r\n', '_\r\n'],
    ['null array', (reply) => reply.nullArray(), '*-1\r\n', '_\r\n'],
    ['map', (reply) => reply.map(2), '*4\r\n', '%2\r\n'],
    ['set', (reply) => reply.set(1), '*1\r\n', '~1\r\n'],
    ['boolean', (reply) => reply.boolean(true), ':1\r\n', '#t\r\n'],
    ['double', (reply) => reply.double(1.5), '$3\r\n1.5\r\n', ',1.5\r\n'],
    ['infinity', (reply) => reply.double(-Infinity), '$4\r\n-inf\r\n', ',-inf\r\n'],
    [
      'big number',
      (reply) => reply.bigNumber(1n << 70n),
      '$22\r\n1180591620717411303424\r\n',
      '(1180591620717411303424\r\n',
    ],
    ['verbatim', (reply) => reply.verbatim('hi'), '$2\r\nhi\r\n', '=6\r\ntxt:hi\r\n'],
    ['error', (reply) => reply.error('ERR a\r\nb'), '-ERR a  b\r\n', '-ERR a  b\r\n'],
    ['negative', (reply) => reply.integer(-7), ':-7\r\n', ':-7\r\n'],
    ['large', (reply) => reply.integer(9007199254740991), ':9007199254740991\r\n', ':9007199254740991\r\n'],
    [
      '64 bits',
      (reply) => reply.integer(-(1n << 63n)),
      ':-9223372036854775808\r\n',
      ':-9223372036854775808\r\n',
    ],
  ])('%s', (_name, write, two, three) => {
    expect([written(2, write), written(3, write)]).toEqual([two, three]);
  });

  test('whole numbers and bulks of every length', () => {
    for (const n of [0, 9, 10, 99, 100, 101, 999, 1_000, 65_535, 123_456_789]) {
      expect(written(2, (reply) => reply.array(n))).toBe(`*${n}\r\n`);
    }
    for (const length of [0, 1, 63, 64, 65, 1_023, 70_000]) {
      const value = 'v'.repeat(length);
      expect(written(2, (reply) => reply.bulk(bytes(value)))).toBe(`$${length}\r\n${value}\r\n`);
    }
  });

  test('a reply is taken back as long as nothing of it has left', () => {
    const reply = new ReplyWriter();
    reply.simple('OK');
    reply.reset();
    const { position } = reply;
    reply.array(3);
    expect(reply.rollBack(position)).toBe(true);
    expect(reply.length).toBe(0);
    reply.array(3);
    reply.renew();
    expect(reply.rollBack(position)).toBe(false);
  });
});

describe('error texts', () => {
  test('of unknown commands, shortened as Redis does', () => {
    expect(unknownCommand([bytes('foo'), bytes('bar')])).toBe(
      "ERR unknown command 'foo', with args beginning with: 'bar' ",
    );
    const long = unknownCommand([bytes('f'.repeat(300)), bytes('a'.repeat(300)), bytes('b')]);
    expect(long).toBe(
      `ERR unknown command '${'f'.repeat(128)}', with args beginning with: '${'a'.repeat(128)}' `,
    );
  });
  test('of the store, with words that clients of Redis know', () => {
    const seen: unknown[] = [];
    const text = (error: unknown): string => errorText(error, (one) => seen.push(one));
    expect(text(new ReplyError('ERR syntax error'))).toBe('ERR syntax error');
    expect(text(new RingletError('STORE_FULL', 'no room'))).toBe('OOM STORE_FULL: no room');
    expect(text(new RingletError('TIMEOUT', 'late', {}, { maybeApplied: true }))).toBe(
      'ERR TIMEOUT: late; it may have been applied',
    );
    expect(seen).toEqual([]);
    expect(text(new TypeError('/home/secret'))).not.toContain('secret');
    expect(seen).toHaveLength(1);
  });
});

test('a gate lets so many in, and the others in their order', async () => {
  const gate = new Gate(1);
  const order: number[] = [];
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const all = [
    gate.within(async () => {
      await opened;
      order.push(1);
    }),
    ...[2, 3].map((n) => gate.within(async () => void order.push(n))),
  ];
  expect(gate.tryEnter()).toBe(false);
  open();
  await Promise.all(all);
  expect(order).toEqual([1, 2, 3]);
  expect(gate.tryEnter()).toBe(true);
});

test('of several keys the others are waited for when one fails, and the error says how many did', async () => {
  const full = new RingletError('STORE_FULL', 'no room', { got: 1 });
  const lost = new RingletError('TIMEOUT', 'no answer', {}, { maybeApplied: true });
  let ends = 0;
  const late = (async () => {
    for (let i = 0; i < 5; i++) await Promise.resolve();
    return ++ends;
  })();
  const some = allDone([Promise.reject(full), late, Promise.reject(lost)]);
  await expect(some).rejects.toMatchObject({
    code: 'STORE_FULL',
    message: '2 of 3 keys failed: no room',
    details: { got: 1 },
    maybeApplied: true,
  });
  expect(ends).toBe(1);
  await expect(allDone([Promise.reject(full)])).rejects.toBe(full);
  expect(await allDone([Promise.resolve(1), Promise.resolve(2)])).toEqual([1, 2]);
});

test('scan cursors are numbers that say the partition; the oldest places are forgotten', () => {
  const cursors = new ScanCursors();
  const first = Number(cursors.remember('redis-0', 7, 'first'));
  expect(Number.isSafeInteger(first)).toBe(true);
  expect(cursors.placeOf('redis-0', first)).toEqual({ partition: 7, cursor: 'first' });
  expect(cursors.placeOf('redis-1', first)).toEqual({ partition: 7, cursor: undefined });
  expect(cursors.placeOf('redis-0', 0)).toEqual({ partition: 0, cursor: undefined });
  for (let i = 0; i < 4_096; i++) cursors.remember('redis-0', 8, `c${i}`);
  expect(cursors.placeOf('redis-0', first)).toEqual({ partition: 7, cursor: undefined });
});

test('a GET or SET of a store that is closed is left to the handler, which answers with the error', () => {
  const closed = (): never => {
    throw new RingletError('CLOSED', 'the store is closed');
  };
  const pipeline = new Pipeline();
  const gate = new Gate(1);
  const session = {
    keyspace: { gate, quick: { locate: () => 1, peek: closed, put: closed } },
    server: { report: () => undefined },
    answered: () => undefined,
  };
  const quick = new QuickCommands(session as never, pipeline);
  const request = (text: string): never => {
    const words = text.split(' ');
    const starts = words.map((_, i) => words.slice(0, i).join(' ').length + Math.min(i, 1));
    const ends = words.map((word, i) => starts[i]! + word.length);
    return { argc: words.length, source: bytes(text), starts, ends } as never;
  };
  expect(quick.take(request('GET k'))).toBe(false);
  expect(pipeline.size).toBe(0);
  expect(quick.take(request('SET k v'))).toBe(true);
  expect(gate.tryEnter(), 'its place is free again').toBe(true);
});
