import { describe, expect, it, vi } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { LIMITS } from '../../src/base/limits.js';
import {
  frameType,
  IF_ABSENT,
  IF_MATCH,
  OK,
  OP_DELETE,
  OP_INCREMENT,
  OP_PUT,
  OUT_CONDITION,
  OUT_CONTEXT,
  OUT_FULL,
  OUT_NOT_A_COUNTER,
  OUT_QUORUM,
  OUT_SIBLINGS,
  OUT_STALE_RING,
  PUT,
  RECORD_AT,
  REPLICATE_ACK,
  writeHeader,
} from '../../src/messaging/frames.js';
import { KIND_COUNTER } from '../../src/storage/record.js';
import { decodeContext, encodeContext } from '../../src/versions/context.js';
import { join, values } from '../../src/versions/dvvs.js';
import { keyBytesOf } from '../storage/support.js';
import { seeded } from '../versions/model.js';
import { Cluster } from './cluster.js';
import { type PutOptions, type PutResult, textOf } from './cluster-caller.js';

const random = seeded(1);

function ask(cluster: Cluster, name: string, options: PutOptions): PutResult {
  const answers: PutResult[] = [];
  expect(cluster.put(name, options, (result) => answers.push(result))).toBe(true);
  for (let i = 0; i < 400 && answers.length === 0; i++) {
    cluster.nowMs += 2;
    cluster.pollCaller();
    cluster.vnodes.forEach((_, v) => cluster.poll(v));
    cluster.pollCaller();
  }
  return answers[0]!;
}

function textsAt(cluster: Cluster, v: number, name: string): string[] {
  return values(cluster.clockAt(v, name)).map(textOf).sort();
}

describe('W at the coordinator', () => {
  it('owners that stop between the check and the sending do not count: no OK by one copy (N=3, W=2)', () => {
    const cluster = new Cluster(3, 3);
    let calls = 0;
    cluster.isServing = () => ++calls <= 2;
    const result = ask(cluster, 'key', { value: 'v' });
    expect(result).toMatchObject({ outcome: OUT_QUORUM, got: 1, need: 2 });
    // It was made here, so the caller must learn that it may be seen.
    expect(result.vector).toHaveLength(1);
  });

  it('an acknowledgement meant for an earlier thread of the coordinator counts for nothing (N=2, W=2)', () => {
    const cluster = new Cluster(2, 2);
    const [first, second] = cluster.owners('new') as [number, number];
    const earlier = cluster.nextActor++;
    let outcome: PutResult | undefined;
    cluster.put('new', { value: 'v', to: first }, (result) => {
      outcome = result;
    });
    cluster.pollCaller();
    cluster.poll(first);
    for (const actor of [earlier, earlier]) {
      const outbox = cluster.endpoints[second]!.to(first);
      const at = outbox.begin(RECORD_AT * 4);
      writeHeader(outbox.words, at, REPLICATE_ACK, 0, 0, cluster.ring.epoch, 0);
      outbox.words[at + 6] = OK;
      outbox.words[at + 7] = actor;
      outbox.end();
    }
    cluster.endpoints[second]!.flush();
    cluster.poll(first);
    cluster.pollCaller();
    expect(outcome).toBeUndefined();
    expect(cluster.clockAt(second, 'new')).toEqual([]);
    cluster.settle(random);
    expect(outcome).toMatchObject({ outcome: OK });
    expect(textsAt(cluster, second, 'new')).toEqual(['v']);
  });

  it('QUORUM_NOT_MET before the claim leaves nothing behind (N=3, two down)', () => {
    const cluster = new Cluster(3, 3);
    const [first, ...others] = cluster.owners('key') as [number, number, number];
    for (const other of others) cluster.stop(other);
    expect(ask(cluster, 'key', { value: 'v', to: first })).toMatchObject({
      outcome: OUT_QUORUM,
      got: 1,
      need: 2,
      vector: [],
    });
    for (const other of others) cluster.start(other);
    cluster.settle(random);
    for (const v of cluster.owners('key')) expect(cluster.clockAt(v, 'key')).toEqual([]);
  });

  it('a virtual node that owns no copy of the partition does not coordinate (5 nodes, N=3)', () => {
    const cluster = new Cluster(5, 3);
    const stranger = [0, 1, 2, 3, 4].find((v) => !cluster.owners('key').includes(v))!;
    expect(ask(cluster, 'key', { value: 'v', to: stranger, w: 1 })).toMatchObject({
      outcome: OUT_STALE_RING,
      vector: [],
    });
    expect(cluster.clockAt(stranger, 'key')).toEqual([]);
  });

  it('a put that was cancelled, or whose deadline has passed, is not executed', () => {
    const cluster = new Cluster(3, 3);
    const [first] = cluster.owners('key') as [number];
    let outcome: PutResult | undefined;
    cluster.put('key', { value: 'late', to: first, timeoutMs: 10 }, (result) => {
      outcome = result;
    });
    cluster.pollCaller();
    cluster.nowMs += 50;
    cluster.poll(first);
    expect(cluster.clockAt(first, 'key')).toEqual([]);
    expect(outcome).toBeUndefined();
  });
});

