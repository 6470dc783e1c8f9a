import { describe, expect, it } from 'vitest';
import { OK, OUT_DIFFERENT, RANGE_ANSWER, RANGE_COMPARE, writeHeader } from '../../src/messaging/frames.js';
import { beginJoin, startMoving } from '../../src/ring/change.js';
import { firstState, type RingFact } from '../../src/ring/state.js';
import { otherOwners, ownersAlone, ringOfState } from '../../src/ring/live-ring.js';
import { MOVING } from '../../src/ring/ring.js';
import { Transfer, type TransferParts } from '../../src/shard/transfer.js';

const nodes = ['n1', 'n2', 'n3'].map((id) => ({ id, capacity: 1, vnodes: 1 }));
const state = startMoving(
  beginJoin(firstState({ nodes, partitions: 16, spacing: 3 }), { id: 'n4', capacity: 1, vnodes: 1 }, [2], 8),
);
const ring = ringOfState(state);
const JOINER = 3;

interface Frame {
  readonly to: number;
  readonly words: Int32Array;
}

/** A virtual node's part in the change, with storage whose syncs and peers whose answers a test decides on. */
function made(ordinal: number) {
  const world = {
    nowMs: 0,
    sent: [] as Frame[],
    reported: [] as RingFact[],
    syncs: [] as (() => void)[],
    announced: true,
    hinted: false,
    records: 5,
    hurried: [] as number[],
  };
  const outbox = (to: number) => {
    const words = new Int32Array(16);
    return { words, begin: () => 0, end: () => world.sent.push({ to, words: words.slice() }) };
  };
  const transfer = new Transfer({
    env: {
      ring,
      ordinal,
      isServing: () => true,
      clock: { nowMs: () => world.nowMs },
      endpoint: { to: outbox },
    },
    source: {
      announced: () => world.announced,
      hinted: () => world.hinted,
      report: (facts: readonly RingFact[]) => world.reported.push(...facts),
    },
    pipeline: { buffer: { lastSequence: 9 } },
    completions: {
      awaitLevel: (_sequence: number, _level: number, action: () => void) => world.syncs.push(action) > 0,
    },
    trees: {
      usable: true,
      set: { recordsIn: () => world.records, low: () => 1, high: () => 2, shares: () => true },
    },
    rebuilding: { partial: false },
    repair: { hurry: (peer: number) => world.hurried.push(peer) },
  } as unknown as TransferParts);
  const turn = (): void => {
    world.nowMs += 50;
    transfer.poll(world.nowMs);
  };
  const answer = ({ to, words }: Frame, outcome: number, since = words[2]!): void => {
    const frame = new Int32Array(8);
    writeHeader(frame, 0, RANGE_ANSWER, 0, since, 0, 0);
    frame[6] = outcome;
    frame[7] = words[6]!;
    transfer.receive(to, frame, new Uint8Array(frame.buffer), 0);
  };
  return { world, transfer, turn, answer };
}

const mine = Array.from({ length: 16 }, (_, p) => p).filter(
  (p) => ring.moves!.state[p] === MOVING && otherOwners(ring, p, 2).includes(JOINER),
);

describe('whoever comes to a partition', () => {
  it('asks everybody who goes, and reports only when all are equal and everything here is synced', () => {
    const { world, turn, answer } = made(JOINER);
    turn();
    expect(new Set(world.sent.map(({ words }) => words[6]! & 0xffff))).toEqual(new Set(mine));
    for (const { to, words } of world.sent) expect(ownersAlone(ring, words[6]! & 0xffff, 2)).toContain(to);
    for (const frame of world.sent.splice(0)) answer(frame, OK);
    turn();
    turn();
    expect(world.syncs).toHaveLength(mine.length);
    expect(world.reported).toEqual([]);
    world.syncs.forEach((synced) => synced());
    turn();
    expect(world.reported.map((fact) => fact.kind === 'came' && fact.partition)).toEqual(
      expect.arrayContaining(mine),
    );
    const reported = world.reported.length;
    world.nowMs += 1_000;
    turn();
    // A report may be lost: it is repeated until the ring says that it is known.
    expect(world.reported.length).toBe(2 * reported);
  });

  it('asks nobody before all write to both lists, nor while hints wait for who goes', () => {
    const { world, turn } = made(JOINER);
    world.announced = false;
    turn();
    world.announced = true;
    world.hinted = true;
    turn();
    expect(world.sent).toEqual([]);
    world.hinted = false;
    turn();
    expect(world.sent.length).toBeGreaterThan(0);
  });

  it('fetches what differs and asks again; answers to another step, or of somebody else, count for nothing', () => {
    const { world, turn, answer } = made(JOINER);
    turn();
    const asked = world.sent.splice(0);
    for (const frame of asked) {
      answer(frame, OUT_DIFFERENT);
      answer(frame, OK, frame.words[2]! + 1);
      answer({ ...frame, to: JOINER }, OK);
    }
    expect(new Set(world.hurried)).toEqual(new Set(asked.map(({ to }) => to)));
    turn();
    expect(world.syncs).toEqual([]);
    expect(world.sent.length).toBe(asked.length);
  });
});

describe('whoever goes', () => {
  it('answers that a range is the same only when it is by count and root, and is synced here', () => {
    const { world, transfer } = made(0);
    const ask = (records: number, low: number): void => {
      const frame = new Int32Array(10);
      writeHeader(frame, 0, RANGE_COMPARE, 0, 7, 0, 0);
      frame.set([mine[0]! | (2 << 16), records, low, 2], 6);
      transfer.receive(JOINER, frame, new Uint8Array(frame.buffer), 0);
    };
    ask(5, 99);
    ask(4, 1);
    expect(world.sent.map(({ words }) => words[6])).toEqual([OUT_DIFFERENT, OUT_DIFFERENT]);
    ask(5, 1);
    expect(world.sent).toHaveLength(2);
    world.syncs.forEach((synced) => synced());
    expect(world.sent.at(-1)!.words[6]).toBe(OK);
    expect(world.sent.at(-1)!.words[2]).toBe(7);
  });
});
