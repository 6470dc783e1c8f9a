import { describe, expect, it } from 'vitest';
import { frameType, HANDOFF, HANDOFF_ACK, OK, RECORD_AT, writeHeader } from '../../src/messaging/frames.js';
import type { Outbox } from '../../src/messaging/transport.js';
import { buildRing } from '../../src/ring/ring.js';
import { Completions } from '../../src/shard/completions.js';
import type { VnodeEnvironment } from '../../src/shard/environment.js';
import { GuestActor } from '../../src/shard/guest-actor.js';
import { HintHandoff } from '../../src/shard/hint-handoff.js';
import { HintLoader } from '../../src/shard/hint-loader.js';
import { Hints, textOf } from '../../src/shard/hints.js';
import { Replica } from '../../src/shard/replica.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { StorageWorld } from '../storage/storage-world.js';
import { recoverJournal } from '../../src/storage/recovery.js';
import { hintName } from '../../src/shard/hint-record.js';
import { Later } from '../storage/fakes.js';
import { seeded } from '../versions/model.js';
import { LIMITS } from '../../src/base/limits.js';
import { encodeRecord } from '../../src/storage/record-codec.js';
import { CONTENT_TYPES, HINT_BUCKET, lengthAt } from '../../src/storage/record.js';
import { paddedWords } from '../../src/base/memory.js';
import { sha1Into } from '../../src/ring/sha1.js';
import { hashOf, keyBytesOf, version } from '../storage/support.js';

const RING = buildRing({
  nodes: ['n1', 'n2'].map((id) => ({ id, capacity: 1, vnodes: 1 })),
  partitions: 4,
  spacing: 2,
});

/** Bucket with n = 1. */
const ALONE = 7;

/** Collects what is sent. */
class Sent implements Outbox {
  words = new Int32Array(1_024);
  bytes = new Uint8Array(this.words.buffer);
  readonly waitingBytes = 0;
  readonly frames: Int32Array[] = [];
  private length = 0;

  begin(frameBytes: number): number {
    this.length = frameBytes;
    return 0;
  }
  end(): void {
    this.frames.push(this.words.slice(0, this.length >>> 2));
  }
}

/** The owner's end of a handing over, on a journal whose writes and syncs complete when the test says so. */
function owner(
  world: StorageWorld,
  engine = world.engine,
): {
  env: { -readonly [Part in keyof VnodeEnvironment]: VnodeEnvironment[Part] };
  pipeline: Pipeline;
  handoff: HintHandoff;
  hints: Hints;
  sent: Sent;
} {
  const completions = new Completions();
  const options = { flushMs: 20, checkpointMs: 100, onProgress: () => undefined };
  const backing = { journal: world.journal, engine };
  const pipeline = new Pipeline(world.buffer, backing, options, (token) => completions.reached(token));
  completions.pipeline = pipeline;
  const sent = new Sent();
  const env = {
    ordinal: 0,
    ring: RING,
    endpoint: { to: () => sent },
    clock: { nowMs: () => world.nowMs, wallMs: () => world.nowMs },
    freshActor: () => undefined,
    replicasOf: (bucket: number) => (bucket === ALONE ? 1 : 2),
    ruleOf: () => 1,
    retains: () => false,
    isServing: () => true,
    isWhole: () => true,
    holdsHintsFor: () => undefined,
    hasHintsFor: () => false,
    count: () => undefined,
    gauge: () => undefined,
  } as unknown as VnodeEnvironment;
  const replica = new Replica(pipeline, () => 1, 4_000);
  const hints = new Hints(env, pipeline, replica, new GuestActor(() => undefined));
  const loader = new HintLoader(env, pipeline, engine, hints);
  return {
    env,
    pipeline,
    hints,
    handoff: new HintHandoff({ env, pipeline, replica, completions, hints, loader, actor: 1 }),
    sent,
  };
}

function handOver(handoff: HintHandoff, n: number): void {
  const { words, bytes } = version('key', n);
  const frame = new Int32Array(RECORD_AT + bytes / 4);
  frame[0] = frame.length * 4;
  writeHeader(frame, 0, HANDOFF, 0, n, 1, 1e9);
  frame[7] = 77;
  frame.set(words, RECORD_AT);
  handoff.receive(1, frame, new Uint8Array(frame.buffer), 0);
}

