import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DataDirectory } from '../../src/host/data-directory.js';
import type { Topology } from '../../src/host/manifest.js';
import type { Engine } from '../../src/storage/engine.js';
import { commit } from '../storage/engine-suite.js';
import { keyOf, plainRecord } from '../storage/plain-record.js';

// The verifying process is a compiled file beside the module that starts it. A literal path would
// make tsc take its own output for input.
const compiled = (name: string): string => new URL(`../../dist/src/${name}.js`, import.meta.url).href;
const { openDataDirectory } = (await import(
  compiled('host/data-directory')
)) as typeof import('../../src/host/data-directory.js');
const { SessionMark } = (await import(
  compiled('host/session-mark')
)) as typeof import('../../src/host/session-mark.js');
const { openLmdbEngine } = (await import(
  compiled('storage/lmdb-open')
)) as typeof import('../../src/storage/lmdb-open.js');

const TOPOLOGY: Topology = {
  nodes: [
    { id: 'n1', capacity: 1, vnodes: 2 },
    { id: 'n2', capacity: 1, vnodes: 1 },
  ],
  partitions: 64,
  spacing: 3,
};
const VNODES = new Map([
  ['n1', ['n1.0', 'n1.1']],
  ['n2', ['n2.0']],
]);
const MARK = { generation: 3, actor: 256, nextSequence: 17 };
const BUCKET = {
  number: 1,
  name: 'default',
  version: 1,
  properties: { n: 2, r: 2, w: 2, durability: 'buffered', conflict: 'siblings', strict: false },
} as const;

let root: string;
let path: string;
beforeEach(() => {
  root = mkdtempSync(join(realpathSync(tmpdir()), 'ringlet-data-'));
  path = join(root, 'data');
});
afterEach(() => rmSync(root, { recursive: true }));

const openIt = (topology = TOPOLOGY, vnodes: ReadonlyMap<string, readonly string[]> = VNODES) =>
  openDataDirectory(path, topology, vnodes);

async function openEngines(data: DataDirectory): Promise<Map<string, Engine>> {
  const engines = new Map<string, Engine>();
  for (const [vnodeId, { nodeId, engineDirectory, mayCreate }] of data.vnodes) {
    const identity = { storeId: data.storeId, nodeId, vnodeId };
    engines.set(vnodeId, await openLmdbEngine({ directory: engineDirectory, identity, mayCreate }));
  }
  return engines;
}

