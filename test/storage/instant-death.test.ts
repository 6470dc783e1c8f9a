import { afterEach, describe, expect, it } from 'vitest';
import { APPENDED, CONFIRMED, loadCounter } from '../../src/storage/buffer-layout.js';
import { BUFFERED, COMMITTED, DURABLE, type Level } from '../../src/storage/pipeline.js';
import { seeded } from '../versions/model.js';
import { StorageWorld } from './storage-world.js';

const LEVELS: readonly Level[] = [BUFFERED, COMMITTED, DURABLE];
const RUNS = Number(process.env['RINGLET_RUNS'] ?? (process.env['RINGLET_LONG'] === undefined ? 60 : 5_000));

const store = Atomics.store.bind(Atomics);

class Ended extends Error {}

afterEach(() => {
  Atomics.store = store;
});

/** Runs until the thread ends behind its store number `stores` (from 0) to shared memory; false if it does not. */
function endsWithin(run: () => void, stores: number): boolean {
  let left = stores;
  const last = (...args: [Int32Array, number, number]): number => {
    // What is called back later was never called.
    if (left < 0) throw new Ended();
    const stored = store(...args);
    if (left-- === 0) throw new Ended();
    return stored;
  };
  Atomics.store = last as typeof Atomics.store;
  try {
    run();
    return false;
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    return true;
  } finally {
    Atomics.store = store;
  }
}

/** Everything that was acknowledged can be read, and comes to the engine, although nothing more is put. */
function takesOver(world: StorageWorld, random: (n: number) => number, gone: ReadonlySet<string>): void {
  world.restart(random);
  world.settle(random);
  for (const { name, n } of world.acknowledged)
    if (!gone.has(name)) expect(world.read(name), name).toBeGreaterThanOrEqual(n);
  const { words } = world.buffer;
  expect(loadCounter(words, CONFIRMED)).toBe(loadCounter(words, APPENDED));
}

describe('a thread that ends between two stores to shared memory', () => {
  it('whichever two of a checkpoint they are: its successor goes on to the end of it', () => {
    const random = (): number => 0;
    for (let stores = 0; ; stores++) {
      const world = new StorageWorld();
      for (let i = 0; i < 30; i++) {
        world.begin();
        world.put(`k${i % 20}`, BUFFERED, 400);
        world.end();
        world.later.runAll();
      }
      const ended = endsWithin(() => world.settle(), stores);
      takesOver(world, random, new Set());
      if (!ended) break;
    }
  });

  it('whatever it did at the time, also again and again', () => {
    for (let seed = 0; seed < RUNS; seed++) {
      const random = seeded(seed + 40_000);
      const world = new StorageWorld();
      const gone = new Set<string>();
      const turn = (): void => {
        world.begin(random(30));
        for (let puts = random(8); puts > 0; puts--) {
          const name = `k${random(400)}`;
          if (random(6) > 0) world.put(name, LEVELS[random(3)]!, random(10) === 0 ? 900 : 20 + random(80));
          else if (gone.add(name)) world.remove(name);
        }
        world.end();
        for (let steps = random(4); steps > 0; steps--) world.later.runOne(random);
      };
      for (let threads = 1 + random(3); threads > 0; threads--) {
        endsWithin(
          () => {
            for (let i = 0; i < 400; i++) turn();
          },
          random(random(2) === 0 ? 300 : 3_000),
        );
        takesOver(world, random, gone);
      }
    }
  });
});
