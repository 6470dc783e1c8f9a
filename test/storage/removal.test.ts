import { describe, expect, it } from 'vitest';
import { BUFFERED, COMMITTED } from '../../src/storage/pipeline.js';
import { KIND_REMOVED, kindAt } from '../../src/storage/record.js';
import { seeded } from '../versions/model.js';
import { StorageWorld } from './storage-world.js';
import { version } from './support.js';

const RUNS = Number(process.env['RINGLET_RUNS'] ?? (process.env['RINGLET_LONG'] === undefined ? 120 : 2_000));

function turns(world: StorageWorld, random: (n: number) => number, count: number): void {
  for (let i = 0; i < count; i++) {
    world.begin(random(12));
    for (let puts = random(6); puts > 0; puts--) {
      const name = `k${random(20)}`;
      if (random(3) === 0) world.remove(name);
      else world.put(name, random(2) === 0 ? BUFFERED : COMMITTED, 20 + random(80));
    }
    world.end();
    for (let steps = random(4); steps > 0; steps--) world.later.runOne(random);
  }
}

/** What a key may be after a crash: as of the last change at or below the position, or any later one. 0: not there. */
function possible(world: StorageWorld, name: string, position: number): number[] {
  const changes = [
    ...world.appended.filter((one) => one.name === name).map(({ sequence, n }) => ({ sequence, n })),
    ...world.removed.filter((one) => one.name === name).map(({ sequence }) => ({ sequence, n: 0 })),
  ].sort((a, b) => a.sequence - b.sequence);
  const last = changes.findLastIndex(({ sequence }) => sequence <= position);
  return [...(last < 0 ? [0] : []), ...changes.slice(Math.max(0, last)).map(({ n }) => n)];
}

const now = (world: StorageWorld, name: string): number => possible(world, name, Infinity)[0]!;

describe('a key that is let go', () => {
  it('is absent to readers at once, in the engine after a checkpoint, and its record never gets there', () => {
    const world = new StorageWorld();
    for (const name of ['a', 'b']) while (world.put(name, BUFFERED) !== 'ready') world.settle();
    world.settle();
    expect([...world.engine.rows.keys()]).toHaveLength(2);
    world.begin();
    expect(world.remove('a')).toBe('ready');
    expect([world.read('a'), world.read('b')]).toEqual([0, 1]);
    const { buffer } = world;
    const found = buffer.find(version('a', 1).words[7]!, 1, version('a', 1).key, 1);
    expect(kindAt(buffer.words, found >>> 2)).toBe(KIND_REMOVED);
    world.settle();
    expect([...world.engine.rows.keys()]).toEqual(['3/1/b']);
    expect([world.read('a'), world.read('b')]).toEqual([0, 1]);
    world.begin();
    world.put('a', BUFFERED);
    expect(world.read('a')).toBe(2);
  });

  it('stays so through crashed threads, checkpoints and evictions, in any order of completions', () => {
    for (let seed = 0; seed < RUNS; seed++) {
      const random = seeded(seed);
      const world = new StorageWorld();
      for (let threads = random(3); threads >= 0; threads--) {
        turns(world, random, 20 + random(80));
        for (let i = 0; i < 20; i++)
          expect(world.read(`k${i}`), `seed ${seed} k${i}`).toBe(now(world, `k${i}`));
        if (threads > 0) world.restart(random);
      }
      world.settle(random);
      for (let i = 0; i < 20; i++)
        expect(world.read(`k${i}`), `seed ${seed} k${i}`).toBe(now(world, `k${i}`));
    }
  });

  it.each(['killed process', 'power cut'] as const)(
    'is not brought back by the replay after a %s, unless what said so had not come to disk',
    async (crash) => {
      let gone = 0;
      for (let seed = 0; seed < RUNS; seed++) {
        const random = seeded(seed + 5_000);
        const world = new StorageWorld();
        turns(world, random, 20 + random(120));
        const { written, synced } = world.positions();
        const cut = crash === 'power cut';
        const files = cut ? world.disk.afterPowerCut(random) : world.disk.afterKill();
        const found = await world.recover(files, random, !cut);
        for (let i = 0; i < 20; i++) {
          const wanted = possible(world, `k${i}`, cut ? synced : written);
          expect(wanted, `seed ${seed} k${i}`).toContain(found.get(`k${i}`) ?? 0);
          if (wanted.length === 1 && wanted[0] === 0 && now(world, `k${i}`) === 0) gone++;
        }
      }
      expect(gone).toBeGreaterThan(RUNS / 2);
    },
  );
});
