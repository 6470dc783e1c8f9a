import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from '../properties.js';
import { afterAll, expect, test } from 'vitest';
import type { RingletError } from '../../src/base/errors.js';
import { writeBackup } from '../../src/host/backup/file.js';
import { type BackupHead, SectionWriter } from '../../src/host/backup/format.js';
import { BackupReader, readBackup } from '../../src/host/backup/reader.js';
import { plainRecord } from '../storage/plain-record.js';

const directory = mkdtempSync(join(tmpdir(), 'ringlet-backup-'));
afterAll(() => rmSync(directory, { recursive: true }));

const HEAD: BackupHead = {
  storeId: 'a',
  createdAt: '2030-01-01T00:00:00.000Z',
  topology: { partitions: 1, spacing: 1, nodes: [{ id: 'n1', capacity: 1, vnodes: 1 }] },
  buckets: [],
  without: [],
};

function backupOf(sections: number, recordsEach = 2): Buffer[] {
  const writer = new SectionWriter();
  const pieces = [writer.json('RBAK', HEAD)];
  for (let i = 0; i < sections; i++) {
    const records = Array.from({ length: recordsEach }, (_, j) => recordBytes(`k${i}.${j}`));
    pieces.push(writer.section('RREC', Buffer.concat(records)));
  }
  const records = sections * recordsEach;
  pieces.push(writer.json('REND', { records, damagedCopies: 0, actorsBelow: 257, clock: 1_024 }));
  return pieces;
}

function recordBytes(key: string): Uint8Array {
  return plainRecord(0, 1, key, 'value');
}

function read(bytes: Uint8Array, chunk = bytes.length): number {
  const reader = new BackupReader('it');
  let records = 0;
  for (let at = 0; at < bytes.length; at += chunk)
    records += reader.push(bytes.subarray(at, at + chunk)).length;
  expect(reader.end().summary.records).toBe(records);
  return records;
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return (error as RingletError).code;
  }
}

const WHOLE = Buffer.concat(backupOf(3));

test('the first bytes do not change without another format', () => {
  expect(WHOLE.subarray(0, 16).toString('hex')).toBe(
    '5242414b 02000000 a8000000 00000000'.replaceAll(' ', ''),
  );
  expect(
    WHOLE.subarray(48, 48 + 0xa8)
      .toString()
      .trimEnd(),
  ).toBe(JSON.stringify(HEAD));
});

test('any chunks give the same records', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 400 }), (chunk) => read(WHOLE, chunk) === 6));
});

test('a single changed bit anywhere is found', () => {
  for (let at = 0; at < WHOLE.length; at++) {
    const bytes = Buffer.from(WHOLE);
    bytes[at]! ^= 1 << (at & 7);
    expect(
      codeOf(() => read(bytes)),
      `byte ${at}`,
    ).toMatch(/^DATA_(CORRUPT|FOREIGN)$/);
  }
});

test('a backup that ends early is none, wherever it ends', () => {
  for (let end = 0; end < WHOLE.length; end++) {
    expect(
      codeOf(() => read(WHOLE.subarray(0, end))),
      `${end} bytes`,
    ).toBe('DATA_CORRUPT');
  }
});

test('sections that are missing, repeated, moved, of another backup or behind the end are found', () => {
  const pieces = backupOf(3);
  const others = backupOf(3, 1);
  const orders = [
    [0, 2, 3, 4],
    [0, 1, 1, 2, 3, 4],
    [0, 2, 1, 3, 4],
    [0, 1, 2, 3, 4, 4],
    [0, 0, 1, 2, 3, 4],
    [1, 2, 3, 4],
  ];
  for (const order of orders) {
    expect(
      codeOf(() => read(Buffer.concat(order.map((i) => pieces[i]!)))),
      order.join(' '),
    ).toMatch(/^DATA_/);
  }
  expect(codeOf(() => read(Buffer.concat([...pieces.slice(0, 2), ...others.slice(2)])))).toBe('DATA_CORRUPT');
});

test('the errors name the file, what is wrong with it, and what to do', () => {
  const newer = Buffer.from(WHOLE);
  newer.writeUInt32LE(3, 4);
  expect(() => read(newer)).toThrow('it has format 3, this version reads 2; use the version that wrote it');
  expect(() => read(Buffer.from('PK\u0003\u0004'.repeat(20)))).toThrow(
    'it is no backup of Ringlet; name another file',
  );
  expect(() => read(WHOLE.subarray(0, -1))).toThrow('it ends within section 4; use another copy of it');
  const writer = new SectionWriter();
  const failed = [
    writer.json('RBAK', HEAD),
    writer.json('RERR', { code: 'TIMEOUT', message: 'n2.0 is away' }),
  ];
  expect(() => read(Buffer.concat(failed))).toThrow('the backup it was not finished: n2.0 is away');
});

test('arbitrary bytes are refused and never more than an error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 0, max: WHOLE.length }), (bytes, at) => {
      expect(codeOf(() => read(bytes))).toMatch(/^DATA_/);
      const spliced = Buffer.concat([WHOLE.subarray(0, at), bytes, WHOLE.subarray(at + bytes.length)]);
      if (!spliced.equals(WHOLE)) expect(codeOf(() => read(spliced))).toMatch(/^DATA_/);
    }),
  );
});

test('a file gets its name only when it was read back whole; else nothing is left', async () => {
  const pieces = backupOf(2);
  async function* stream(upTo: number, error?: Error): AsyncGenerator<Buffer> {
    yield* pieces.slice(0, upTo);
    if (error !== undefined) throw error;
  }
  const file = join(directory, 'whole');
  expect(await writeBackup(file, stream(4))).toMatchObject({ records: 4 });
  expect((await readBackup(file)).end.actorsBelow).toBe(257);
  await expect(writeBackup(join(directory, 'short'), stream(3))).rejects.toThrow('breaks off before its end');
  await expect(writeBackup(join(directory, 'broken'), stream(2, new Error('gone')))).rejects.toThrow('gone');
  await expect(writeBackup(file, stream(4))).rejects.toThrow('exists');
  for (const at of [2, 4]) {
    const ends = new AbortController();
    async function* interrupted(): AsyncGenerator<Buffer> {
      for (const [i, piece] of pieces.entries()) {
        if (i === at) ends.abort();
        yield piece;
      }
      ends.abort();
    }
    const written = writeBackup(join(directory, 'interrupted'), interrupted(), ends.signal);
    await expect(written).rejects.toMatchObject({ code: 'ABORTED' });
  }
  const other = join(directory, 'other');
  async function* overtaken(): AsyncGenerator<Buffer> {
    yield* pieces;
    writeFileSync(other, 'of somebody else');
  }
  await expect(writeBackup(other, overtaken())).rejects.toThrow('exists');
  expect(readFileSync(other, 'utf8')).toBe('of somebody else');
  expect(readdirSync(directory).toSorted()).toEqual(['other', 'whole']);
  writeFileSync(join(directory, 'empty'), '');
  await expect(readBackup(join(directory, 'empty'))).rejects.toThrow('has no head');
  expect(readdirSync(directory).toSorted()).toEqual(['empty', 'other', 'whole']);
});
