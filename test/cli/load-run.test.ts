import { expect, test } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { readRecords } from '../../src/cli/load/input.js';
import { compileKey } from '../../src/cli/load/key-template.js';
import { keyedEntries } from '../../src/cli/load/prepare.js';
import { LoadRun, type LoadCounts } from '../../src/cli/load/run.js';

const LINES = process.env['RINGLET_LONG'] === '1' ? 100_000 : 20_000;

interface Outcome extends LoadCounts {
  told: string[];
  stored: Map<string, string>;
  attempts: number;
}

async function load(
  input: Iterable<string>,
  key: string,
  write: (key: string, value: string, attempt: number) => Promise<void> | void = () => undefined,
  repeatable = true,
): Promise<Outcome> {
  const told: string[] = [];
  const stored = new Map<string, string>();
  let attempts = 0;
  const run = new LoadRun({
    prepare: keyedEntries(compileKey(key)),
    repeatable,
    written: () => undefined,
    tell: (line) => told.push(line),
    async write({ key: name, values }) {
      const value = Buffer.from(values[0]!.bytes).toString();
      await write(String(name), value, ++attempts);
      stored.set(String(name), value);
    },
  });
  async function* chunks(): AsyncGenerator<Buffer> {
    for (const part of input) yield Buffer.from(part);
  }
  const counts = await run.run(readRecords(chunks(), { format: 'auto' }));
  return { ...counts, told, stored, attempts };
}

test('bad lines are told by number and skipped, good ones are stored compact', async () => {
  const outcome = await load(['{"id": 1}\n{"id"\n\n{"x":1}\n{"id":2}\n'], 'id');
  expect(outcome).toMatchObject({ records: 4, written: 2, bad: 2, failed: 0, bytes: 16 });
  expect(outcome.told).toEqual([
    expect.stringMatching(/^record 2 is skipped: it is no JSON/),
    'record 4 is skipped: it has no field id',
  ]);
  expect([...outcome.stored]).toEqual([
    ['1', '{"id":1}'],
    ['2', '{"id":2}'],
  ]);
});

test('numbers beyond 53 bits are keys as they stand in the record: rounded, two of them would be one', async () => {
  const lines = [
    '{"id": 1788888888888888901, "n": [ {"x": -9007199254740993 }]}',
    '{"id": 1788888888888888902, "n": [ {"x": 1e400} ]}',
    '{"id": 9007199254740991, "n": [ {"x": 2.50} ]}',
  ];
  const outcome = await load([lines.join('\n')], '{id}/{n.0.x}');
  expect(outcome).toMatchObject({ written: 3, duplicates: 0 });
  expect([...outcome.stored.keys()]).toEqual([
    '1788888888888888901/-9007199254740993',
    '1788888888888888902/1e400',
    '9007199254740991/2.5',
  ]);
});