/** Takes turns of the pipeline until so many flush windows have passed. */
function turns(world: StorageWorld, count: number): void {
  for (let i = 0; i < count; i++) {
    world.nowMs += 20;
    world.pipeline.begin(world.nowMs);
    world.pipeline.end(world.nowMs);
    world.later.runAll();
  }
}

describe('an owner that is handed a copy', () => {
  it('acknowledges it when it is synced, not when it is in the buffer or written; also one that it has already', () => {
    const world = new StorageWorld();
    const { pipeline, handoff, sent } = owner(world);
    const turn = (): void => {
      world.nowMs += 1;
      pipeline.begin(world.nowMs);
      pipeline.end(world.nowMs);
    };
    pipeline.room(100);
    world.later.runAll();
    turn();
    handOver(handoff, 1);
    expect(world.buffer.lastSequence).toBe(1);
    turn();
    expect(world.positions()).toEqual({ written: 1, synced: 0 });
    // The same once more, from a holder that got no answer.
    handOver(handoff, 1);
    turn();
    expect(sent.frames).toEqual([]);
    world.later.runAll();
    turn();
    expect(world.positions()).toEqual({ written: 1, synced: 1 });
    expect(sent.frames.map((frame) => [frameType(frame, 0), frame[2], frame[6], frame[7]])).toEqual([
      [HANDOFF_ACK, 1, OK, 77],
      [HANDOFF_ACK, 1, OK, 77],
    ]);
  });
});

