import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import type { Condemned } from '../../src/shard/reaping/condemned.js';
import { HIDE, PROVE, REMOVE, type Round } from '../../src/shard/reaping/reap-frames.js';
import { type StandParts, WitnessStand } from '../../src/shard/reaping/witness-stand.js';
import { Digest } from '../../src/shard/trees/digest.js';
import { hashOf, keyBytesOf, record, value } from '../storage/support.js';

const deleted = value('', { deleted: true });
const TOMBSTONE = record('key', [{ actor: 7, n: 2, values: [deleted] }]).words;
const LATER = record('key', [{ actor: 7, n: 3, values: [deleted] }]).words;
const LIVES = record('key', [{ actor: 7, n: 2, values: [value('v')] }]).words;
const FRAME_MS = LIMITS.replicaFrameMs;

function condemned(words: Int32Array): Condemned {
  const digest = new Digest();
  digest.ofRecord(words, 0);
  const key = keyBytesOf('key');
  return { hash: hashOf('key'), partition: 3, bucket: 1, key, low: digest.low, high: digest.high };
}
const KEY = condemned(TOMBSTONE);

/** What is so around a virtual node that has the tombstone and nothing against its going. */
class Surroundings {
  stored: Int32Array | undefined = TOMBSTONE;
  owns = true;
  isPartial = false;
  isHinted = false;
  retains = false;
  isDamaged = false;
  room: 'ready' | 'wait' = 'ready';
  readonly loader = { done: true };
  /** Records that count in no tree. */
  readonly hidden = new Set<Int32Array>();
  readonly trees = {
    usable: true,
    hide: (words: Int32Array) => void this.hidden.add(words),
    show: (words: Int32Array) => void this.hidden.delete(words),
    hides: (words: Int32Array) => this.hidden.has(words),
    forget: (words: Int32Array) => this.hidden.delete(words),
  };
  readonly log: string[] = [];
  readonly pipeline = {
    buffer: { lastSequence: 5 },
    engineFailed: false,
    journalWhole: true,
    admission: {
      nextMs: 0,
      slice: (_kind: string, _nowMs: number, step: () => boolean) => {
        while (step());
        return false;
      },
    },
    remove: () => {
      this.log.push('removed');
      if (this.room === 'ready') this.stored = undefined;
      return this.room;
    },
  };
  /** Those who wait for a sync; undefined: all is synced. */
  syncing: (() => void)[] | undefined;
  readonly stand = new WitnessStand({
    env: {
      ordinal: 0,
      ring: { preference: { 9: 0 }, preferenceLength: 3 },
      replicasOf: () => (this.owns ? 1 : 0),
      retains: () => this.retains,
      count: () => undefined,
    },
    pipeline: this.pipeline,
    completions: {
      awaitLevel: (_sequence: number, _level: number, action: () => void) => {
        this.syncing?.push(action);
        return this.syncing !== undefined;
      },
    },
    replica: {
      read: () => {
        if (this.isDamaged) throw new Error('damaged');
        return this.stored === undefined ? -1 : 0;
      },
      wordsOf: () => this.stored,
    },
    hints: { speakOf: () => this.isHinted },
    loader: this.loader,
    trees: this.trees,
    own: { forget: () => this.log.push('forgotten') },
    partial: () => this.isPartial,
  } as unknown as StandParts);

  /** What it says in a round; undefined while it says nothing. */
  says(round: Round, nowMs = 0): boolean | undefined {
    let answer: boolean | undefined;
    this.stand.ask({ round, keys: [KEY], untilMs: nowMs + 1, done: ([good]) => (answer = good) });
    this.stand.poll(nowMs);
    return answer;
  }
}

