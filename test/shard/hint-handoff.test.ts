import { expect, it } from 'vitest';
import { HANDOFF, HANDOFF_ACK, OK, RECORD_AT, writeHeader } from '../../src/messaging/frames.js';
import { value } from '../storage/support.js';
import { Cluster } from './cluster.js';

/** Puts a frame into the ring from one virtual node to another. */
function send(
  cluster: Cluster,
  from: number,
  to: number,
  type: number,
  id: number,
  words: readonly [number, number],
  record: Int32Array = new Int32Array(0),
): void {
  const endpoint = cluster.endpoints[from]!;
  const outbox = endpoint.to(to);
  const at = outbox.begin((RECORD_AT + record.length) * 4);
  writeHeader(outbox.words, at, type, 0, id, cluster.ring.epoch, cluster.nowMs + 1_000);
  outbox.words.set(words, at + 6);
  outbox.words.set(record, at + RECORD_AT);
  outbox.end();
  endpoint.flush();
}

it('an answer that was meant for an earlier thread of the holder, or is of another one than was asked, lets no hint go', () => {
  const cluster = new Cluster(4, 3);
  const [a, b, , d] = cluster.preference('key') as [number, number, number, number];
  cluster.stop(b);
  cluster.put('key', { value: 'v', w: 3 }, () => undefined);
  cluster.advance(200);
  expect(cluster.hintsAt(d)).toBe(1);
  cluster.loses = (_from, _to, type) => type === HANDOFF;
  cluster.start(b);
  cluster.advance(100);
  const own = cluster.vnodes[d]!.node!.actor!;
  for (let id = 0; id < 20; id++) {
    send(cluster, b, d, HANDOFF_ACK, id, [OK, own + 1_000]);
    send(cluster, a, d, HANDOFF_ACK, id, [OK, own]);
  }
  cluster.poll(d);
  expect(cluster.hintsAt(d)).toBe(1);
  expect(cluster.clockAt(d, 'key')).toHaveLength(1);
  cluster.loses = () => false;
  cluster.advance(4_000);
  expect(cluster.hintsAt(d)).toBe(0);
  expect(cluster.clockAt(b, 'key')).toHaveLength(1);
});

it('who keeps no copies of a partition takes none that is handed over to it', () => {
  const cluster = new Cluster(4, 3);
  const [a, , , d] = cluster.preference('key') as [number, number, number, number];
  const record = cluster.record('key', [{ actor: 1, n: 1, values: [value('v')] }]);
  const answers: number[] = [];
  cluster.loses = (_from, to, type) => {
    if (to === a && type === HANDOFF_ACK) answers.push(type);
    return false;
  };
  send(cluster, a, d, HANDOFF, 1, [0, 7], record);
  cluster.advance(200);
  expect(cluster.clockAt(d, 'key')).toEqual([]);
  expect(answers).toEqual([HANDOFF_ACK]);
});
