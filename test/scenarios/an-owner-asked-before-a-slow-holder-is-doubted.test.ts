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
 * Found by reading: a fallback that holds the only reachable copy for an owner is slow to answer, so
 * the owner is asked meanwhile and says "absent" before it is handed that copy. By the time both answers
 * are there the hint is gone, and a get with R+W>N said that an acknowledged key does not exist.
 */
it('two absences around a handing over are a degraded answer (N=1, R=1)', () => {
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
  router.locate('key');
  const [owner, fallback] = ring.preference.subarray(router.partition * ring.preferenceLength) as unknown as [
    number,
    number,
  ];
  let hinted = true;
  const machine = new RequestMachine({
    caller: 0,
    rings: fixedRings(ring),
    router,
    endpoint: new RingEndpoint(shared, layout.callerParty(0)),
    claims: new Claims(new Int32Array(shared.control), layout),
    isServing: () => true,
    isWhole: () => true,
    incarnation: () => 1,
    holdsHintsFor: (holder, of) => hinted && holder === fallback && of === owner,
    publishSuspicion: () => undefined,
  });
  const answers: boolean[] = [];
  const task: GetTask = {
    kind: 'get',
    key: { source: 'key', hash: router.hash, partition: router.partition },
    policy: { bucket: 1, n: 1, r: 1, w: 1, level: 0, rule: 0, strict: false, sloppyPuts: true },
    startedMs: 0,
    deadlineMs: 1_000,
    timeline: undefined,
    done: (outcome) => answers.push('degraded' in outcome && outcome.degraded),
  };
  const absent = (from: number): void => {
    const rings = new RingEndpoint(shared, from);
    const outbox = rings.to(layout.callerParty(0));
    const at = outbox.begin(RECORD_AT * 4);
    writeHeader(outbox.words, at, GET_REPLY, 0, 4_096, ring.epoch, 0);
    outbox.words[at + 6] = ABSENT;
    outbox.words[at + 7] = 0;
    outbox.end();
    rings.flush();
  };

  machine.submit(task, 0);
  machine.tick(60);
  hinted = false;
  absent(fallback);
  absent(owner);
  machine.poll(100);
  expect(answers).toEqual([true]);
});
