import { expect, test } from 'vitest';
import balance from '../../bench/experiments/balance.js';
import { findings, goals } from '../../bench/durability/report.js';
import { EMPTY_ROW } from '../../bench/report/rows.js';
import type { Row } from '../../bench/report/schema.js';
import { parseSla } from '../../bench/suite/sla.js';
import { DURABILITIES } from '../../bench/suite/defaults.js';
import { fakeContext } from './fake-context.js';

const atPeak = (durability: string, p999Us: number): Row => ({
  ...EMPTY_ROW,
  system: 'ringlet',
  setting: 'x',
  durability,
  p999Us,
  offeredPerSecond: 5_000,
  part: 'peak',
});
const PEAK_ROWS = [atPeak('buffered', 100), atPeak('one-durable', 120), atPeak('durable', 600)];

test("levels of durability are judged, and said to be measured, at durable's peak only where it was looked for", () => {
  const judged = (peakPerSecond: number | null) =>
    goals(PEAK_ROWS, [], { levels: DURABILITIES, peakPerSecond }).map(({ measured, met }) => [measured, met]);
  expect(judged(null)).toEqual([
    [6, true],
    [1.2, true],
  ]);
  expect(judged(5_000)).toEqual([]);
  expect(findings(PEAK_ROWS, { peakPerSecond: null })[0]).toContain('which durable writes reached');
  expect(findings(PEAK_ROWS, { peakPerSecond: 5_000 })[0]).toContain('a rate that is given');
});

test('fewer nodes out of balance the higher the rate: a goal of even keys, and of unequal capacities', async () => {
  const context = fakeContext({
    mode: 'default',
    only: [],
    seed: 1,
    engine: 'memory',
    budgetSeconds: 1,
    outDirectory: '',
    sla: parseSla('p99.9=2ms'),
  });
  const loads = (imbalance: number) => ({
    nodes: ['a', 'b'].map((id) => ({ id, capacity: 1 })),
    bins: Array.from({ length: 8 }, (_, bin) => (bin < imbalance ? [200, 100] : [100, 100])),
  });
  /** Bins out of balance at the lowest rate and the highest. */
  const judged = async (low: number, high: number) => {
    const runRound: typeof context.runRound = async (...given) => {
      const report = (await context.runRound(...given))!;
      const steps = report.steps.map((step, i, all) => ({
        ...step,
        loads: loads(i === 0 ? low : i === all.length - 1 ? high : 4),
      }));
      return { ...report, steps };
    };
    const { summary } = await balance.plan('default').run({ ...context, runRound });
    return summary!.map(({ required, measured, met }) => [required, measured, met]);
  };
  const judgements = (low: number, high: number, met: boolean) =>
    Array.from({ length: 2 }, () => [(100 * low) / 8, (100 * high) / 8, met]);
  expect(await judged(4, 1)).toEqual(judgements(4, 1, true));
  expect(await judged(2, 4)).toEqual(judgements(2, 4, false));
  expect(await judged(0, 0)).toEqual(judgements(0, 0, true));
});
