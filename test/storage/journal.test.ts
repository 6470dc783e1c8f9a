import { describe, expect, it } from 'vitest';
import { LOG_SEGMENT, SEG_LOG } from '../../src/storage/buffer-layout.js';
import { BUFFERED, COMMITTED, DURABLE, ONE_DURABLE } from '../../src/storage/pipeline.js';
import { seeded } from '../versions/model.js';
import { StorageWorld } from './storage-world.js';

/** A world whose log has a file. */
function ready(): StorageWorld {
  const world = new StorageWorld();
  world.begin();
  expect(world.put('first', BUFFERED)).toBe('wait');
  world.end();
  world.later.runAll();
  return world;
}
const levels = (world: StorageWorld): number[] => world.acknowledged.map(({ level }) => level);

describe('levels', () => {
  it('are acknowledged when reached and not before: buffered at once, committed at the end of the turn, durable after the sync', () => {
    const world = ready();
    world.begin();
    for (const level of [DURABLE, COMMITTED, BUFFERED] as const) world.put(`k${level}`, level);
    expect(levels(world)).toEqual([BUFFERED]);
    world.end();
    expect(levels(world)).toEqual([BUFFERED, COMMITTED]);
    world.begin();
    world.end();
    expect(levels(world)).toEqual([BUFFERED, COMMITTED]);
    world.later.runAll();
    expect(levels(world)).toEqual([BUFFERED, COMMITTED]);
    world.begin();
    expect(levels(world)).toEqual([BUFFERED, COMMITTED, DURABLE]);
  });

  it('a hastened record is synced from the next turn on, and nobody waits for it', () => {
    const world = ready();
    world.begin();
    world.put('a', ONE_DURABLE);
    world.put('b', ONE_DURABLE);
    expect(levels(world)).toEqual([ONE_DURABLE, ONE_DURABLE]);
    world.pipeline.hasten(world.buffer.lastSequence);
    world.end();
    expect(world.positions()).toEqual({ written: 0, synced: 0 });
    expect(world.pipeline.nextMs(world.nowMs)).toBe(world.nowMs);
    expect(world.pipeline.urgent).toBe(false);
    world.begin();
    expect(world.positions()).toEqual({ written: 2, synced: 0 });
    // The one that comes during a sync shares the next one.
    world.put('c', ONE_DURABLE);
    world.pipeline.hasten(world.buffer.lastSequence);
    world.end();
    expect(world.pipeline.nextMs(world.nowMs)).toBeGreaterThan(world.nowMs);
    // And is not even written meanwhile: that would wait for the disk.
    world.begin();
    expect(world.positions()).toEqual({ written: 2, synced: 0 });
    world.later.runAll();
    expect(world.positions()).toEqual({ written: 2, synced: 2 });
    expect(world.pipeline.nextMs(world.nowMs)).toBe(world.nowMs);
    world.settle();
    expect(world.positions()).toEqual({ written: 3, synced: 3 });
  });

  it('on a quick disk durable is acknowledged at the end of the turn, and nobody else is kept waiting for a sync', () => {
    const world = ready();
    world.disk.brief = true;
    world.begin();
    world.put('a', DURABLE);
    world.end();
    expect(levels(world)).toEqual([DURABLE]);
    expect(world.positions()).toEqual({ written: 1, synced: 1 });
    world.begin();
    world.put('b', ONE_DURABLE);
    world.pipeline.hasten(world.buffer.lastSequence);
    world.end();
    world.begin();
    world.end();
    expect(world.positions()).toEqual({ written: 2, synced: 1 });
    world.settle();
    expect(world.positions()).toEqual({ written: 2, synced: 2 });
  });

  it('a sync that fails at once is not acknowledged: everything goes to a new file first', () => {
    const world = ready();
    world.disk.brief = true;
    world.disk.failSyncs = 1;
    world.begin();
    world.put('a', DURABLE);
    world.end();
    expect(levels(world)).toEqual([]);
    world.settle();
    expect(levels(world)).toContain(DURABLE);
    expect(world.journal.failures).toBe(1);
  });

  it('writers that wait together share one sync', () => {
    const world = ready();
    world.begin();
    for (let i = 0; i < 5; i++) world.put(`k${i}`, DURABLE);
    world.end();
    const before = world.later.size;
    world.begin();
    for (let i = 0; i < 5; i++) world.put(`l${i}`, DURABLE);
    world.end();
    expect(world.later.size).toBe(before);
    world.settle();
    expect(world.acknowledged).toHaveLength(10);
  });

  it('a buffered record is written within the flush window, and before anything else is acknowledged after it', () => {
    const world = ready();
    world.begin();
    world.put('a', BUFFERED);
    world.end();
    expect(world.positions().written).toBe(0);
    expect(world.pipeline.nextMs(world.nowMs)).toBeLessThanOrEqual(world.nowMs + 20);
    world.begin(19);
    expect(world.positions().written).toBe(0);
    world.end();
    world.begin(1);
    expect(world.positions().written).toBe(1);
  });
});

