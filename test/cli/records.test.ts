import { describe, expect, test } from 'vitest';
import { readRecords } from '../../src/cli/load/input.js';
import { ArraySplitter, LineSplitter, type Format, type RawRecord } from '../../src/cli/load/records.js';

async function* inChunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(
  input: string | Buffer,
  size = 1 << 16,
  format: Format | 'auto' = 'auto',
): Promise<RawRecord[]> {
  const records: RawRecord[] = [];
  for await (const batch of readRecords(inChunks(Buffer.from(input), size), { format }))
    records.push(...batch);
  return records;
}

const texts = (records: RawRecord[]): (string | undefined)[] => records.map(({ text }) => text);

const TRICKY = [
  '{"a":"]},{[\\"","b":[1,[2,{"c":"\\\\"}]]}',
  '"just, a ] string"',
  '[[],[1,2]]',
  '-1.5e3',
  'null',
  '{"ü":"Zürich 🎈"}',
];

describe('the borders of records do not depend on the borders of chunks', () => {
  test.each([1, 2, 3, 5, 7, 64, 1 << 16])('chunks of %d bytes', async (size) => {
    expect(texts(await read(`[\n ${TRICKY.join(' ,\r\n\t')} \n]\n`, size))).toEqual(TRICKY);
    expect(texts(await read(TRICKY.join('\n'), size, 'ndjson'))).toEqual(TRICKY);
    expect(texts(await read(`${TRICKY.join('\r\n')}\r\n`, size, 'ndjson'))).toEqual(TRICKY);
  });
});

describe('NDJSON', () => {
  test('numbers are those of lines, blank ones counted and not reported', async () => {
    expect(await read('1\n\n  \n2')).toEqual([
      { number: 1, text: '1' },
      { number: 4, text: '2' },
    ]);
  });

  test('a line that is no JSON stays one record', async () => {
    expect(texts(await read('{"a":1}\n{"a"\n]\n{"a":2}\n'))).toEqual(['{"a":1}', '{"a"', ']', '{"a":2}']);
  });

  test('a byte order mark and inputs of up to two bytes are read', async () => {
    expect(texts(await read('\uFEFF{"a":1}\n', 1))).toEqual(['{"a":1}']);
    expect(texts(await read('1'))).toEqual(['1']);
    expect(await read('')).toEqual([]);
    expect(await read(' \n')).toEqual([]);
  });

  test('a record that is not UTF-8 is reported, and those around it are read', async () => {
    const input = Buffer.concat([Buffer.from('1\n"'), Buffer.from([0xff]), Buffer.from('"\n3\n')]);
    expect(await read(input)).toEqual([
      { number: 1, text: '1' },
      { number: 2, problem: 'not UTF-8' },
      { number: 3, text: '3' },
    ]);
  });
});

describe('arrays', () => {
  test('are told from lines by their first character', async () => {
    expect(texts(await read(' \n [1,2]'))).toEqual(['1', '2']);
    expect(texts(await read('[1,2]\n[3]', 4, 'ndjson'))).toEqual(['[1,2]', '[3]']);
    expect(await read('[]')).toEqual([]);
    expect(await read('\uFEFF [ ]', 1)).toEqual([]);
  });

  test('an empty element is a record, and a bad one', async () => {
    expect(texts(await read('[1,,2,]'))).toEqual(['1', '', '2', '']);
  });

  test('an element that is no JSON does not end the array', async () => {
    expect(texts(await read('[{"a":},oops,{"b":1]},{"c":1}]'))).toEqual([
      '{"a":}',
      'oops',
      '{"b":1]}',
      '{"c":1}',
    ]);
  });

  test('what ends inside, goes on after the end, or is none at all is an error', async () => {
    await expect(read('[1,2')).rejects.toThrow('the input ends inside the array, in element 2');
    await expect(read('[1,"2]')).rejects.toThrow('ends inside the array');
    await expect(read('[1] 2')).rejects.toThrow('after the end');
    await expect(read('{"a":1}', 64, 'array')).rejects.toThrow('no array');
  });
});

test('a record above the limit is forgotten as it comes, and the next one is read', () => {
  const lines = new LineSplitter(10);
  const found = [
    ...lines.push(Buffer.from('"123456')),
    ...lines.push(Buffer.from('7890"\n"ok"\n')),
    ...lines.end(),
  ];
  expect(found).toEqual([
    { number: 1, problem: 'longer than 10 bytes' },
    { number: 2, text: '"ok"' },
  ]);
  const array = new ArraySplitter(10);
  expect(array.push(Buffer.from('["1234567890",1]'))).toEqual([
    { number: 1, problem: 'longer than 10 bytes' },
    { number: 2, text: '1' },
  ]);
});

test('a record of 512 MiB does not stay in memory', () => {
  const lines = new LineSplitter(1 << 20);
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 512; i++) expect(lines.push(Buffer.alloc(1 << 20, 0x20))).toEqual([]);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(256 << 20);
  expect(lines.end()).toEqual([{ number: 1, problem: 'longer than 1048576 bytes' }]);
});
