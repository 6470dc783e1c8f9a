import { expect, it } from 'vitest';
import { KeyRouter } from '../../src/client/key-router.js';
import { RequestMachine } from '../../src/client/request-machine.js';
import type { GetTask } from '../../src/client/request.js';
import { Claims } from '../../src/messaging/claims.js';
import { ABSENT, GET_REPLY, RECORD_AT, writeHeader } from '../../src/messaging/frames.js';
import { fixedRings } from '../client/fixed-rings.js';
import { allocateShared, SharedLayout } from '../../src/messaging/layout.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import { buildRing } from '../../src/ring/ring.js';

/**
 * Found by the simulator (a thread that hung, was asked, was replaced, and was asked again): its
 * successor answered both questions, and two answers of one owner passed for R = 2 owners, so that
 * a get with R+W>N missed an acknowledged put.
 */
it('an owner whose thread is replaced while it is asked counts once towards R', () => {
  const nodes = ['a', 'b', 'c'].map((id) => ({ id, capacity: 1, vnodes: 1 }));
  const ring = buildRing({ nodes, partitions: 4, spacing: 3 });
  const shared = allocateShared({
    vnodes: 3,
    callers: 1,
    claimsPerCaller: 4_096,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
  const layout = new SharedLayout(shared.shape);
  const router = new KeyRouter(ring);
  const endpoint = new RingEndpoint(shared, layout.callerParty(0));
  let incarnation = 1;
  const machine = new RequestMachine({
    caller: 0,
    rings: fixedRings(ring),
    router,
    endpoint,
    claims: new Claims(new Int32Array(shared.control), layout),
    isServing: () => true,
    isWhole: () => true,
    incarnation: () => incarnation,
    holdsHintsFor: () => false,
    publishSuspicion: () => undefined,
  });
  router.locate('key');
  const first = ring.preference[router.partition * ring.preferenceLength]!;
  const second = ring.preference[router.partition * ring.preferenceLength + 1]!;
  const answers: (readonly number[])[] = [];
  const task: GetTask = {
    kind: 'get',
    key: { source: 'key', hash: router.hash, partition: router.partition },
    policy: { bucket: 1, n: 3, r: 2, w: 2, level: 0, rule: 0, strict: false, sloppyPuts: true },
    startedMs: 0,
    deadlineMs: 1_000,
    timeline: undefined,
    done: (outcome) =>
      answers.push('contributions' in outcome ? outcome.contributions.map(({ vnode }) => vnode) : []),
  };
  const request = 4_096;
  const reply = (from: number): void => {
    const rings = new RingEndpoint(shared, from);
    const outbox = rings.to(layout.callerParty(0));
    const at = outbox.begin(RECORD_AT * 4);
    writeHeader(outbox.words, at, GET_REPLY, 0, request, ring.epoch, 0);
    outbox.words[at + 6] = ABSENT;
    outbox.words[at + 7] = 0;
    outbox.end();
    rings.flush();
  };

  machine.submit(task, 0);
  incarnation++;
  machine.tick(10);
  reply(first);
  reply(first);
  machine.poll(20);
  expect(answers).toEqual([]);
  reply(second);
  machine.poll(30);
  expect(answers).toEqual([[first, second]]);
});