describe('a failing journal', () => {
  it.each(['write', 'sync'])(
    'a failed %s: nothing is acknowledged until all is in new synced files, then it goes on and nothing is lost',
    async (what) => {
      const world = ready();
      world.begin();
      world.put('a', DURABLE);
      world.put('b', BUFFERED);
      if (what === 'write') world.disk.failWrites = 1;
      else world.disk.failSyncs = 1;
      world.end();
      if (what === 'sync') {
        while (world.journal.health === 'healthy') world.later.runOne(() => 0);
      }
      expect(world.journal.health).toBe('rehoming');
      const acknowledged = world.acknowledged.length;
      world.begin(25);
      // A refusal now would be wrong, and so would a busy loop, or word that a copy counts which stood here before.
      expect(world.pipeline.awaitLevel(2, BUFFERED, 1e6)).toBe(true);
      world['waiting'].set(1e6, { name: 'b', n: 1, level: BUFFERED });
      expect(world.put('c', BUFFERED)).toBe('wait');
      world.buffer.seal(LOG_SEGMENT);
      expect(world.put('c', BUFFERED)).toBe('wait');
      world.end();
      expect(world.pipeline.nextMs(world.nowMs)).toBeGreaterThan(world.nowMs);
      expect(world.acknowledged).toHaveLength(acknowledged);
      world.settle();
      expect(world.journal).toMatchObject({ health: 'healthy', failures: 1, error: undefined });
      expect(levels(world)).toContain(DURABLE);
      world.begin();
      expect(world.put('c', DURABLE)).toBe('ready');
      world.end();
      world.settle();
      const found = await world.recover(
        world.disk.afterPowerCut(() => 1),
        () => 0,
        false,
      );
      world.assertHolds(found, world.positions().synced, [DURABLE]);
    },
  );

  it('whose directory is gone says of nothing that it is durable, also not of what was synced', () => {
    const world = ready();
    world.begin();
    world.put('a', DURABLE);
    world.end();
    world.settle();
    expect(world.pipeline.awaitLevel(1, DURABLE, 1e6)).toBe(false);
    world.pipeline.fence(new Error('gone'));
    expect(world.pipeline.awaitLevel(1, DURABLE, 1e6)).toBe(true);
  });

  it('that fails a second time is failed for good: writes are refused, reads go on, the thread sleeps', () => {
    const world = ready();
    world.begin();
    world.put('a', DURABLE);
    world.end();
    world.disk.failSyncs = 9;
    world.settle();
    expect(world.journal.health).toBe('failed');
    world.begin(50);
    expect(world.put('b', BUFFERED)).toBe('failed');
    expect(world.read('a')).toBe(1);
    world.end();
    expect(world.acknowledged).toEqual([]);
    expect(world.pipeline.error).toBeDefined();
    world.settle();
    expect(world.pipeline.nextMs(world.nowMs)).toBeGreaterThan(world.nowMs);
  });

  it('that cannot grow because the disk is full refuses, keeps what it has, and recovers when there is space', () => {
    const world = ready();
    world.disk.full = true;
    let room = 'ready';
    for (let i = 0; i < 200 && room !== 'full'; i++) {
      world.begin(5);
      room = world.put(`k${i % 7}`, COMMITTED, 800);
      world.end();
      world.later.runAll();
    }
    expect(room).toBe('full');
    expect(world.pipeline.error).toMatchObject({ code: 'STORE_FULL' });
    for (const name of world.names) expect(world.read(name)).toBe(world.latest(name));
    world.disk.full = false;
    for (let i = 0; i < 5 && room !== 'ready'; i++) {
      world.begin();
      room = world.put('again', DURABLE);
      world.end();
      world.later.runAll();
    }
    expect(room).toBe('ready');
    world.settle();
    expect(world.acknowledged.at(-1)).toMatchObject({ name: 'again', level: DURABLE });
  });

  it('a checkpoint that is confirmed while the journal is written anew leaves no file behind', () => {
    for (let seed = 0; seed < 60; seed++) {
      const random = seeded(seed);
      const world = ready();
      for (let i = 0; i < 120; i++) {
        world.begin(10);
        world.put(`k${random(9)}`, COMMITTED, 300);
        world.end();
        const whole = world.journal.health === 'healthy';
        if (!whole) world.disk.failSyncs = 0;
        else if (random(15) === 0) world.disk.failSyncs = 1;
        world.later.runOne(random);
      }
      world.disk.failSyncs = 0;
      world.settle(random);
      expect(world.journal.health, `seed ${seed}`).toBe('healthy');
      expect(world.disk.live.size, `seed ${seed}`).toBeLessThanOrEqual(world.buffer.count(SEG_LOG) + 1);
      expect(world.journal['homes'].size).toBe(world.buffer.count(SEG_LOG));
    }
  });
});

