import { expect, it } from 'vitest';
import { Completions } from '../../src/shard/completions.js';
import { BUFFERED, COMMITTED, DURABLE } from '../../src/storage/pipeline.js';
import { StorageWorld } from '../storage/storage-world.js';

function world(): { storage: StorageWorld; completions: Completions } {
  const storage = new StorageWorld();
  const completions = new Completions();
  completions.pipeline = storage.pipeline;
  storage.begin();
  storage.put('probe', BUFFERED);
  storage.settle();
  storage.put('key', BUFFERED);
  return { storage, completions };
}

const never = (): void => {
  throw new Error('nothing was reached');
};

it('nothing is kept that waits for a journal which has failed for good, however long the disk is full', () => {
  const { storage, completions } = world();
  storage.disk.full = true;
  storage.disk.failSyncs = 1;
  storage.put('key', DURABLE);
  storage.settle();
  expect(storage.journal.health).toBe('failed');
  for (const level of [BUFFERED, COMMITTED, DURABLE] as const)
    expect(completions.awaitLevel(1, level, never)).toBe(true);
  expect(completions.size).toBe(0);
});

it('nor for an engine that has failed', () => {
  const { storage, completions } = world();
  storage.engine.failCommits = 1;
  storage.settle();
  expect(storage.pipeline.engineFailed).toBe(true);
  expect(completions.awaitEngine(never)).toBe(true);
  expect(completions.awaitEnginePatiently(never)).toBe(true);
  expect(completions.size).toBe(0);
});
