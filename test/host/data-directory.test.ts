import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Topology } from '../../src/host/manifest.js';
import {
  BUCKET,
  compiled,
  expectRefusal,
  makeStore,
  MARK,
  openEngines,
  openIt,
  path,
  root,
  TOPOLOGY,
  treeHash,
  usePath,
  useTemporaryDirectory,
  vnodePath,
  VNODES,
} from './directory-world.js';

useTemporaryDirectory();

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

  it('a file of the journal that was being made when its thread ended does not make a stop unclean', async () => {
    await makeStore('clean');
    writeFileSync(vnodePath('n1.0', 'journal', '0000000007.journal.new'), 'x');
    writeFileSync(vnodePath('n2.0', 'journal', 'not ours.new'), 'x');
    const data = await openIt();
    expect(data.vnodes.get('n1.0')!.clean).toBeDefined();
    expect(data.vnodes.get('n2.0')!.clean).toBeUndefined();
    await data.release();
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

  it.each([
    [
      'a relative path in a working directory that is gone',
      './data',
      'rmSync(process.cwd(), { recursive: true });',
    ],
    ['a path where nobody can make a directory', '/proc/none/data', ''],
  ])('%s ends, one way or the other', async (_, where, before) => {
    const cwd = mkdtempSync(join(tmpdir(), 'ringlet-gone-'));
    const code = `
      import { rmSync } from 'node:fs';
      ${before}
      const { openDataDirectory } = await import(${JSON.stringify(compiled('host/data-directory'))});
      await openDataDirectory('${where}', ${JSON.stringify(TOPOLOGY)}, new Map(${JSON.stringify([...VNODES])})).catch(() => undefined);
      process.exit(7);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
      cwd,
      timeout: 50_000,
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
    usePath('another');
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
    usePath('other');
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

  it('what not all copies could take was refused: neither it nor its number stands in the way of the next', async () => {
    await makeStore('clean');
    const copyOf = (place: string): string => join(path, place, 'buckets.json');
    const data = await openIt();
    /** The list reaches the copies before `place`. */
    const refused = (place: string, name: string): void => {
      const before = readFileSync(copyOf(place));
      rmSync(copyOf(place));
      mkdirSync(copyOf(place));
      expect(() => data.saveBuckets([BUCKET, { ...BUCKET, number: 2, name }])).toThrow(/EISDIR|directory/);
      rmSync(copyOf(place), { recursive: true });
      writeFileSync(copyOf(place), before);
    };
    refused('nodes/n2', 'a');
    refused('nodes/n1', 'b');
    await data.release();
    const again = await openIt();
    expect(again.loadBuckets().map(({ name }) => name)).toEqual(['default', 'b']);
    again.saveBuckets([BUCKET, { ...BUCKET, number: 2, name: 'c' }]);
    await again.release();
    const last = await openIt();
    expect(last.loadBuckets().map(({ name }) => name)).toEqual(['default', 'c']);
    await last.release();
  });

  it('without a readable copy the store is not opened', async () => {
    await makeStore('clean');
    for (const place of ['.', 'nodes/n1', 'nodes/n2']) writeFileSync(join(path, place, 'buckets.json'), '');
    await expectRefusal('DATA_CORRUPT');
  });
});