describe('checkpoints', () => {
  it('everything comes to the engine when it is asked for, and a checkpoint never waits for nobody (a slice with nothing to put)', () => {
    const world = ready();
    for (let i = 0; i < 60; i++) {
      world.begin();
      for (let puts = 0; puts < 3; puts++) world.put('a', BUFFERED, 1_000);
      world.end();
      const idle = world.pipeline['checkpoint']!.idle;
      if (!idle && world.later.size === 0) {
        expect(world.pipeline.nextMs(world.nowMs)).toBe(world.nowMs);
      }
      world.later.runAll();
    }
    expect(world.pipeline.awaitEngine(1e6)).toBe(true);
    world['waiting'].set(1e6, { name: 'engine', n: 0, level: BUFFERED });
    world.settle();
    expect(world.acknowledged.some(({ name }) => name === 'engine')).toBe(true);
    expect(world.engine.rows.size).toBe(1);
  });

  it('a failed commit ends checkpoints without a busy loop; the log fills, refuses, and loses nothing', async () => {
    const world = ready();
    world.engine.failCommits = 1;
    let room = 'ready';
    for (let i = 0; i < 300 && room !== 'full'; i++) {
      world.begin(30);
      room = world.put(`k${i % 7}`, COMMITTED, 800);
      world.end();
      world.later.runAll();
    }
    expect(room).toBe('full');
    expect(world.pipeline.engineFailed).toBe(true);
    world.begin(500);
    world.end();
    world.later.runAll();
    expect(world.pipeline.nextMs(world.nowMs + 1_000)).toBeGreaterThan(world.nowMs + 1_000);
    const found = await world.recover(world.disk.afterKill(), () => 0, true);
    world.assertHolds(found, world.positions().written, [COMMITTED]);
  });
});