describe('a virtual node that is asked about a tombstone', () => {
  it('has nothing against it as an owner that has this very one, or as somebody else who has nothing', () => {
    expect(new Surroundings().says(PROVE)).toBe(true);
    const other = new Surroundings();
    other.owns = false;
    other.stored = undefined;
    expect(other.says(PROVE)).toBe(true);
  });

  const OBJECTIONS: Readonly<Record<string, (around: Surroundings) => void>> = {
    'an owner without it': (around) => (around.stored = undefined),
    'an owner that has a later one': (around) => (around.stored = LATER),
    'an owner that has a value': (around) => (around.stored = LIVES),
    'an owner whose copy is damaged': (around) => (around.isDamaged = true),
    'somebody else who has it': (around) => (around.owns = false),
    'somebody else whose copy is damaged': (around) => {
      around.owns = false;
      around.isDamaged = true;
    },
    'one that holds a hint for the key': (around) => (around.isHinted = true),
    'one that has not listed its hints yet': (around) => (around.loader.done = false),
    'one that lost its data and is not whole yet': (around) => (around.isPartial = true),
    'one whose trees are made anew': (around) => (around.trees.usable = false),
    'one whose engine has failed': (around) => (around.pipeline.engineFailed = true),
    'one whose journal is written anew': (around) => (around.pipeline.journalWhole = false),
  };
  for (const [who, change] of Object.entries(OBJECTIONS)) {
    it(`says no, and hides nothing, as ${who}`, () => {
      const around = new Surroundings();
      change(around);
      expect([around.says(PROVE), around.says(HIDE)]).toEqual([false, false]);
      expect(around.hidden.size).toBe(0);
    });
  }

  it('answers when all that it says is synced, hints that it let go included', () => {
    const around = new Surroundings();
    around.syncing = [];
    expect(around.says(PROVE)).toBeUndefined();
    let answer: boolean | undefined;
    around.stand.ask({ round: PROVE, keys: [KEY], untilMs: 1, done: ([good]) => (answer = good) });
    around.stand.poll(0);
    expect(answer).toBeUndefined();
    for (const action of around.syncing) action();
    expect(answer).toBe(true);
  });

  it('says nothing to a question that nobody waits for any more', () => {
    const around = new Surroundings();
    const answers: boolean[][] = [];
    around.stand.ask({ round: HIDE, keys: [KEY], untilMs: 9, done: (good) => answers.push(good) });
    around.stand.poll(10);
    expect([answers, around.hidden.size]).toEqual([[], 0]);
  });
});

describe('an owner that is to remove a tombstone', () => {
  function hidden(): Surroundings {
    const around = new Surroundings();
    expect(around.says(HIDE, 1_000)).toBe(true);
    return around;
  }

  it('does so once it has been hidden as long as a frame lives, and its clock is forgotten first', () => {
    const around = hidden();
    expect(around.says(REMOVE, 1_000 + FRAME_MS - 1)).toBe(false);
    expect(around.log).toEqual([]);
    expect(around.says(REMOVE, 1_000 + FRAME_MS)).toBe(true);
    expect(around.log).toEqual(['forgotten', 'removed']);
    expect(around.hidden.size).toBe(0);
    // The answer was lost, and the question comes again.
    expect(around.says(REMOVE, 1_000 + FRAME_MS + 500)).toBe(true);
  });

  const LATER_ON = 1_000 + FRAME_MS;
  const REASONS: Readonly<Record<string, (around: Surroundings) => void>> = {
    'another version has come': (around) => (around.stored = LATER),
    'it lives again': (around) => (around.stored = LIVES),
    'its copy is damaged': (around) => (around.isDamaged = true),
    'its trees were made anew and count it': (around) => around.hidden.clear(),
    'copies are retained for a backup': (around) => (around.retains = true),
    'the ring has changed': (around) => around.stand.ringChanged(),
  };
  for (const [reason, change] of Object.entries(REASONS)) {
    it(`keeps it where ${reason}`, () => {
      const around = hidden();
      change(around);
      expect(around.says(REMOVE, LATER_ON)).toBe(false);
      expect(around.log).toEqual([]);
    });
  }

  it('keeps one that it has not hidden, and one for whose removal there is no room in the log', () => {
    const stranger = new Surroundings();
    expect(stranger.says(REMOVE, LATER_ON)).toBe(false);
    const full = hidden();
    full.room = 'wait';
    expect(full.says(REMOVE, LATER_ON)).toBe(false);
    expect(full.hidden.size).toBe(1);
  });

  it('gives it to everybody again if it was not removed in time', () => {
    const around = hidden();
    expect(around.stand.poll(1_000)).toBe(1_000 + 3 * FRAME_MS);
    around.stand.poll(1_000 + 3 * FRAME_MS);
    expect(around.hidden.size).toBe(0);
    expect(around.says(REMOVE, 1_000 + 3 * FRAME_MS)).toBe(false);
  });
});
