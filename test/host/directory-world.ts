import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { type DataDirectory, openDataDirectory } from '../../src/host/data-directory.js';
import type { Topology } from '../../src/host/manifest.js';
import type { Engine } from '../../src/storage/engine.js';
import { openLmdbEngine } from '../../src/storage/lmdb-open.js';
import { commit } from '../storage/engine-suite.js';
import { keyOf, plainRecord } from '../storage/plain-record.js';

export const compiled = (name: string): string => new URL(`../../dist/src/${name}.js`, import.meta.url).href;

export const TOPOLOGY: Topology = {
  nodes: [
    { id: 'n1', capacity: 1, vnodes: 2 },
    { id: 'n2', capacity: 1, vnodes: 1 },
  ],
  partitions: 64,
  spacing: 3,
};
export const VNODES = new Map([
  ['n1', ['n1.0', 'n1.1']],
  ['n2', ['n2.0']],
]);
export const MARK = { generation: 3, actor: 256, nextSequence: 17 };
export const BUCKET = {
  number: 1,
  name: 'default',
  version: 1,
  properties: { n: 2, r: 2, w: 2, durability: 'buffered', conflict: 'siblings', strict: false },
} as const;

/** Of each test its own; `path` is where a store may be made in it. */
export let root: string;
export let path: string;

export function useTemporaryDirectory(): void {
  beforeEach(() => {
    root = mkdtempSync(join(realpathSync(tmpdir()), 'ringlet-data-'));
    path = join(root, 'data');
  });
  afterEach(() => rmSync(root, { recursive: true }));
}

/** From now on `path` is another one in it. */
export function usePath(name: string): void {
  path = join(root, name);
}

export const openIt = (topology = TOPOLOGY, vnodes: ReadonlyMap<string, readonly string[]> = VNODES) =>
  openDataDirectory(path, topology, vnodes);

export async function openEngines(data: DataDirectory): Promise<Map<string, Engine>> {
  const engines = new Map<string, Engine>();
  for (const [vnodeId, { nodeId, engineDirectory, mayCreate }] of data.vnodes) {
    const identity = { storeId: data.storeId, nodeId, vnodeId };
    engines.set(vnodeId, await openLmdbEngine({ directory: engineDirectory, identity, mayCreate }));
  }
  return engines;
}

/** A store of three virtual nodes with 200 records each, that has served. */
export async function makeStore(end: 'clean' | 'unclean', n = 2): Promise<void> {
  const data = await openIt();
  const engines = await openEngines(data);
  data.reserveActors();
  data.saveBuckets([{ ...BUCKET, properties: { ...BUCKET.properties, n } }]);
  data.markServing();
  for (const [vnodeId, engine] of engines) {
    for (let i = 0; i < 200; i++) {
      engine.put(i % 64, 1, keyOf(`k${i}`), plainRecord(i % 64, 1, `k${i}`, `v${i}`.repeat(50)));
    }
    await commit(engine);
    await engine.close();
    const { count, root: sum } = engine.state;
    if (end === 'clean') data.writeClean(vnodeId, { ...MARK, count, root: sum });
  }
  await data.release();
}

/** Names, sizes, contents and times of everything in the tree. */
export function treeHash(directory: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    const file = join(directory, name);
    const { size, mtimeMs, mode } = statSync(file);
    hash.update(`${name} ${size} ${mtimeMs} ${mode}\n`);
    if (statSync(file).isFile()) hash.update(readFileSync(file));
  }
  return hash.digest('hex');
}

export async function expectRefusal(code: string, change: Record<string, unknown> = {}): Promise<void> {
  const before = treeHash(path);
  await expect(openIt()).rejects.toMatchObject({ code, ...change });
  expect(treeHash(path)).toBe(before);
}

/** It opens, and what is left of the virtual node stands beside a fresh directory that says so. */
export async function expectRebuild(vnode: string, left: 'quarantine' | 'kept' | 'nothing'): Promise<void> {
  const data = await openIt();
  for (const [id, { loss, mayCreate }] of data.vnodes) {
    expect([id, loss !== undefined, mayCreate]).toEqual([id, id === vnode, id === vnode]);
  }
  const names = readdirSync(join(path, 'nodes', vnode.split('.')[0]!)).filter((name) =>
    name.startsWith(`${vnode}.`),
  );
  expect(names.map((name) => name.slice(vnode.length + 1).split('-')[0])).toEqual(
    left === 'nothing' ? [] : [left],
  );
  expect(existsSync(vnodePath(vnode, 'rebuild.json'))).toBe(true);
  expect(readdirSync(vnodePath(vnode, 'journal'))).toEqual([]);
  for (const engine of (await openEngines(data)).values()) await engine.close();
  await data.release();
}

export const vnodePath = (vnode: string, ...rest: string[]): string =>
  join(path, 'nodes', vnode.split('.')[0]!, vnode, ...rest);