describe('the list of hints', () => {
  it('takes no more than its limit, and says so; one that it has already is no more', () => {
    const world = new StorageWorld();
    const { pipeline, hints } = owner(world);
    const hinted = { bucket: 1, key: keyBytesOf('key') };
    const hint = { hash: 5, partition: 3, n: 1, rule: 0, bytes: 100 };
    expect(hints.take(1, hinted, hint)).toBe('wait');
    world.later.runAll();
    pipeline.begin(world.nowMs);
    expect(hints.take(1, hinted, hint)).toBe('kept');
    hints.count = LIMITS.hints;
    expect(hints.take(1, hinted, hint)).toBe('kept');
    expect(hints.take(1, { ...hinted, key: keyBytesOf('other') }, hint)).toBe('full');
    expect(world.buffer.lastSequence).toBe(1);
  });

  it.each(['killed process', 'power cut'] as const)(
    'is made anew from journal and engine after a %s, as of the watermark or later',
    async (crash) => {
      let found = 0;
      for (let seed = 0; seed < 60; seed++) {
        const random = seeded(seed);
        const world = new StorageWorld();
        const { pipeline, hints } = owner(world);
        /** Name → positions in the log at which the hint was made and let go, in turns. */
        const changes = new Map<string, number[]>();
        for (let turn = 0; turn < 60; turn++) {
          world.nowMs += random(15);
          pipeline.begin(world.nowMs);
          for (let i = random(4); i > 0; i--) {
            const key = keyBytesOf(`k${random(12)}`);
            const list = hints.waiting[1]!;
            const text = textOf(hintName(hints.names[1]!, { bucket: 1, key }));
            const hint = { hash: key[1]!, partition: 3, n: 1, rule: 0, bytes: 99 };
            const done = list.has(text)
              ? hints.release(1, text, list.get(text)!)
              : hints.take(1, { bucket: 1, key }, hint) === 'kept';
            if (done) changes.set(text, [...(changes.get(text) ?? []), world.buffer.lastSequence]);
          }
          pipeline.end(world.nowMs);
          for (let steps = random(4); steps > 0; steps--) world.later.runOne(random);
        }
        const cut = crash === 'power cut';
        const { written, synced } = world.positions();
        const later = new Later();
        const engine = world.engine.afterCrash(random, later);
        const files = cut ? world.disk.afterPowerCut(random) : world.disk.afterKill();
        const pump = setInterval(() => later.runAll(), 0);
        await recoverJournal(files, engine, !cut, 'journal').finally(() => clearInterval(pump));
        const fresh = new StorageWorld();
        const after = owner(fresh, engine);
        for (let i = 0; i < 2; i++) after.handoff.poll(fresh.nowMs);
        for (const [text, sequences] of changes) {
          const certain = sequences.filter((sequence) => sequence <= (cut ? synced : written)).length;
          // Made by each odd change, let go by each even one.
          const possible = new Set(
            Array.from({ length: sequences.length - certain + 1 }, (_, i) => (certain + i) % 2 === 1),
          );
          expect(possible, `seed ${seed} ${text}`).toContain(after.hints.waiting[1]!.has(text));
          if (possible.size === 1 && possible.has(true)) found++;
        }
      }
      expect(found).toBeGreaterThan(60);
    },
  );

  it('is looked through for those whose owner is one no more only as long as there are any', () => {
    const world = new StorageWorld();
    const { env, pipeline, hints, handoff } = owner(world);
    pipeline.room(100);
    world.later.runAll();
    pipeline.begin(world.nowMs);
    // Each of the two owns half of the partitions.
    const [kept, lost] = [1, 0].map((first) =>
      Array.from(RING.owner).findIndex((vnode) => vnode === first),
    ) as [number, number];
    for (let i = 0; i < 9; i++) {
      const hint = { hash: i, partition: i === 8 ? lost : kept, n: 1, rule: 0, bytes: 99 };
      expect(hints.take(1, { bucket: ALONE, key: keyBytesOf(`k${i}`) }, hint)).toBe('kept');
    }
    handoff.poll(world.nowMs);
    let looked = 0;
    env.isServing = () => ++looked < 0;
    handoff.poll(world.nowMs);
    // Those of its own have nowhere to go, the other one is where it belongs.
    expect([hints.count, looked]).toEqual([8, 8]);
    looked = 0;
    handoff.poll(world.nowMs);
    expect(looked).toBe(1);
  });

  it('is made anew from the records that say so, and from no others', () => {
    const world = new StorageWorld();
    const { pipeline, hints } = owner(world);
    pipeline.room(100);
    world.later.runAll();
    pipeline.begin(world.nowMs);
    for (const name of ['a', 'b', 'c']) {
      const { words, key, bytes } = version(name, 1);
      expect(pipeline.room(bytes)).toBe('ready');
      pipeline.append(words, 0, key);
      const hint = { hash: hashOf(name), partition: 3, n: 1, rule: 1, bytes };
      expect(hints.take(1, { bucket: 1, key: keyBytesOf(name) }, hint)).toBe('kept');
    }
    const [first] = hints.waiting[1]!;
    expect(hints.release(1, ...first!)).toBe(true);
    const again = owner(world);
    again.handoff.poll(world.nowMs);
    expect([...again.hints.waiting[1]!]).toEqual([...hints.waiting[1]!]);
    expect(again.hints.count).toBe(2);
  });

  it('has no hint that was let go, although the engine has not heard of that yet when a thread takes over', () => {
    const world = new StorageWorld();
    const { pipeline, hints } = owner(world);
    const hinted = { bucket: 1, key: keyBytesOf('key') };
    const hint = { hash: hashOf('key'), partition: 3, n: 1, rule: 0, bytes: 100 };
    pipeline.room(100);
    turns(world, 1);
    expect(hints.take(1, hinted, hint)).toBe('kept');
    turns(world, 20);
    const stored: Uint8Array[] = [];
    world.engine.scan(3, HINT_BUCKET, undefined, 10, (key) => void stored.push(key.slice()));
    expect(stored).toHaveLength(1);
    expect(hints.release(1, ...[...hints.waiting[1]!][0]!)).toBe(true);
    // A copy that is nobody's hint: with one to send, a hint that is listed stays.
    const { words, key, bytes } = version('key', 1);
    expect(pipeline.room(bytes)).toBe('ready');
    pipeline.append(words, 0, key);
    const again = owner(world);
    for (let i = 0; i < 3; i++) again.handoff.poll(world.nowMs);
    expect(again.hints.count).toBe(0);
    // So the next one has a record of its own.
    const before = world.buffer.lastSequence;
    expect(again.hints.take(1, hinted, hint)).toBe('kept');
    expect(world.buffer.lastSequence).toBe(before + 1);
  });

  it('has for an owner of today what waited for one that has left before the store was opened, once', () => {
    const world = new StorageWorld();
    const { env, pipeline, hints } = owner(world);
    const nodes = ['n1', 'n2', 'n9'].map((id) => ({ id, capacity: 1, vnodes: 1 }));
    env.ring = buildRing({ nodes, partitions: 4, spacing: 2 });
    hints.ringChanged();
    pipeline.room(100);
    turns(world, 1);
    const key = keyBytesOf('key');
    const digest = new Int32Array(5);
    sha1Into(key, key.length, digest);
    const hash = digest[1]!;
    // Of both n1, which holds it, and the other one; only the latter is owed anything.
    for (const first of [0, 1]) {
      const partition = [0, 1, 2, 3].find((p) => RING.preference[p * RING.preferenceLength] === first)!;
      const copy = encodeRecord({ hash, partition, bucket: ALONE + first }, key, 0, [
        {
          actor: 5,
          n: 1,
          values: [{ bytes: key, contentType: CONTENT_TYPES[0], time: 1, deleted: false }],
        },
      ]);
      expect(pipeline.room(lengthAt(copy.words, 0))).toBe('ready');
      pipeline.append(copy.words, 0, paddedWords(key));
      const hint = { hash, partition, n: 1, rule: 1, bytes: 99 };
      expect(hints.take(2, { bucket: ALONE + first, key }, hint)).toBe('kept');
    }
    turns(world, 20);
    const fresh = new StorageWorld();
    // A thread that takes over finds the same once more.
    for (let thread = 0; thread < 2; thread++) {
      const again = owner(fresh, world.engine);
      again.env.replicasOf = () => 1;
      again.pipeline.room(100);
      fresh.later.runAll();
      for (let i = 0; i < 3; i++) again.handoff.poll(fresh.nowMs);
      expect([...again.hints.waiting[1]!.values()]).toMatchObject([{ hash, n: 1, rule: 1 }]);
      expect(again.hints.count).toBe(1);
      expect(again.sent.frames.map((frame) => frameType(frame, 0))).toEqual([HANDOFF]);
    }
  });

  it('is made anew from its name where its record is damaged; one whose copy is damaged goes, and nobody waits for it', () => {
    const world = new StorageWorld();
    const { pipeline, hints } = owner(world);
    const digest = new Int32Array(5);
    const key = keyBytesOf('key');
    sha1Into(key, key.length, digest);
    // n = 1, and the first owner is the other one.
    const partition = [0, 1, 2, 3].find((p) => RING.preference[p * RING.preferenceLength] === 1)!;
    pipeline.room(100);
    turns(world, 1);
    const copy = encodeRecord({ hash: digest[1]!, partition, bucket: ALONE }, key, 0, [
      {
        actor: 5,
        n: 1,
        values: [{ bytes: key, contentType: CONTENT_TYPES[0], time: 1, deleted: false }],
      },
    ]);
    expect(pipeline.room(lengthAt(copy.words, 0))).toBe('ready');
    pipeline.append(copy.words, 0, paddedWords(key));
    const hint = { hash: digest[1]!, partition, n: 1, rule: 1, bytes: 99 };
    expect(hints.take(1, { bucket: ALONE, key }, hint)).toBe('kept');
    turns(world, 20);
    const rows = [...world.engine.rows];
    expect(rows).toHaveLength(2);
    const damage = (which: number): void => {
      for (const [name, record] of world.engine.rows) {
        const bucket = record[32]! | (record[33]! << 8);
        if (bucket === which) world.engine.rows.set(name, record.with(record.length - 1, record.at(-1)! ^ 1));
      }
    };
    damage(HINT_BUCKET);
    const fresh = new StorageWorld();
    const again = owner(fresh, world.engine);
    again.pipeline.room(100);
    fresh.later.runAll();
    for (let i = 0; i < 3; i++) again.handoff.poll(fresh.nowMs);
    expect([...again.hints.waiting[1]!.values()]).toMatchObject([
      { hash: digest[1], partition, n: 1, rule: 1 },
    ]);
    expect(again.sent.frames.map((frame) => frameType(frame, 0))).toEqual([HANDOFF]);

    damage(ALONE);
    const last = new StorageWorld();
    const end = owner(last, world.engine);
    end.pipeline.room(100);
    last.later.runAll();
    for (let i = 0; i < 3; i++) end.handoff.poll(last.nowMs);
    expect(end.sent.frames).toEqual([]);
    expect(end.hints.count).toBe(0);
  });
});
