import { readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  BUCKET,
  expectRebuild,
  expectRefusal,
  makeStore,
  openEngines,
  openIt,
  path,
  useTemporaryDirectory,
  vnodePath,
} from './directory-world.js';

useTemporaryDirectory();

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

  it('one that is whole and leaves at once harms nobody: others become whole behind it, and the lock is given back', async () => {
    await makeStore('clean');
    truncateSync(dataFile());
    await expectRebuild('n1.1', 'quarantine');
    const data = await openIt();
    const whole = [data.markWhole('n2.0'), data.markWhole('n1.1')];
    data.removeNode('n2');
    await Promise.all(whole);
    expect(data.rebuilding).toEqual([]);
    await data.release();
    await (await openIt()).release();
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
