import { expect, it } from 'vitest';
import {
  ABSENT,
  FLAG_ANY,
  frameType,
  HANDOFF,
  IF_ABSENT,
  IF_PRESENT,
  OK,
  OUT_QUORUM,
  PUT,
  PUT_FIXED_WORDS,
  RELAY,
  RELAYED_AT,
  writeHeader,
} from '../../src/messaging/frames.js';
import { ServedRequests } from '../../src/shard/served-requests.js';
import { Cluster } from './cluster.js';

function get(cluster: Cluster, v: number, name: string, r: number): unknown {
  const answers: unknown[] = [];
  cluster.serveGet(v, name, r, (outcome, texts) => answers.push([outcome, ...texts]));
  for (let i = 0; i < 40 && answers.length === 0; i++) cluster.advance(5);
  return answers[0];
}

it('a server-driven get asks who holds hints before it asks their owners', () => {
  const cluster = new Cluster(5, 3);
  const [a, b, c, d, e] = cluster.preference('k') as [number, number, number, number, number];
  cluster.loses = (_from, _to, type) => type === HANDOFF;
  cluster.stop(b);
  cluster.stop(c);
  let outcome: unknown;
  cluster.put('k', { value: 'v', w: 3 }, (result) => (outcome = result.outcome));
  cluster.advance(100);
  expect(outcome).toBe(OK);
  cluster.start(b);
  cluster.start(c);
  cluster.stop(a);
  // Trees would bring it in a moment.
  for (const v of [b, d, e]) expect(get(cluster, v, 'k', 2), `at ${v}`).toEqual([OK, 'v']);
  expect(get(cluster, b, 'other', 2)).toEqual([ABSENT]);
  const holders = [d, e].filter((v) => cluster.hintsAt(v) > 0);
  expect(holders.length).toBeGreaterThan(0);
  // What the holders have nobody else can tell.
  for (const v of [d, e]) cluster.stop(v);
  expect(get(cluster, b, 'k', 2)).toEqual([OUT_QUORUM]);
});

it('a put is passed on to the first owner that serves, and without one to the first fallback of the list', () => {
  const taker = (ordinal: number, serving: readonly number[]): number => {
    const sent: number[] = [];
    const words = new Int32Array(RELAYED_AT + PUT_FIXED_WORDS);
    const outbox = (to: number) => ({ waitingBytes: 0, words, begin: () => 0, end: () => sent.push(to) });
    const env = {
      ordinal,
      ring: { epoch: 1, preferenceLength: 5 },
      isServing: (vnode: number) => serving.includes(vnode),
      endpoint: { to: outbox },
    };
    const puts = { owner: (_partition: number, i: number) => i };
    const served = new ServedRequests(env as never, {} as never, puts as never, 1, () => false);
    const frame = new Int32Array(PUT_FIXED_WORDS);
    frame[0] = PUT_FIXED_WORDS * 4;
    writeHeader(frame, 0, PUT, FLAG_ANY, 7, 1, 1_000);
    frame[10] = 3 << 24;
    if (!served.passOn(20, frame, 0)) return ordinal;
    expect([frameType(words, 0), words[6]]).toEqual([RELAY, 20]);
    return sent[0]!;
  };
  expect(taker(9, [1, 2, 3, 9])).toBe(1);
  expect(taker(2, [0, 1, 2])).toBe(2);
  expect(taker(9, [4, 9]), 'one that is in no list does not coordinate').toBe(4);
  expect(taker(3, [3, 4])).toBe(3);
  expect(taker(4, [2, 4])).toBe(2);
  expect(taker(9, [9])).toBe(9);
});

it('questions go on where their 32-bit numbers begin anew: gets of any virtual node, and conditions', () => {
  const cluster = new Cluster(4, 3);
  const [first] = cluster.preference('k') as [number];
  const { node } = cluster.vnodes[first]!;
  const counters = node as unknown as Record<'served' | 'conditional', { next: number }>;
  counters.served.next = 2 ** 32 - 1;
  counters.conditional.next = 2 ** 32 - 1;
  for (const value of ['one', 'two', 'three']) {
    const outcomes: unknown[] = [];
    const condition = value === 'one' ? IF_ABSENT : IF_PRESENT;
    cluster.put('k', { value, condition, r: 3, w: 3, to: first, timeoutMs: 300 }, ({ outcome }) =>
      outcomes.push(outcome),
    );
    for (let i = 0; i < 40 && outcomes.length === 0; i++) cluster.advance(5);
    expect(outcomes, value).toEqual([OK]);
    expect(get(cluster, first, 'k', 3), value).toEqual(expect.arrayContaining([OK, value]));
  }
});
