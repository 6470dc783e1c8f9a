import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from '../properties.js';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { Entry } from '../../src/cli/entries/entry.js';
import { readEntry } from '../../src/cli/entries/read.js';
import { exportHead, exportLine, type ExportFormat } from '../../src/cli/entries/write.js';
import { ExportFile } from '../../src/cli/export/sink.js';
import { readRecords } from '../../src/cli/load/input.js';
import { LoadCheckpoint } from '../../src/cli/load/resume.js';
import type { RawRecord } from '../../src/cli/load/records.js';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import { FakeStore } from '../server/fake-store.js';
import { runHere } from './in-process.js';

const dir = mkdtempSync(join(tmpdir(), 'ringlet-export-'));
afterAll(() => rmSync(dir, { recursive: true }));

async function recordsOf(input: Buffer, format: ExportFormat, chunk: number): Promise<RawRecord[]> {
  async function* chunks(): AsyncGenerator<Buffer> {
    for (let at = 0; at < input.length; at += chunk) yield input.subarray(at, at + chunk);
  }
  const records: RawRecord[] = [];
  for await (const batch of readRecords(chunks(), { format, exported: true })) records.push(...batch);
  return records;
}

const jsonValue = fc.json().map((text) => ({ bytes: Buffer.from(text), contentType: 'application/json' }));
const anyValue = fc.record({
  bytes: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
  contentType: fc.constantFrom('text/plain;charset=utf-8', 'application/json', 'image/x, "quoted"\n'),
});
const entry = fc.record({
  key: fc.oneof(
    fc.string({ minLength: 1, maxLength: 20, unit: 'binary' }).map((text) => Buffer.from(text)),
    fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes)),
  ),
  values: fc.array(
    fc.tuple(fc.oneof(jsonValue, anyValue), fc.option(fc.integer({ min: 1, max: 2e12 }), { nil: undefined })),
    { minLength: 1, maxLength: 3 },
  ),
});

