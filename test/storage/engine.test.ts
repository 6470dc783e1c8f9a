import { mkdtempSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EngineIdentity } from '../../src/storage/engine.js';
import { decodeMeta, encodeMeta, META_KEY } from '../../src/storage/engine-meta.js';
import { openLmdbEngine } from '../../src/storage/lmdb-open.js';
import { commit, engineConformance, fakeRecord } from './engine-suite.js';

const IDENTITY: EngineIdentity = { storeId: 'store', nodeId: 'n1', vnodeId: 'n1.0' };

engineConformance(() => {
  const root = mkdtempSync(join(tmpdir(), 'ringlet-engine-'));
  let opened = false;
  return {
    name: 'lmdb',
    persistent: true,
    open() {
      const options = { directory: join(root, 'engine'), identity: IDENTITY, mayCreate: !opened };
      opened = true;
      return openLmdbEngine(options);
    },
    cleanUp() {
      rmSync(root, { recursive: true });
      return Promise.resolve();
    },
  };
});

describe('lmdb engine', () => {
  let root: string;
  let directory: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'ringlet-engine-'));
    directory = join(root, 'n1.0');
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const openIt = (change: Partial<EngineIdentity> = {}, mayCreate = true) =>
    openLmdbEngine({ directory, identity: { ...IDENTITY, ...change }, mayCreate });
  const make = async (): Promise<void> => {
    const engine = await openIt();
    engine.put(0, 0, Uint8Array.of(1), fakeRecord(1));
    await commit(engine);
    await engine.close();
  };
  const withRow = async (key: Uint8Array, value: Uint8Array | undefined): Promise<void> => {
    const env = open<Uint8Array, Uint8Array>({
      path: directory,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
    });
    await (value === undefined ? env.remove(key) : env.put(key, value));
    await env.close();
  };

  it('files are for their owner only', async () => {
    await make();
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    for (const name of readdirSync(directory))
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['storeId', 'other'],
    ['nodeId', 'n2'],
    ['vnodeId', 'n1.1'],
  ])('an engine of another %s is DATA_FOREIGN and names both', async (field, value) => {
    await make();
    await expect(openIt({ [field]: value })).rejects.toMatchObject({
      code: 'DATA_FOREIGN',
      details: { field, wanted: value },
    });
  });

  it('an unknown format is DATA_FOREIGN', async () => {
    await make();
    const row = encodeMeta(IDENTITY, { generation: 1, confirmedSerial: 1, count: 1, root: 1 });
    row[4] = 3;
    await withRow(META_KEY, row);
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_FOREIGN', details: { format: 3 } });
  });

  it('a damaged meta row, and a missing one beside records, are DATA_CORRUPT', async () => {
    await make();
    const row = encodeMeta(IDENTITY, { generation: 1, confirmedSerial: 1, count: 1, root: 1 });
    row[20]! ^= 1;
    await withRow(META_KEY, row);
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await withRow(META_KEY, undefined);
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  it('a 0-byte, a missing and an empty environment are losses where one must be, and new where one may be made', async () => {
    await make();
    truncateSync(join(directory, 'data.mdb'));
    await expect(openIt({}, false)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    rmSync(directory, { recursive: true });
    await expect(openIt({}, false)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    await (await openIt()).close();
    await withRow(META_KEY, undefined);
    await expect(openIt({}, false)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
    const engine = await openIt();
    expect(engine.state.count).toBe(0);
    await engine.close();
    truncateSync(join(directory, 'data.mdb'));
    await (await openIt()).close();
  });

  it('a file that is no environment is DATA_CORRUPT', async () => {
    await make();
    writeFileSync(join(directory, 'data.mdb'), Buffer.alloc(40_000, 7));
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });
});

describe('engine meta row', () => {
  it('comes back as it was encoded, and any flipped byte is noticed', () => {
    const state = { generation: 2 ** 32 + 5, confirmedSerial: 2 ** 50, count: 123, root: 0xfedcba98 };
    const row = encodeMeta(IDENTITY, state);
    expect(decodeMeta(row)).toEqual({ kind: 'ok', identity: IDENTITY, state });
    for (let i = 0; i < row.length; i++) {
      const flipped = row.slice();
      flipped[i]! ^= 0x10;
      expect(decodeMeta(flipped).kind, `byte ${i}`).not.toBe('ok');
    }
    for (let length = 0; length < row.length; length++) {
      expect(decodeMeta(row.subarray(0, length)).kind).toBe('damaged');
    }
  });
});