/** A store of three virtual nodes with 200 records each, that has served. */
async function makeStore(end: 'clean' | 'unclean', n = 2): Promise<void> {
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
function treeHash(directory: string): string {
  const hash = createHash('sha256');
  for (const name of readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort()) {
    const file = join(directory, name);
    const { size, mtimeMs, mode } = statSync(file);
    hash.update(`${name} ${size} ${mtimeMs} ${mode}\n`);
    if (statSync(file).isFile()) hash.update(readFileSync(file));
  }
  return hash.digest('hex');
}

async function expectRefusal(code: string, change: Record<string, unknown> = {}): Promise<void> {
  const before = treeHash(path);
  await expect(openIt()).rejects.toMatchObject({ code, ...change });
  expect(treeHash(path)).toBe(before);
}

/** It opens, and what is left of the virtual node stands beside a fresh directory that says so. */
async function expectRebuild(vnode: string, left: 'quarantine' | 'kept' | 'nothing'): Promise<void> {
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

const vnodePath = (vnode: string, ...rest: string[]): string =>
  join(path, 'nodes', vnode.split('.')[0]!, vnode, ...rest);

describe('data directory', () => {
  it('a new one is made with everything in it, for its owner only', async () => {
    const data = await openIt();
    expect(data.fresh).toBe(true);
    expect(data.storeId).toMatch(/^[0-9a-f-]{36}$/);
    expect([...data.vnodes.keys()]).toEqual(['n1.0', 'n1.1', 'n2.0']);
    expect(data.vnodes.get('n2.0')).toMatchObject({ clean: undefined, mayCreate: true, sameBoot: false });
    await data.release();
    for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
      const stat = statSync(join(path, name));
      expect(stat.mode & 0o777, name).toBe(stat.isDirectory() ? 0o700 : 0o600);
      expect(name).not.toMatch(/\.tmp$/);
    }
  });

  it('an empty directory that exists is taken, also with lost+found and what a killed start left', async () => {
    mkdirSync(join(path, 'lost+found'), { recursive: true });
    writeFileSync(join(path, 'ringlet.json.tmp'), 'half');
    await (await openIt()).release();
  });

  it('after a clean stop the marks are given out once, and are gone from the disk when open returns', async () => {
    await makeStore('clean');
    expect(existsSync(join(path, 'session.json'))).toBe(false);
    const data = await openIt();
    expect(data.fresh).toBe(false);
    for (const [id, vnode] of data.vnodes) {
      expect(vnode, id).toMatchObject({ clean: { ...MARK, count: 200 }, mayCreate: false });
      expect(existsSync(join(vnode.directory, 'clean.json'))).toBe(false);
    }
    await data.release();
    const again = await openIt();
    for (const vnode of again.vnodes.values()) expect(vnode.clean).toBeUndefined();
    await again.release();
  });

  it('after an unclean stop the environments are verified, and whole ones are opened', async () => {
    await makeStore('unclean');
    const data = await openIt();
    for (const vnode of data.vnodes.values())
      expect(vnode).toMatchObject({ clean: undefined, sameBoot: true });
    const engines = await openEngines(data);
    for (const engine of engines.values()) {
      expect(engine.state.count).toBe(200);
      await engine.close();
    }
    await data.release();
  });

  it('store id, actors and buckets last; no actor block is given out twice', async () => {
    await makeStore('clean');
    const first = await openIt();
    const blocks = [first.reserveActors(), first.reserveActors()];
    expect(first.loadBuckets()).toEqual([BUCKET]);
    first.saveBuckets([{ ...BUCKET, version: 2 }]);
    await first.release();
    const second = await openIt();
    blocks.push(second.reserveActors());
    expect(blocks).toEqual([512, 768, 1_024]);
    expect(second.storeId).toBe(first.storeId);
    expect(second.loadBuckets()).toEqual([{ ...BUCKET, version: 2 }]);
    await second.release();
  });

  it('a store that never served may lack anything but its manifest', async () => {
    await (await openIt()).release();
    rmSync(join(path, 'nodes'), { recursive: true });
    rmSync(join(path, 'actors'));
    const data = await openIt();
    expect(data.vnodes.get('n1.0')!.mayCreate).toBe(true);
    for (const engine of (await openEngines(data)).values()) await engine.close();
    await data.release();
  });
});

describe('data directory: what is refused stays as it was', () => {
  it('a directory with files of others is DATA_FOREIGN', async () => {
    mkdirSync(path);
    writeFileSync(join(path, 'thesis.doc'), 'precious');
    await expectRefusal('DATA_FOREIGN', { details: { path, entries: 1, example: 'thesis.doc' } });
  });

  it('a relative path in a working directory that is gone ends, one way or the other', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'ringlet-gone-'));
    const code = `
      import { rmSync } from 'node:fs';
      rmSync(process.cwd(), { recursive: true });
      const { openDataDirectory } = await import(${JSON.stringify(compiled('host/data-directory'))});
      await openDataDirectory('./data', ${JSON.stringify(TOPOLOGY)}, new Map(${JSON.stringify([...VNODES])})).catch(() => undefined);
      process.exit(7);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      cwd,
      timeout: 20_000,
      killSignal: 'SIGKILL',
    });
    try {
      expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(7);
    } finally {
      child.kill('SIGKILL');
      rmSync(cwd, { recursive: true, force: true });
    }
  });

  it('a file in place of the directory is IO', async () => {
    writeFileSync(path, 'precious');
    await expect(openIt()).rejects.toMatchObject({ code: 'IO' });
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('another topology is TOPOLOGY_CHANGED and names both', async () => {
    await makeStore('clean');
    const before = treeHash(path);
    const [n1, n2] = TOPOLOGY.nodes;
    const others: Topology[] = [
      { ...TOPOLOGY, nodes: [{ id: 'n1', capacity: 2, vnodes: 2 }, n2!] },
      { ...TOPOLOGY, nodes: [{ id: 'n1', capacity: 1, vnodes: 3 }, n2!] },
      { ...TOPOLOGY, nodes: [n1!] },
      { ...TOPOLOGY, nodes: [n1!, { ...n2!, id: 'n3' }] },
      { ...TOPOLOGY, partitions: 128 },
      { ...TOPOLOGY, spacing: 1 },
    ];
    for (const topology of others) {
      const error = await openIt(topology).catch((reason: unknown) => reason);
      expect(error).toMatchObject({ code: 'TOPOLOGY_CHANGED' });
      expect(String(error)).toContain(
        'made with 2 nodes (n1: capacity 1, 2 vnodes; n2: capacity 1, 1 vnodes), 64',
      );
    }
    expect(treeHash(path)).toBe(before);
    const data = await openIt();
    expect(data.vnodes.get('n1.0')!.clean).toBeDefined();
    await data.release();
  });

  it('a file with a changed byte, cut short, or empty is DATA_CORRUPT', async () => {
    await makeStore('clean');
    for (const name of ['ringlet.json', 'actors']) {
      const file = join(path, name);
      const good = readFileSync(file, 'utf8');
      const swapped = good.replace(/[0-9a-f](?="\n\}\n$)/, (digit) => (digit === '0' ? '1' : '0'));
      for (const bad of [swapped, good.slice(0, 40), '']) {
        writeFileSync(file, bad);
        await expectRefusal('DATA_CORRUPT', { details: expect.objectContaining({ path: file }) });
      }
      writeFileSync(file, good);
    }
    await (await openIt()).release();
  });

  it('a file of a newer format is DATA_FOREIGN', async () => {
    await makeStore('clean');
    for (const name of ['ringlet.json', 'actors', 'nodes/n2/node.json']) {
      const good = readFileSync(join(path, name));
      writeFileSync(join(path, name), '{"format": 3, "whatever": true}');
      await expectRefusal('DATA_FOREIGN', { details: expect.objectContaining({ format: 3 }) });
      writeFileSync(join(path, name), good);
    }
  });

  it('a deleted file of actor numbers is DATA_CORRUPT', async () => {
    await makeStore('clean');
    rmSync(join(path, 'actors'));
    await expectRefusal('DATA_CORRUPT');
  });

  it('with a bucket of n = 1 a lost directory is DATA_CORRUPT, and so are all owners of one with n = 2', async () => {
    await makeStore('clean', 1);
    rmSync(vnodePath('n1.1'), { recursive: true });
    await expectRefusal('DATA_CORRUPT', { details: expect.objectContaining({ vnode: 'n1.1', n: 1 }) });
    path = join(root, 'another');
    await makeStore('unclean');
    for (const vnode of ['n1.0', 'n1.1', 'n2.0']) rmSync(vnodePath(vnode, 'engine', 'data.mdb'));
    await expectRefusal('DATA_CORRUPT', { details: expect.objectContaining({ n: 2, lost: 3 }) });
  });

  it('a deleted manifest is DATA_FOREIGN', async () => {
    await makeStore('clean');
    rmSync(join(path, 'ringlet.json'));
    await expectRefusal('DATA_FOREIGN');
  });

  it("another store's node directory is DATA_FOREIGN", async () => {
    await makeStore('clean');
    const mine = path;
    path = join(root, 'other');
    await makeStore('clean');
    rmSync(join(path, 'nodes', 'n2'), { recursive: true });
    cpSync(join(mine, 'nodes', 'n2'), join(path, 'nodes', 'n2'), { recursive: true });
    await expectRefusal('DATA_FOREIGN');
  });

  it('an id that would leave the directory is BAD_REQUEST', async () => {
    await expect(openIt(TOPOLOGY, new Map([['../x', ['a']]]))).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    expect(readdirSync(root)).toEqual([]);
  });
});

describe('data directory: damaged environments', () => {
  const dataFile = (): string => vnodePath('n1.1', 'engine', 'data.mdb');

  it('an emptied data file is a loss', async () => {
    await makeStore('clean');
    truncateSync(dataFile());
    await expectRebuild('n1.1', 'quarantine');
  });

  it.each([8_192, 20_000])(
    'one cut at %i bytes is a loss, and ends no process but the child',
    async (bytes) => {
      await makeStore('clean');
      truncateSync(dataFile(), bytes);
      await expectRebuild('n1.1', 'kept');
    },
  );

  it('one flipped bit of a record is a loss', async () => {
    await makeStore('unclean');
    const bytes = readFileSync(dataFile());
    bytes[bytes.lastIndexOf('v199v199') + 20]! ^= 4;
    writeFileSync(dataFile(), bytes);
    await expectRebuild('n1.1', 'quarantine');
    expect(JSON.parse(readFileSync(vnodePath('n1.1', 'rebuild.json'), 'utf8'))).toMatchObject({
      reason: expect.stringContaining('1 of 201 records are damaged'),
      buckets: 1,
    });
  });

  it.each([
    [0, 8_192],
    [16_384, 32_768],
    [8_192, Infinity],
  ])('zeros from byte %i to %f are a loss', async (from, to) => {
    await makeStore('unclean');
    const good = readFileSync(dataFile());
    writeFileSync(dataFile(), Buffer.from(good).fill(0, from, Math.min(to, good.length)));
    await expectRebuild('n1.1', 'kept');
  });

  it.each(['engine', 'engine/data.mdb', 'journal', ''])(
    'a deleted n1.1/%s is a loss, not a new member',
    async (part) => {
      await makeStore('clean');
      rmSync(vnodePath('n1.1', part), { recursive: true });
      await expectRebuild('n1.1', part === '' ? 'nothing' : part === 'journal' ? 'kept' : 'quarantine');
    },
  );

  it('a deleted or damaged manifest of a node is written anew; a deleted node is a loss', async () => {
    await makeStore('clean');
    const manifest = readFileSync(join(path, 'nodes/n2/node.json'), 'utf8');
    for (const damage of ['', '{', undefined]) {
      if (damage === undefined) rmSync(join(path, 'nodes/n2/node.json'));
      else writeFileSync(join(path, 'nodes/n2/node.json'), damage);
      const data = await openIt();
      expect(data.vnodes.get('n2.0')!.loss).toBeUndefined();
      await data.release();
      expect(readFileSync(join(path, 'nodes/n2/node.json'), 'utf8')).toBe(manifest);
    }
    rmSync(join(path, 'nodes/n2'), { recursive: true });
    await expectRebuild('n2.0', 'nothing');
    expect(readFileSync(join(path, 'nodes/n2/node.json'), 'utf8')).toBe(manifest);
  });

  it('the mark stays over starts until the peers have proven; then it goes, and what was put aside', async () => {
    await makeStore('clean');
    truncateSync(dataFile());
    await expectRebuild('n1.1', 'quarantine');
    const data = await openIt();
    expect(data.vnodes.get('n1.1')!.loss).toMatchObject({ buckets: 1, discarded: false });
    await data.markWhole('n1.1');
    await data.release();
    expect(readdirSync(join(path, 'nodes', 'n1')).sort()).toEqual([
      'buckets.json',
      'n1.0',
      'n1.1',
      'node.json',
    ]);
    const again = await openIt();
    expect(again.vnodes.get('n1.1')!.loss).toBeUndefined();
    await again.release();
  });

  it('what is being rebuilt counts as lost for the others, but not for buckets that came later', async () => {
    await makeStore('clean');
    truncateSync(dataFile());
    const data = await openIt();
    data.saveBuckets([
      BUCKET,
      { ...BUCKET, number: 2, name: 'later', properties: { ...BUCKET.properties, n: 1 } },
    ]);
    for (const engine of (await openEngines(data)).values()) await engine.close();
    await data.release();
    const again = await openIt();
    expect(again.vnodes.get('n1.1')!.loss).toBeDefined();
    await again.release();
    rmSync(vnodePath('n2.0'), { recursive: true });
    await expectRefusal('DATA_CORRUPT');
  });

  it('a changed time or size distrusts the clean mark, and a whole environment is opened all the same', async () => {
    await makeStore('clean');
    utimesSync(dataFile(), 1, 1);
    const data = await openIt();
    expect(data.vnodes.get('n1.0')!.clean).toBeDefined();
    expect(data.vnodes.get('n1.1')!.clean).toBeUndefined();
    await data.release();
  });

  it('a stray file in a journal directory and a damaged mark distrust the clean mark', async () => {
    await makeStore('clean');
    writeFileSync(vnodePath('n1.0', 'journal', 'core'), '');
    writeFileSync(vnodePath('n1.1', 'clean.json'), '{');
    const data = await openIt();
    expect([...data.vnodes.values()].map(({ clean }) => clean !== undefined)).toEqual([false, false, true]);
    await data.release();
  });
});

describe('data directory: buckets', () => {
  it('one readable copy is enough, the newest version of each bucket counts, and all copies are written anew', async () => {
    await makeStore('clean');
    const old = readFileSync(join(path, 'nodes', 'n1', 'buckets.json'));
    const first = await openIt();
    first.saveBuckets([
      { ...BUCKET, version: 2 },
      { ...BUCKET, number: 2, name: 'b' },
    ]);
    await first.release();
    writeFileSync(join(path, 'buckets.json'), '{}');
    writeFileSync(join(path, 'nodes', 'n1', 'buckets.json'), old);
    const second = await openIt();
    expect(second.loadBuckets().map(({ number, version }) => [number, version])).toEqual([
      [1, 2],
      [2, 1],
    ]);
    await second.release();
    const copies = ['.', 'nodes/n1', 'nodes/n2'].map((place) =>
      readFileSync(join(path, place, 'buckets.json'), 'utf8'),
    );
    expect(new Set(copies).size).toBe(1);
  });

  it('without a readable copy the store is not opened', async () => {
    await makeStore('clean');
    for (const place of ['.', 'nodes/n1', 'nodes/n2']) writeFileSync(join(path, place, 'buckets.json'), '');
    await expectRefusal('DATA_CORRUPT');
  });
});

describe('session mark', () => {
  it('unsynced data is there only if everything since the last recovery was one known boot', () => {
    mkdirSync(path);
    const begin = (boot: string | null): boolean => {
      const mark = new SessionMark(path, boot);
      mark.begin();
      return mark.sameBoot;
    };
    expect(begin('a'), 'never used').toBe(false);
    expect(begin('a'), 'killed').toBe(true);
    expect(begin('b'), 'power cut').toBe(false);
    expect(begin('b'), 'killed before it recovered from the power cut').toBe(false);
    new SessionMark(path, 'b').recovered();
    expect(begin('b'), 'killed after it recovered').toBe(true);
    new SessionMark(path, 'b').end();
    expect(begin(null), 'clean').toBe(false);
    expect(begin(null), 'unknown boots are never the same').toBe(false);
  });
});

describe('data directory lock', () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });
  const fixture = fileURLToPath(new URL('fixtures/race-for-directory.mjs', import.meta.url));

  function start(): { child: ChildProcess; line(): Promise<string> } {
    const child = spawn(process.execPath, [fixture, path], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    const lines: string[] = [];
    const waiting: ((line: string) => void)[] = [];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.split('\n').filter(Boolean)) {
        const next = waiting.shift();
        if (next === undefined) lines.push(line);
        else next(line);
      }
    });
    return {
      child,
      line: () =>
        new Promise((resolve) => (lines.length > 0 ? resolve(lines.shift()!) : waiting.push(resolve))),
    };
  }

  it('the same process cannot open it twice, and can after a release', async () => {
    const data = await openIt();
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_LOCKED', retryable: true });
    await data.release();
    await (await openIt()).release();
  });

  it('a refused open gives the lock back', async () => {
    mkdirSync(path);
    writeFileSync(join(path, 'x'), '');
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_FOREIGN' });
    await expect(openIt()).rejects.toMatchObject({ code: 'DATA_FOREIGN' });
  });

  it('of 20 processes that make the same directory together one wins; after kill -9 the next wins at once', async () => {
    const racers = Array.from({ length: 20 }, start);
    for (const racer of racers) expect(await racer.line()).toBe('ready');
    for (const { child } of racers) child.stdin!.write('go\n');
    const results = await Promise.all(racers.map((racer) => racer.line()));
    expect(results.filter((line) => line === 'won')).toHaveLength(1);
    expect(results.filter((line) => line.startsWith('DATA_LOCKED'))).toHaveLength(19);

    const winner = racers[results.indexOf('won')]!.child;
    const next = start();
    await next.line();
    const dead = new Promise((resolve) => winner.once('exit', resolve));
    winner.kill('SIGKILL');
    await dead;
    next.child.stdin!.write('go\n');
    expect(await next.line()).toBe('won');
  }, 30_000);
});
