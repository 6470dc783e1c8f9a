import { expect, it } from 'vitest';
import { paddedWords } from '../../src/base/memory.js';
import { sha1Into } from '../../src/ring/sha1.js';
import { Damage } from '../../src/shard/damage.js';
import { Replica } from '../../src/shard/replica.js';
import { Scrub, type ScrubParts } from '../../src/shard/scrub.js';
import { EngineWalk } from '../../src/shard/trees/walks.js';
import { isPlaced } from '../../src/storage/placed.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { encodeRecord } from '../../src/storage/record-codec.js';
import { CONTENT_TYPES, lengthAt } from '../../src/storage/record.js';
import { keyBytesOf } from '../storage/support.js';
import { StorageWorld } from '../storage/storage-world.js';

const PARTITION = 1;
const BUCKET = 3;

/**
 * Found with the simulator's changed bits: readers were served a record from the object buffer, while trees that
 * were made anew left it out, since the engine's copy was damaged. A peer sent it, it was nothing new, and so
 * at each exchange: the trees differed as long as the buffer had it, and no ring change came to its end.
 */
it('a record that is damaged in the engine and whole in the buffer counts in the trees, and goes to the engine again', () => {
  const world = new StorageWorld();
  const { engine } = world;
  const options = { flushMs: 20, checkpointMs: 100, onProgress: () => undefined };
  const pipeline = new Pipeline(world.buffer, { journal: world.journal, engine }, options, () => undefined);
  const turns = (count: number, each = (): void => undefined): void => {
    for (let i = 0; i < count; i++) {
      world.nowMs += 20;
      pipeline.begin(world.nowMs);
      each();
      pipeline.end(world.nowMs);
      world.later.runAll();
    }
  };
  const key = keyBytesOf('key');
  const digest = new Int32Array(5);
  sha1Into(key, key.length, digest);
  const values = [{ bytes: key, contentType: CONTENT_TYPES[0], time: 1, deleted: false }];
  const place = { hash: digest[1]!, partition: PARTITION, bucket: BUCKET };
  const { words } = encodeRecord(place, key, 0, [{ actor: 5, n: 1, values }]);
  pipeline.room(100);
  turns(1);
  expect(pipeline.room(lengthAt(words, 0))).toBe('ready');
  pipeline.append(words, 0, paddedWords(key));
  turns(20);
  const [[name, stored]] = [...engine.rows] as [[string, Uint8Array]];
  const whole = (): boolean => isPlaced(PARTITION, BUCKET, key, engine.get(PARTITION, BUCKET, key)!);
  engine.rows.set(name, stored.with(60, stored[60]! ^ 4));
  expect(whole()).toBe(false);

  let counted = 0;
  new EngineWalk(engine, pipeline, [0, 1, 2, 3]).step(() => counted++);
  expect(counted).toBe(1);

  const scrub = new Scrub({
    env: {
      clock: { nowMs: () => world.nowMs, wallMs: () => world.nowMs },
      ring: { partitions: 4 },
      random: () => 0,
      count: () => undefined,
      gauge: () => undefined,
    },
    pipeline,
    engine,
    replica: new Replica(pipeline, () => 1, 4_000),
    damage: new Damage(() => expect.unreachable('no peer is needed')),
    pace: { pauseMs: 1, everyMs: 60 },
    onPass: () => undefined,
  } as unknown as ScrubParts);
  turns(60, () => scrub.poll(world.nowMs));
  expect(whole()).toBe(true);
});
