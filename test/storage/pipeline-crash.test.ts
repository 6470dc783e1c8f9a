import { describe, expect, it } from 'vitest';
import { BUFFERED, COMMITTED, DURABLE, type Level } from '../../src/storage/pipeline.js';
import { seeded } from '../versions/model.js';
import { StorageWorld } from './storage-world.js';

const LEVELS: readonly Level[] = [BUFFERED, COMMITTED, DURABLE];
const RUNS = Number(process.env['RINGLET_RUNS'] ?? (process.env['RINGLET_LONG'] === undefined ? 120 : 2_000));

/** Random turns with random completions; `faults` says how often a write or sync fails, in percent. */
function turns(world: StorageWorld, random: (n: number) => number, count: number, faults: number): void {
  const durable = [3, 40][random(2)]!;
  for (let i = 0; i < count; i++) {
    world.disk.brief = random(3) === 0;
    world.begin(random(12));
    for (let puts = random(8); puts > 0; puts--) {
      world.put(
        `k${random(40)}`,
        random(durable) === 0 ? DURABLE : LEVELS[random(2)]!,
        random(10) === 0 ? 900 : 20 + random(80),
      );
    }
    world.end();
    if (random(100) < faults) world.disk.failSyncs = 1;
    if (random(100) < faults) world.disk.failWrites = 1;
    for (let steps = random(4); steps > 0; steps--) world.later.runOne(random);
  }
}

/** The process is killed or the power is cut, and what is recovered has all that the levels promise. */
async function endsWithoutLoss(
  world: StorageWorld,
  random: ReturnType<typeof seeded>,
  seed: number,
): Promise<void> {
  const cut = random(2) === 0;
  const files = cut ? world.disk.afterPowerCut(random) : world.disk.afterKill();
  const found = await world.recover(files, random, !cut).catch((error: unknown) => {
    throw new Error(`seed ${seed}: ${String(error)}`);
  });
  const { written, synced } = world.positions();
  const levels: readonly Level[] = cut ? [DURABLE] : [COMMITTED, DURABLE];
  expect(() => world.assertHolds(found, cut ? synced : written, levels), `seed ${seed}`).not.toThrow();
}

describe('a crash at a random moment', () => {
  it('a power cut loses nothing durable and nothing below the synced watermark (any order of completions, any subset of unsynced sectors)', async () => {
    for (let seed = 0; seed < RUNS; seed++) {
      const random = seeded(seed);
      const world = new StorageWorld();
      turns(world, random, 20 + random(120), seed % 3 === 0 ? 2 : 0);
      const found = await world
        .recover(world.disk.afterPowerCut(random), random, false)
        .catch((error: unknown) => {
          throw new Error(`seed ${seed}: ${String(error)}`);
        });
      expect(
        () => world.assertHolds(found, world.positions().synced, [DURABLE]),
        `seed ${seed}`,
      ).not.toThrow();
    }
  });

  it('a killed process loses nothing committed and nothing below the written watermark (all written bytes survive)', async () => {
    for (let seed = 0; seed < RUNS; seed++) {
      const random = seeded(seed + 10_000);
      const world = new StorageWorld();
      turns(world, random, 20 + random(120), seed % 3 === 0 ? 2 : 0);
      const found = await world.recover(world.disk.afterKill(), random, true).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${String(error)}`);
      });
      expect(
        () => world.assertHolds(found, world.positions().written, [COMMITTED, DURABLE]),
        `seed ${seed}`,
      ).not.toThrow();
    }
  });

  it('a crashed thread loses nothing, and the process may be killed before its successor has rewritten the journal', async () => {
    for (let seed = 0; seed < RUNS; seed++) {
      const random = seeded(seed + 20_000);
      const world = new StorageWorld();
      for (let threads = 1 + random(3); threads > 0; threads--) {
        turns(world, random, 10 + random(60), 0);
        world.restart(random);
        for (let steps = random(10); steps > 0; steps--) world.later.runOne(random);
      }
      const last = random(3);
      for (const name of world.names)
        expect(world.read(name), `seed ${seed} ${name}`).toBe(world.latest(name));
      if (last === 0) turns(world, random, random(60), 0);
      await endsWithoutLoss(world, random, seed);
    }
  });

  it('at numbers of records and segments that pass the ends of their words the same holds', async () => {
    const ends = [2 ** 31, 2 ** 32, 2 ** 33];
    for (let seed = 0; seed < RUNS / 2; seed++) {
      const random = seeded(seed + 50_000);
      const world = new StorageWorld();
      world.buffer.startAt(ends[random(3)]! - 1 - random(200), 1, ends[random(3)]! - 1 - random(8));
      turns(world, random, 20 + random(120), 0);
      if (random(2) === 0) {
        world.restart(random);
        turns(world, random, random(60), 0);
      }
      await endsWithoutLoss(world, random, seed);
    }
  });
});