describe('what export writes, load reads back', () => {
  test.each(['ndjson', 'csv'] as const)('%s: any keys, values, siblings and times', async (format) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 8 }),
        fc.integer({ min: 1, max: 200 }),
        async (entries, chunk) => {
          const listed = entries.map(({ key, values }) => ({
            key,
            cursor: '',
            context: '',
            siblings: values.map(([{ bytes, contentType }, expiresAtMs]) => ({
              value: bytes,
              contentType,
              modifiedAtMs: 0,
              ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
            })),
          }));
          const text = exportHead(format) + listed.map((one) => exportLine(one, format)).join('');
          const records = await recordsOf(Buffer.from(text), format, chunk);
          const read = records.map(({ text: json = '', problem }): Entry => {
            expect(problem).toBeUndefined();
            return readEntry(json);
          });
          expect(read.map(({ key, values }) => ({ key: Buffer.from(key).toString('hex'), values }))).toEqual(
            listed.map(({ key, siblings }) => ({
              key: key.toString('hex'),
              values: siblings.map(({ value, contentType, expiresAtMs }) => ({
                bytes: compact(value, { contentType }),
                contentType,
                ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
              })),
            })),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  test('numbers beyond 53 bits and repeated members keep their text', () => {
    const value = '{"id":12345678901234567890,"a":1,"a":[2,{"b":"],}"}]}';
    const line = exportLine(
      {
        key: Buffer.from('k'),
        cursor: '',
        context: '',
        siblings: [{ value: Buffer.from(value), contentType: 'application/json', modifiedAtMs: 0 }],
      },
      'ndjson',
    );
    expect(line).toBe(`{"key":"k","json":${value}}\n`);
    expect(Buffer.from(readEntry(line.trim()).values[0]!.bytes).toString()).toBe(value);
  });

  test.each([
    ['{"id":1}', 'it has "id", known are key'],
    ['[1]', 'it is no object'],
    ['{"json":1}', 'it has neither key nor keyBase64'],
    ['{"key":"a"}', 'it has neither json nor base64'],
    ['{"key":"a","json":1,"base64":""}', 'it has both json and base64'],
    ['{"key":"a","base64":"_"}', 'it: base64 is no base64'],
    ['{"key":7,"json":1}', 'its key is no text'],
    ['{"key":"a","json":1,"expiresAt":"soon"}', 'it: expiresAt is no time in ISO 8601'],
    ['{"key":"a","siblings":[]}', 'its siblings are no list of values'],
    ['{"key":"a","siblings":[{"json":1},{"key":"b"}]}', 'its sibling 2 has "key"'],
  ])('%s is a bad record', (text, why) => {
    expect(() => readEntry(text)).toThrow(why);
  });
});

/** JSON is written without white space. */
function compact(value: Buffer, { contentType }: { contentType: string }): Buffer {
  try {
    if (contentType === 'application/json') return Buffer.from(JSON.stringify(JSON.parse(value.toString())));
  } catch {
    // It is none.
  }
  return value;
}

describe('CSV of other programs', () => {
  const rows = async (csv: string, columns?: string[], chunk = 5): Promise<RawRecord[]> => {
    async function* chunks(): AsyncGenerator<Buffer> {
      const bytes = Buffer.from(csv);
      for (let at = 0; at < bytes.length; at += chunk) yield bytes.subarray(at, at + chunk);
    }
    const records: RawRecord[] = [];
    const format = { format: 'csv' as const, ...(columns === undefined ? {} : { columns }) };
    for await (const batch of readRecords(chunks(), format)) records.push(...batch);
    return records;
  };

  test('the first line names the columns, rows are numbered by the line where they begin', async () => {
    expect(await rows('\uFEFFid,name\r\n1,"two\nlines"\r\n\r\n2," a ""b"""\n3,')).toEqual([
      { number: 2, text: '{"id":"1","name":"two\\nlines"}' },
      { number: 5, text: '{"id":"2","name":" a \\"b\\""}' },
      { number: 6, text: '{"id":"3","name":""}' },
    ]);
    expect(await rows('1,2\n', ['a', 'b'])).toEqual([{ number: 1, text: '{"a":"1","b":"2"}' }]);
  });

  test.each([1, 7, 1_000])('a malformed row costs itself and no other (chunks of %d)', async (chunk) => {
    const found = await rows('a,b\n1,"x"y\n2,c"d\n3,e\n4\n5,"open\nend', undefined, chunk);
    expect(found.map(({ number, text, problem }) => [number, text ?? problem])).toEqual([
      [2, expect.stringContaining('Quote') as string],
      [3, expect.stringContaining('Quote') as string],
      [4, '{"a":"3","b":"e"}'],
      [5, 'it has 1 fields, expected 2'],
      [6, expect.stringContaining('Quote Not Closed') as string],
    ]);
  });

  test('a head that names a column twice or not at all is wrong use', async () => {
    await expect(rows('a,a\n')).rejects.toThrow('columns (line 1): got "a,a"');
    await expect(rows('a,,b\n')).rejects.toThrow('columns (line 1)');
    await expect(rows('a,b\r1,2\r3,4\r')).rejects.toThrow('ends in LF or CR LF');
    await expect(rows('a,"b\n1,2\n')).rejects.toThrow('columns (line 1, Quote Not Closed');
  });
});

describe('an export that is interrupted goes on', () => {
  const purpose = { bucket: 'b', prefix: null, format: 'ndjson' };

  test('behind the last key that is noted, whatever was written after it', async () => {
    const out = join(dir, 'interrupted.ndjson');
    const first = await ExportFile.open(out, purpose, true);
    await first.write('one\n', 'cursor-1');
    await first.interrupted();
    writeFileSync(out, 'one\nhalf a li');
    const second = await ExportFile.open(out, purpose, true);
    expect(second.cursor).toBe('cursor-1');
    await second.write('two\n', 'cursor-2');
    await second.complete();
    expect(readFileSync(out, 'utf8')).toBe('one\ntwo\n');
    await expect(ExportFile.open(out, purpose, true)).rejects.toThrow('it is complete');
    await expect(ExportFile.open(out, purpose, false)).rejects.toThrow('exists');
  });

  test('before the keys that could not be written, when the disk was full or failed', async () => {
    const out = join(dir, 'failing.ndjson');
    const first = await ExportFile.open(out, purpose, false);
    const line = `${'x'.repeat(70_000)}\n`;
    await first.write(line, 'cursor-1');
    const probe = await open(out);
    const full = vi
      .spyOn(Object.getPrototypeOf(probe) as FileHandle, 'write')
      .mockRejectedValue(Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' }));
    await probe.close();
    try {
      await expect(first.write(line, 'cursor-2')).rejects.toMatchObject({ code: 'IO' });
      await first.interrupted();
    } finally {
      full.mockRestore();
    }
    const second = await ExportFile.open(out, purpose, true);
    expect(second.cursor).toBe('cursor-1');
    await second.write('two\n', 'cursor-2');
    await second.complete();
    expect(readFileSync(out, 'utf8')).toBe(`${line}two\n`);
    expect(readdirSync(dir).filter((name) => name.startsWith('failing.ndjson.'))).toEqual([]);
  });

  test('from its beginning, when it was killed before anything was noted', async () => {
    const running = join(dir, 'running.ndjson');
    const out = join(dir, 'killed.ndjson');
    const first = await ExportFile.open(running, purpose, false);
    // What a kill would leave.
    copyFileSync(`${running}.ringlet-export`, `${out}.ringlet-export`);
    writeFileSync(out, 'half a li');
    await first.interrupted();
    const second = await ExportFile.open(out, purpose, true);
    expect(second.cursor).toBeUndefined();
    await second.write('one\n', 'cursor-1');
    await second.complete();
    expect(readFileSync(out, 'utf8')).toBe('one\n');
  });

  test('only with the same options', async () => {
    const out = join(dir, 'other.ndjson');
    const first = await ExportFile.open(out, purpose, false);
    await first.write('one\n', 'cursor-1');
    await first.interrupted();
    await expect(ExportFile.open(out, { ...purpose, format: 'csv' }, true)).rejects.toThrow(
      'has format "ndjson", and this command "csv"',
    );
  });
});

describe('the commands', () => {
  let store: FakeStore;
  let http: HttpServer;
  beforeAll(async () => {
    store = new FakeStore();
    http = await startHttp(store, { listen: { host: '127.0.0.1', port: 0 }, valueBytes: 1 << 20 });
  });
  afterAll(() => http.close());
  const call = (...args: string[]) => runHere([...args, '--url', http.address], { cwd: dir });

  test('export and load carry binary keys, values and siblings to another bucket; again changes nothing', async () => {
    const from = store.bucket('from');
    await from.put('a', '{"b":1}', { contentType: 'application/json' });
    await from.put(new Uint8Array([0xff, 0]), new Uint8Array([0, 1, 0xfe]), { contentType: 'image/png' });
    await from.put('s', 'one', { contentType: 'text/plain' });
    await from.put('s', 'two', { contentType: 'text/plain' });
    const exported = await call('export', '--bucket', 'from', '--out', 'from.csv', '--format', 'csv');
    expect(exported).toMatchObject({ code: 0, stdout: '3 keys of bucket from in from.csv\n', stderr: '' });
    for (let i = 0; i < 2; i++) {
      const loaded = await call('load', 'from.csv', '--bucket', 'to', '--json', '--resume');
      expect(loaded).toMatchObject({ code: 0 });
      expect(JSON.parse(loaded.stdout)).toMatchObject({ records: 3, written: 3, bad: 0, failed: 0 });
    }
    const values = async (bucket: string, key: string | Uint8Array): Promise<string[]> =>
      (await store.bucket(bucket).get(key)).siblings
        .map(({ value, contentType }) => `${contentType} ${Buffer.from(value).toString('hex')}`)
        .toSorted();
    for (const key of ['a', 's', new Uint8Array([0xff, 0])]) {
      expect(await values('to', key)).toEqual(await values('from', key));
    }
  });

  test('load --resume begins behind what is acknowledged, and only with the same file and options', async () => {
    const file = join(dir, 'ids.ndjson');
    writeFileSync(file, '{"id":1}\n{"id":2}\n{"id":3}\n');
    const purpose = { store: http.address, bucket: 'ids', key: 'id', format: 'auto', columns: null };
    await (await LoadCheckpoint.open(file, purpose)).end(2, false);
    await expect(LoadCheckpoint.open(file, { ...purpose, key: '#line' })).rejects.toThrow('has key "id"');
    const args = ['load', file, '--bucket', 'ids', '--key', 'id', '--json', '--resume'] as const;
    // What one store has, another has not.
    const elsewhere = await runHere([...args, '--data', join(dir, 'elsewhere')], { cwd: dir });
    expect(elsewhere).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(`has store "${http.address}", and this command "${dir}`) as string,
    });
    const resumed = await call(...args);
    expect(JSON.parse(resumed.stdout)).toMatchObject({ records: 3, skipped: 2, written: 1, failed: 0 });
    expect((await store.bucket('ids').get('2')).found).toBe(false);
    expect(JSON.parse((await call(...args)).stdout)).toMatchObject({ skipped: 0, written: 3 });
    await (await LoadCheckpoint.open(file, purpose)).end(2, false);
    writeFileSync(file, '{"id":4}\n');
    const other = await call(...args);
    expect(other).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('its beginning is another') as string,
    });
  });
});