describe('refusals', () => {
  it('a second copy of a put that was executed is not told to have found no room (links that duplicate)', () => {
    const cluster = new Cluster(3, 3);
    const [first, ...others] = cluster.owners('key') as [number, number, number];
    const endpoint = cluster.endpoints[first]!;
    const drain = endpoint.drain.bind(endpoint);
    let before: Int32Array | undefined;
    endpoint.drain = (budget, handle) =>
      drain(budget, (from, words, bytes, at) => {
        const frame = words.slice(at, at + (words[at]! >>> 2));
        handle(from, words, bytes, at);
        if (before !== undefined) handle(from, before, new Uint8Array(before.buffer), 0);
        if (frameType(frame, 0) === PUT) before = frame;
      });
    const outcomes: Record<string, unknown> = {};
    const put = (name: string): void => {
      cluster.put(
        name,
        { value: name, to: first, timeoutMs: 300 },
        ({ outcome }) => (outcomes[name] = outcome),
      );
      cluster.pollCaller();
      cluster.poll(first);
    };
    put('key');
    const room = vi.spyOn(cluster.vnodes[first]!.pipeline, 'room').mockReturnValue('wait');
    put('waits');
    expect(room).toHaveBeenCalled();
    cluster.nowMs += 310;
    cluster.poll(first);
    cluster.pollCaller();
    // Made here, and by nobody else in time.
    expect(outcomes).toEqual({ waits: OUT_FULL, key: OUT_QUORUM });
    for (const other of others) expect(cluster.clockAt(other, 'key')).toEqual([]);
  });

  it('the sibling cap holds at the coordinator, and a context that has seen them all resolves them', () => {
    const cluster = new Cluster(3, 3);
    for (let i = 0; i < LIMITS.siblings; i++) expect(ask(cluster, 'key', { value: `${i}` }).outcome).toBe(OK);
    expect(ask(cluster, 'key', { value: 'more' })).toMatchObject({ outcome: OUT_SIBLINGS, vector: [] });
    const context = join(cluster.clockAt(0, 'key'));
    expect(ask(cluster, 'key', { value: 'all', context }).outcome).toBe(OK);
    cluster.settle(random);
    for (const v of [0, 1, 2]) expect(textsAt(cluster, v, 'key')).toEqual(['all']);
  });

  it('a forged context that leaves our actor no dot is the client’s error and stops nobody', () => {
    const cluster = new Cluster(3, 3);
    const { vector } = ask(cluster, 'key', { value: 'v' });
    const context = [{ actor: vector[0]!.actor, n: 0xffff_ffff, values: [] }];
    expect(ask(cluster, 'key', { value: 'w', context })).toMatchObject({ outcome: OUT_CONTEXT, vector: [] });
    expect(ask(cluster, 'key', { value: 'w', context: vector })).toMatchObject({ outcome: OK });
  });

  it.each([
    ['a put with the context of a get', true, OP_PUT],
    ['a put without a context', false, OP_PUT],
    ['a delete', true, OP_DELETE],
    ['an increment', false, OP_INCREMENT],
  ])(
    'a context that one owner took and that leaves another one no dot stops nobody who comes later: %s',
    (_what, reads, operation) => {
      const cluster = new Cluster(3, 3);
      const [a, b] = cluster.owners('key') as [number, number];
      const forged = [{ actor: cluster.vnodes[b]!.node!.actor!, n: 0xffff_ffff, values: [] }];
      const first = operation === OP_INCREMENT ? { operation, by: 2 } : { value: 'forged' };
      expect(ask(cluster, 'key', { ...first, context: forged, to: a, w: 3 })).toMatchObject({ outcome: OK });
      if (operation === OP_INCREMENT) cluster.tell(b, cluster.record('key', forged, KIND_COUNTER));
      const context = reads ? join(cluster.clockAt(b, 'key')) : [];
      const { outcome, vector } = ask(cluster, 'key', { value: 'v', operation, by: 1, context, to: b, w: 3 });
      expect(outcome).toBe(OK);
      // Its dots go on under another actor from there on, which the forger may not end either.
      const { actor } = cluster.vnodes[b]!.node!;
      expect(vector.map((entry) => entry.actor)).toContain(actor);
      expect(actor).not.toBe(forged[0]!.actor);
      const again = [{ actor: actor!, n: 0xffff_ffff, values: [] }];
      expect(ask(cluster, 'key', { value: 'w', context: again, to: b })).toMatchObject({
        outcome: OUT_CONTEXT,
      });
      expect(cluster.vnodes[b]!.node!.actor).toBe(actor);
    },
  );

  it('no put makes a clock of more entries than a context can carry back', () => {
    const cluster = new Cluster(3, 3);
    const context = Array.from({ length: LIMITS.clockEntries }, (_, i) => ({
      actor: 1_000 + i,
      n: 1,
      values: [],
    }));
    expect(ask(cluster, 'key', { value: 'v', context })).toMatchObject({ outcome: OUT_CONTEXT, vector: [] });
    expect(ask(cluster, 'key', { value: 'v', context: context.slice(1) })).toMatchObject({ outcome: OK });
  });

  it('a key whose clock has no room for another actor can be deleted, and begins anew once that is reaped', () => {
    const cluster = new Cluster(3, 3);
    const value = {
      bytes: keyBytesOf('7'),
      contentType: 'text/plain;charset=utf-8',
      time: 1,
      deleted: false,
    };
    const clock = Array.from({ length: LIMITS.clockEntries }, (_, i) => ({
      actor: 1_000 + i,
      n: 1,
      values: i === 0 ? [value] : [],
    }));
    for (const v of [0, 1, 2]) cluster.tell(v, cluster.record('key', clock, KIND_COUNTER));
    const full = { outcome: OUT_CONTEXT, got: LIMITS.clockEntries + 1, need: LIMITS.clockEntries };
    expect(ask(cluster, 'key', { operation: OP_INCREMENT, by: 1 })).toMatchObject(full);
    const context = join(clock);
    expect(ask(cluster, 'key', { value: 'v', context })).toMatchObject(full);
    const { outcome, vector } = ask(cluster, 'key', { operation: OP_DELETE, context });
    expect(outcome).toBe(OK);
    expect(decodeContext(encodeContext(vector))).toEqual(vector);
    cluster.advance(45_000);
    for (const v of [0, 1, 2]) expect(cluster.clockAt(v, 'key')).toEqual([]);
    expect(ask(cluster, 'key', { operation: OP_INCREMENT, by: 8 })).toMatchObject({ outcome: OK, total: 8 });
  });

  it('conditions: ifAbsent after a delete, ifMatch with the context and with an older one, at the first owner only', () => {
    const cluster = new Cluster(3, 3);
    const first = ask(cluster, 'key', { value: 'a', condition: IF_ABSENT });
    expect(first.outcome).toBe(OK);
    expect(ask(cluster, 'key', { value: 'b', condition: IF_ABSENT }).outcome).toBe(OUT_CONDITION);
    const second = ask(cluster, 'key', { value: 'b', condition: IF_MATCH, context: first.vector });
    expect(second.outcome).toBe(OK);
    expect(ask(cluster, 'key', { value: 'c', condition: IF_MATCH, context: first.vector }).outcome).toBe(
      OUT_CONDITION,
    );
    expect(ask(cluster, 'key', { operation: OP_DELETE, context: second.vector }).outcome).toBe(OK);
    expect(ask(cluster, 'key', { value: 'd', condition: IF_ABSENT }).outcome).toBe(OK);
    const other = cluster.owners('key')[1]!;
    expect(ask(cluster, 'key', { value: 'e', condition: IF_ABSENT, to: other }).outcome).toBe(OUT_STALE_RING);
  });

  it('a condition sees what only another owner has (R=2, the first owner missed a put)', () => {
    const cluster = new Cluster(3, 3);
    const [first, second] = cluster.owners('key') as [number, number];
    cluster.stop(first);
    expect(ask(cluster, 'key', { value: 'a', to: second }).outcome).toBe(OK);
    cluster.start(first);
    expect(cluster.clockAt(first, 'key')).toEqual([]);
    expect(ask(cluster, 'key', { value: 'b', condition: IF_ABSENT, to: first, timeoutMs: 200 }).outcome).toBe(
      OUT_CONDITION,
    );
  });

  it('a counter survives a blind delete beside it, and an ordinary value refuses increments', () => {
    const cluster = new Cluster(3, 3);
    expect(ask(cluster, 'c', { operation: OP_INCREMENT, by: 5 }).total).toBe(5);
    expect(ask(cluster, 'c', { operation: OP_DELETE }).outcome).toBe(OK);
    expect(ask(cluster, 'c', { operation: OP_INCREMENT, by: 2 })).toMatchObject({ outcome: OK, total: 7 });
    expect(ask(cluster, 'plain', { value: 'x' }).outcome).toBe(OK);
    expect(ask(cluster, 'plain', { operation: OP_INCREMENT, by: 1 }).outcome).toBe(OUT_NOT_A_COUNTER);
  });

  it('a full memory engine answers STORE_FULL, keeps every key, and deletes make room again (N=1)', () => {
    const cluster = new Cluster(1, 1, {
      bytes: 8 * 16_384,
      segmentBytes: 16_384,
      segments: 8,
      maxTableBits: 12,
    });
    const value = 'x'.repeat(400);
    const kept: string[] = [];
    let full: PutResult | undefined;
    for (let i = 0; full === undefined && i < 1_000; i++) {
      const result = ask(cluster, `k${i}`, { value, w: 1, r: 1 });
      if (result.outcome === OK) kept.push(`k${i}`);
      else full = result;
    }
    expect(full).toMatchObject({ outcome: OUT_FULL, vector: [] });
    expect(kept.length).toBeGreaterThan(100);
    for (const name of kept) expect(textsAt(cluster, 0, name)).toEqual([value]);
    for (const name of kept.slice(0, 100)) {
      const context = join(cluster.clockAt(0, name));
      expect(ask(cluster, name, { operation: OP_DELETE, context, w: 1 }).outcome, name).toBe(OK);
    }
    for (let i = 0; i < 40; i++)
      expect(ask(cluster, `n${i}`, { value, w: 1, r: 1 }).outcome, `n${i}`).toBe(OK);
    for (const name of kept.slice(100)) expect(textsAt(cluster, 0, name)).toEqual([value]);
  });
});

it('who has put a copy in the place of a damaged record makes its next dots under other actors (N=2)', () => {
  const cluster = new Cluster(2, 2);
  const [first, second] = cluster.owners('key') as [number, number];
  const before = ask(cluster, 'key', { value: 'one', to: first, w: 2 }).vector[0]!.actor;
  const { pipeline } = cluster.vnodes[first]!;
  const read = vi.spyOn(pipeline, 'read').mockImplementationOnce(() => {
    throw new RingletError('DATA_CORRUPT', 'for a test');
  });
  cluster.tell(first, cluster.record('key', cluster.clockAt(second, 'key')));
  read.mockRestore();
  const { vector } = ask(cluster, 'key', { value: 'two', to: first, w: 2 });
  expect(vector.map(({ actor }) => actor)).toEqual([before, expect.any(Number)]);
  // Only once.
  expect(ask(cluster, 'key', { value: 'three', to: first, w: 2 }).vector).toHaveLength(2);
});
