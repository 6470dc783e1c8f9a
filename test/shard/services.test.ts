import { afterEach, describe, expect, it, vi } from 'vitest';
import { OP_PUT } from '../../src/messaging/frames.js';
import { FailureDetector } from '../../src/shard/failure-detector.js';
import { HintHandoff } from '../../src/shard/hint-handoff.js';
import { Cluster } from './cluster.js';

afterEach(() => vi.restoreAllMocks());

/** Three virtual nodes that have got over their start. */
function quiet(): Cluster {
  const cluster = new Cluster(3, 3);
  cluster.advance(5_000);
  return cluster;
}

describe('a turn', () => {
  it('that brings only signs of life leaves services alone, and all are called when one of them is due', () => {
    const cluster = quiet();
    const alive = vi.spyOn(FailureDetector.prototype, 'poll');
    const heard = vi.spyOn(FailureDetector.prototype, 'heard');
    const called = vi.spyOn(HintHandoff.prototype, 'poll');
    cluster.advance(10_000);
    expect(alive.mock.calls.length).toBe(6_000);
    expect(heard.mock.calls.length).toBeGreaterThan(100);
    expect(called.mock.calls.length).toBeLessThan(600);
    // Each compares trees with somebody about once a second.
    expect(called.mock.calls.length).toBeGreaterThan(15);
  });

  it('in which a record was appended calls all of them, whatever each wants', () => {
    const cluster = quiet();
    const called = vi.spyOn(HintHandoff.prototype, 'poll');
    const appended = new Set<number>();
    const answers: unknown[] = [];
    cluster.put('k', { operation: OP_PUT, value: 'v' }, (result) => answers.push(result));
    for (let turns = 0; turns < 20 && answers.length === 0; turns++) {
      cluster.nowMs += 1;
      for (let v = 0; v < 3; v++) {
        const { buffer } = cluster.vnodes[v]!.pipeline;
        const before = buffer.lastSequence;
        called.mockClear();
        cluster.poll(v);
        if (buffer.lastSequence === before) continue;
        appended.add(v);
        expect(called).toHaveBeenCalledTimes(1);
      }
      cluster.pollCaller();
    }
    expect(answers.length).toBe(1);
    expect(appended.size).toBe(3);
  });
});
