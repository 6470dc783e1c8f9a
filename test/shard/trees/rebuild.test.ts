import fc from '../../properties.js';
import { describe, expect, it } from 'vitest';
import { Completions } from '../../../src/shard/completions.js';
import { Replica } from '../../../src/shard/replica.js';
import { Trees } from '../../../src/shard/trees/trees.js';
import type { BufferShape } from '../../../src/storage/buffer-layout.js';
import { Journal } from '../../../src/storage/journal.js';
import type { ObjectBuffer } from '../../../src/storage/object-buffer.js';
import { Pipeline } from '../../../src/storage/pipeline.js';
import { FakeDisk, FakeEngine, Later } from '../../storage/fakes.js';
import { keyBytesOf, shared } from '../../storage/support.js';
import { seeded } from '../../versions/model.js';
import { differences, environment, naive, recordOf, versionOf } from './support.js';
import { keyAt, keyLengthAt, partitionAt, W_KEY_HASH } from '../../../src/storage/record.js';

const RUNS = process.env['RINGLET_LONG'] === undefined ? 16 : 1_000;
/** With an engine: 8 segments of 40 records, so that most keys are only in the engine. */
const SMALL_SHAPE: BufferShape = { bytes: 8 * 4_096, segmentBytes: 4_096, segments: 8, maxTableBits: 10 };
/** In memory: room for all. */
const LARGE_SHAPE: BufferShape = { bytes: 40 * 16_384, segmentBytes: 16_384, segments: 40, maxTableBits: 14 };

type Random = (below: number) => number;

/** The storage of a virtual node, its replica and its trees, in virtual time over fakes. */
class World {
  readonly env = environment(0);
  readonly stored = new Map<string, Int32Array>();
  trees!: Trees;
  private nowMs = 1_000;
  private readonly place;
  private readonly onDisk: boolean;
  private later = new Later();
  private buffer: ObjectBuffer;
  private disk: FakeDisk | undefined;
  private engine: FakeEngine | undefined;
  private pipeline!: Pipeline;
  private replica!: Replica;
  private readonly versions = new Map<string, number>();

  constructor(onDisk: boolean) {
    this.onDisk = onDisk;
    this.place = shared(onDisk ? SMALL_SHAPE : LARGE_SHAPE);
    this.buffer = this.place.open();
    this.buffer.startAt(0, 1, 0);
    this.disk = onDisk ? new FakeDisk(this.later) : undefined;
    this.engine = onDisk ? new FakeEngine(this.later) : undefined;
    this.assemble();
  }

  private assemble(): Journal | undefined {
    const completions = new Completions();
    const journal = this.disk && new Journal(this.buffer, this.disk, () => undefined);
    const backing = journal && { journal, engine: this.engine! };
    const options = { flushMs: 20, checkpointMs: 200, onProgress: () => undefined };
    this.pipeline = new Pipeline(this.buffer, backing, options, (token) => completions.reached(token));
    completions.pipeline = this.pipeline;
    this.trees = new Trees(this.env, this.pipeline, this.engine, completions);
    this.replica = new Replica(this.pipeline, () => 0, 2_048, this.trees);
    return journal;
  }

  /** Another thread takes the object buffer over. */
  restart(random: Random): void {
    const later = new Later();
    if (this.onDisk) {
      this.disk = new FakeDisk(later, this.disk);
      this.engine = this.engine!.afterCrash(random, later);
    }
    this.buffer = this.place.open();
    this.later = later;
    this.assemble()?.adopt();
  }

  /** False if there is no room now. */
  write(i: number): boolean {
    const bucket = 1 + (i % 3);
    const name = `k${i}`;
    const n = (this.versions.get(name) ?? 0) + 1;
    const { words } = versionOf(name, bucket, n);
    const applied = this.replica.apply(words, new Uint8Array(words.buffer), 0, 0);
    if (applied === 'wait' || !('sequence' in applied)) return false;
    this.versions.set(name, n);
    this.stored.set(name, words);
    return true;
  }

  /** A read of what is only in the engine leaves a copy without a number in the buffer. */
  read(i: number): void {
    const name = `k${i}`;
    const { words } = recordOf(name, 1 + (i % 3), []);
    const key = words.subarray(keyAt(words, 0), keyAt(words, 0) + ((keyLengthAt(words, 0) + 3) >>> 2));
    const at = this.replica.read(
      words[W_KEY_HASH]!,
      partitionAt(words, 0),
      1 + (i % 3),
      key,
      keyBytesOf(name),
    );
    expect(at >= 0).toBe(this.stored.has(name));
  }

  /** Nothing in the engine can be read any more. */
  damage(): void {
    for (const row of this.engine!.rows.values()) row[row.length - 1]! ^= 1;
  }

  turn(random: Random): void {
    this.nowMs += 1 + random(60);
    this.pipeline.begin(this.nowMs);
    this.pipeline.end(this.nowMs);
    for (let steps = random(4); steps > 0; steps--) this.later.runOne(random);
  }

  wrong(): number[] {
    return differences(this.trees.set, naive(this.env, this.stored.values()));
  }
}

function busy(world: World, random: Random, keys: number): void {
  for (let i = random(30); i > 0; i--) world.write(random(keys));
  for (let i = random(6); i > 0; i--) world.read(random(keys));
}

describe.each([
  { kind: 'with an engine', onDisk: true },
  { kind: 'in memory only', onDisk: false },
])('trees rebuilt $kind while writes go on', ({ onDisk }) => {
  it('count every key exactly once, whatever was written, moved, evicted and read meanwhile', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = seeded(seed);
        const world = new World(onDisk);
        // In memory: about as many as make the index grow, so that a walk begins anew.
        const keys = onDisk ? 1 + random(700) : 2_650 + random(250);
        for (let i = 0; i < keys; i++) {
          world.write(i);
          if (i % 20 === 0) world.turn(random);
        }
        for (let turns = random(20); turns > 0; turns--) {
          busy(world, random, keys);
          world.turn(random);
        }
        world.restart(random);
        const pace = 1 + random(25);
        for (let turns = 0; !world.trees.usable; turns++) {
          if (turns > 5_000) throw new Error('never usable');
          busy(world, random, keys + random(400));
          if (random(pace) === 0) world.trees.step();
          world.turn(random);
        }
        expect(world.wrong()).toEqual([]);
        for (let turns = random(10); turns > 0; turns--) {
          busy(world, random, keys);
          world.turn(random);
        }
        expect(world.wrong()).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  }, 600_000);

  it('a new store has them at once', () => {
    const world = new World(onDisk);
    while (world.trees.step());
    expect(world.trees.usable).toBe(true);
  });
});

it('what was counted already, and then found damaged and replaced, is counted once', () => {
  const random = seeded(3);
  const world = new World(true);
  for (let i = 0; i < 400; i++) {
    world.write(i);
    if (i % 10 === 0) world.turn(random);
  }
  for (let i = 0; i < 100; i++) world.turn(random);
  world.restart(random);
  for (let i = 0; i < 100; i++) world.turn(random);
  for (let steps = 0; steps < 8; steps++) world.trees.step();
  expect(world.trees.usable).toBe(false);
  world.damage();
  for (let i = 0; i < 400; i++) while (!world.write(i)) world.turn(random);
  for (let turns = 0; !world.trees.usable; turns++) {
    expect(turns).toBeLessThan(5_000);
    world.trees.step();
    world.turn(random);
  }
  expect(world.wrong()).toEqual([]);
});