test('a record of a hundred thousand levels is stored as it is, a key that has no UTF-8 is told', async () => {
  const deep = `{"id":1,"v":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  const outcome = await load([`${deep}\n${deep.replace('1', ' 2')}\n{"id":"\\ud800"}\n{"id":3}\n`], 'id');
  expect(outcome).toMatchObject({ records: 4, written: 3, bad: 1, failed: 0 });
  expect(outcome.told).toEqual([expect.stringMatching(/^record 3 is skipped: its key has half a surrogate/)]);
  expect(outcome.stored.get('1')).toBe(deep);
  expect(outcome.stored.get('2')).toBe(deep.replace('1', '2'));
});

test('the first 20 bad lines are told, all are counted', async () => {
  const outcome = await load(['oops\n'.repeat(50), '{"id":1}'], 'id');
  expect(outcome).toMatchObject({ bad: 50, written: 1 });
  expect(outcome.told.length).toBe(20);
});

test('of records with the same key the last one stays, however long the first takes', async () => {
  const outcome = await load(
    ['{"id":1,"v":1}\n{"id":1,"v":2}\n{"id":2}\n{"id":1,"v":3}\n'],
    'id',
    async (_key, value) => {
      const turns = value.includes('"v":1') ? 50 : 1;
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
    },
  );
  expect(outcome).toMatchObject({ written: 4, duplicates: 2 });
  expect(outcome.stored.get('1')).toBe('{"id":1,"v":3}');
});

test('a retryable failure is tried again, another one is not', async () => {
  const again = await load(['{"id":1}'], 'id', (_key, _value, attempt) => {
    if (attempt < 3) throw new RingletError('OVERLOADED', 'full');
  });
  expect(again).toMatchObject({ written: 1, failed: 0, attempts: 3 });
  const once = await load(['{"id":1}'], 'id', () => {
    throw new RingletError('VALUE_TOO_LARGE', 'too large');
  });
  expect(once).toMatchObject({ written: 0, failed: 1, attempts: 1 });
  expect(once.told).toEqual(['record 1 is not written: VALUE_TOO_LARGE: too large']);
});

test('a write that may have been applied is repeated only where that makes no sibling', async () => {
  const unsure = (_key: string, _value: string, attempt: number): void => {
    if (attempt === 1) throw new RingletError('TIMEOUT', 'late', {}, { maybeApplied: true });
  };
  expect(await load(['{"id":1}'], 'id', unsure, true)).toMatchObject({ written: 1, failed: 0 });
  expect(await load(['{"id":1}'], 'id', unsure, false)).toMatchObject({ written: 0, failed: 1 });
});

test('a hundred failures in a row end the load', async () => {
  const lines = Array.from({ length: 5_000 }, (_, i) => `{"id":${i}}\n`);
  const outcome = await load(lines, 'id', () => {
    throw new RingletError('CLOSED', 'closed');
  });
  expect(outcome.stopped).toBe('100 writes in a row failed');
  expect(outcome.failed).toBeLessThan(500);
});

test('an array that breaks off keeps what was read, and says so', async () => {
  const outcome = await load(['[{"id":1},{"id":2},{"id'], 'id');
  expect(outcome).toMatchObject({ written: 2, stopped: 'the input ends inside the array, in element 3' });
});

test('many lines in small chunks are all written, 256 at a time at most', async () => {
  const keys = LINES - 5_000;
  let inFlight = 0;
  let most = 0;
  const chunks = (function* () {
    for (let i = 0; i < LINES; i++) yield `{"id":"k${i % keys}","n":${i}}\n`;
  })();
  const outcome = await load(chunks, 'id', async () => {
    most = Math.max(most, ++inFlight);
    await new Promise((resolve) => setImmediate(resolve));
    inFlight--;
  });
  expect(outcome).toMatchObject({ records: LINES, written: LINES, bad: 0, duplicates: 5_000 });
  expect(outcome.stored.size).toBe(keys);
  expect(outcome.stored.get('k5')).toBe(`{"id":"k5","n":${keys + 5}}`);
  expect(most).toBe(256);
});

test('empty and long keys are bad records', async () => {
  const fits = 'ü'.repeat(950);
  const outcome = await load([`{"id":""}\n{"id":"${fits}x"}\n{"id":"${fits}"}`], 'id');
  expect(outcome).toMatchObject({ bad: 2, written: 1 });
  expect(outcome.told).toEqual([
    'record 1 is skipped: its key is empty',
    'record 2 is skipped: its key has 1901 bytes, at most 1900 fit',
  ]);
});

test('what is settled ends before the first record that is not written, however many behind it are', async () => {
  const entries = ['a', 'b', 'c', 'd'].map((key) => JSON.stringify({ id: key }));
  const run = new LoadRun({
    prepare: keyedEntries(compileKey('id')),
    repeatable: true,
    written: () => undefined,
    tell: () => undefined,
    write: ({ key }) => (key === 'c' ? Promise.reject(new Error('no')) : Promise.resolve()),
  });
  async function* batches(): AsyncGenerator<{ number: number; text: string }[]> {
    yield entries.map((text, i) => ({ number: i + 1, text }));
  }
  expect(await run.run(batches())).toMatchObject({ written: 3, failed: 1 });
  expect(run.settled).toBe(2);
});

test('what an earlier load has written is settled while it is skipped', async () => {
  const run = new LoadRun({
    prepare: keyedEntries(compileKey('id')),
    repeatable: true,
    after: 3,
    written: () => undefined,
    tell: () => undefined,
    write: () => Promise.resolve(),
  });
  const settled = [run.settled];
  async function* batches(): AsyncGenerator<{ number: number; text: string }[]> {
    for (let number = 1; number <= 4; number++) {
      yield [{ number, text: '{"id":1}' }];
      settled.push(run.settled);
    }
  }
  await run.run(batches());
  expect(settled).toEqual([3, 3, 3, 3, 4]);
});
