import fc from '../properties.js';
import { expect, test } from 'vitest';
import {
  cellEndUs,
  cellOf,
  CELLS,
  ERROR,
  latencyBytes,
  LatencyRecorder,
  OK,
  OP_GET,
  OTHERS,
  quantileUs,
  readLatencies,
} from '../../src/client/latencies.js';
import type { StoreView } from '../../src/client/view.js';

const view = (callers = 2): StoreView =>
  ({ latencies: new SharedArrayBuffer(latencyBytes(callers)), maxCallers: callers }) as unknown as StoreView;
const named = (bucket: number): string | undefined => (bucket < 3 ? `b${bucket}` : undefined);

test('every duration is in the cell that ends above it, at most a quarter wider than it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 27 - 1 }), (us) => {
      const cell = cellOf(us);
      expect(us).toBeLessThan(cellEndUs(cell));
      if (cell > 0) expect(us).toBeGreaterThanOrEqual(cellEndUs(cell - 1));
      expect(cellEndUs(cell) - us).toBeLessThanOrEqual(Math.max(1, us / 4));
    }),
  );
  for (const us of [2 ** 31 - 1, 2 ** 31, 2 ** 32 + 1, 2 ** 40]) expect(cellOf(us)).toBe(CELLS - 1);
});

test('what callers record is added up by operation, bucket and outcome, the sum beyond 32 bits too', () => {
  const shared = view();
  const [first, second] = [new LatencyRecorder(shared, 0), new LatencyRecorder(shared, 1)];
  first.record(OP_GET, 1, OK, 0.1);
  second.record(OP_GET, 1, OK, 0.1);
  second.record(OP_GET, 1, ERROR, 5_000_000);
  second.record(OP_GET, 40, OK, 1);
  const found = readLatencies(shared, named);
  expect(found.map(({ bucket, outcome, count, sumUs }) => [bucket, outcome, count, sumUs])).toEqual([
    [OTHERS, 'ok', 1, 1_000],
    ['b1', 'ok', 2, 200],
    ['b1', 'error', 1, 5_000_000_000],
  ]);
  expect(quantileUs(found[1]!.cells, 0.5)).toBe(cellEndUs(cellOf(100)));
});

test('gets that are answered in place are all counted, though few are timed', () => {
  const shared = view();
  const recorder = new LatencyRecorder(shared, 0);
  let timed = 0;
  for (let i = 0; i < 10_000; i++) {
    if (recorder.wanted()) {
      timed++;
      recorder.direct(1, 0.002);
    } else recorder.untimed++;
  }
  expect(timed).toBeLessThan(200);
  recorder.tick();
  expect(readLatencies(shared, named)[0]?.count).toBe(10_000);
  expect(recorder.wanted()).toBe(true);
});

test('a count goes on beyond 32 bits: who takes a rate from it sees no step back', () => {
  const shared = view();
  const recorder = new LatencyRecorder(shared, 1);
  recorder.direct(1, 0.002);
  recorder.untimed = 2 ** 32 - 1;
  recorder.direct(1, 0.002);
  const [latency] = readLatencies(shared, named);
  expect(latency).toMatchObject({ count: 2 ** 32 + 1, sumUs: 2 * (2 ** 32 + 1) });
  expect(latency!.cells[2]).toBe(2 ** 32 + 1);
});
