import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { LatencyHistogram } from '../../bench/measure/histogram.js';
import { Random } from '../../bench/measure/random.js';
import { EMPTY_ROW } from '../../bench/report/rows.js';
import { SCHEMA_VERSION } from '../../bench/report/schema.js';
import { compareResults, unmatched, type Comparison } from '../../src/cli/compare/compare.js';
import {
  estimateOfCount,
  estimateOfPercentile,
  estimateOfRounds,
  studentQuantile,
} from '../../src/cli/compare/estimate.js';
import type { BenchResults } from '../../src/cli/compare/results.js';
import { buildProgram } from '../../src/cli/program.js';

type Fields = Readonly<Record<string, unknown>>;

function results(...rows: readonly Fields[]): BenchResults {
  const full = rows.map((row) => ({ ...EMPTY_ROW, system: 'ringlet', setting: 'a setting', ...row }));
  return { path: 'x', commit: null, machine: {}, mode: 'default', experiments: { one: { rows: full } } };
}

const closed = (rates: readonly number[], more: Fields = {}): Fields => ({
  op: 'put',
  inFlight: 64,
  opsPerSecond: rates[rates.length >> 1],
  roundOpsPerSecond: rates,
  ...more,
});

const verdicts = (before: BenchResults, after: BenchResults, noise?: number): readonly string[] =>
  compareResults(before, after, noise === undefined ? {} : { noise }).map(({ verdict }) => verdict);

describe('errors', () => {
  test('of rounds: the standard error of their logarithms', () => {
    const { logError, freedom } = estimateOfRounds(100, [90, 100, 110]);
    // 0.058 of the mean, and at most a quarter more of the median.
    expect(logError).toBeCloseTo(0.073, 3);
    expect(freedom).toBe(2);
    expect(estimateOfRounds(100, [100]).logError).toBeNull();
  });

  test('of a percentile of one round: the binomial range of its rank, which holds the truth 19 times of 20', () => {
    const random = new Random(1);
    let inside = 0;
    for (let round = 0; round < 100; round++) {
      const histogram = new LatencyHistogram();
      for (let i = 0; i < 2_000; i++) histogram.recordMs(random.exponential(1));
      const value = histogram.valueAtUs(2);
      const { logError } = estimateOfPercentile(value, histogram.encode(), 50)!;
      if (Math.abs(Math.log(value / (Math.LN2 * 1_000))) <= 1.96 * logError!) inside++;
    }
    expect(inside).toBeGreaterThanOrEqual(88);
    expect(inside).toBeLessThan(100);
  });

  test('of a percentile beyond the last samples: nothing is known, and it is not judged', () => {
    const histogram = new LatencyHistogram();
    for (let i = 0; i < 1_000; i++) histogram.recordMs(1);
    expect(estimateOfPercentile(1_000, histogram.encode(), 99.9)).toBeNull();
    expect(estimateOfPercentile(1_000, histogram.encode(), 99)).not.toBeNull();
    const row = (ms: number): Fields => {
      const few = new LatencyHistogram();
      for (let i = 0; i < 1_000; i++) few.recordMs(ms);
      return { op: 'put', p999Us: ms * 1_000, histogram: few.encode() };
    };
    expect(verdicts(results(row(1)), results(row(9)))).toEqual([]);
  });

  test('of the ratio of two medians of three rounds: it holds the truth 19 times of 20', () => {
    const random = new Random(1);
    const round = (): number =>
      Math.exp(0.1 * Array.from({ length: 12 }, () => random.next()).reduce((sum, one) => sum + one, -6));
    let inside = 0;
    for (let i = 0; i < 2_000; i++) {
      const rounds = (): readonly number[] => [round(), round(), round()].toSorted((a, b) => a - b);
      const [{ interval }] = compareResults(results(closed(rounds())), results(closed(rounds()))) as [
        Comparison,
      ];
      if (interval![0] <= 1 && interval![1] >= 1) inside++;
    }
    expect(inside).toBeGreaterThanOrEqual(1_890);
  });

  test('of a single round beside several: they say for both what differs from round to round', () => {
    const several = results(closed([80_000, 100_000, 125_000]));
    const single = results({ op: 'put', inFlight: 64, opsPerSecond: 120_000, samples: 1_000_000 });
    for (const [before, after] of [
      [several, single],
      [single, several],
    ] as const)
      expect(verdicts(before, after)).toEqual(['no change']);
  });

  test('of a count: one over its root', () => {
    expect(estimateOfCount(50, 10_000).logError).toBe(0.01);
  });

  test('quantiles of Student', () => {
    expect([1, 2, 4, 9, 1_000].map(studentQuantile)).toEqual([12.706, 4.303, 2.776, 2.306, 1.96]);
  });
});

describe('verdicts', () => {
  const base = results(closed([99_000, 100_000, 101_000]));

  test('a higher rate is better, a lower one worse, beyond interval and noise', () => {
    expect(verdicts(base, results(closed([129_000, 130_000, 131_000])))).toEqual(['improved']);
    expect(verdicts(base, results(closed([69_000, 70_000, 71_000])))).toEqual(['regressed']);
    const [worse] = compareResults(base, results(closed([49_000, 50_000, 51_000])));
    // As it is shown, and as --fail-above is meant: half of it is gone.
    expect(worse).toMatchObject({ ratio: 0.5, worse: 0.5 });
    expect(worse!.interval![1]).toBeLessThan(0.6);
  });

  test('a large change within the spread of the rounds is none', () => {
    expect(verdicts(base, results(closed([60_000, 130_000, 200_000])))).toEqual(['no change']);
  });

  test('a certain change below the noise threshold is none', () => {
    const after = results(closed([103_900, 104_000, 104_100]));
    expect(verdicts(results(closed([99_900, 100_000, 100_100])), after)).toEqual(['no change']);
    expect(verdicts(results(closed([99_900, 100_000, 100_100])), after, 0.01)).toEqual(['improved']);
  });

  test('a higher latency is worse, and the rate of an offered load is no figure', () => {
    const row = (p50Us: number): Fields => ({
      op: 'get',
      offeredPerSecond: 10,
      opsPerSecond: p50Us,
      p50Us,
      roundP50Us: [p50Us, p50Us * 1.01],
    });
    expect(verdicts(results(row(10)), results(row(20)))).toEqual(['regressed']);
  });

  test('a change that another offered rate explains is none; one in spite of it is', () => {
    const row = (offeredPerSecond: number, p50Us: number): Fields => ({
      id: 'redis-open/get-open',
      op: 'get',
      offeredPerSecond,
      p50Us,
      roundP50Us: [p50Us, p50Us * 1.01, p50Us * 1.02],
    });
    const [base] = [results(row(10_000, 100))];
    expect(verdicts(base, results(row(20_000, 200)))).toEqual(['no change']);
    expect(verdicts(base, results(row(5_000, 50)))).toEqual(['no change']);
    expect(verdicts(base, results(row(20_000, 50)))).toEqual(['improved']);
    expect(verdicts(base, results(row(5_000, 200)))).toEqual(['regressed']);
    expect(compareResults(base, results(row(20_000, 200)))[0]!.remarks).toEqual(['10000 → 20000/s offered']);
  });

  test('few samples and a busy generator are said', () => {
    const row = { op: 'get', p999Us: 10, roundP999Us: [10, 11], p999FewSamples: true, generatorBound: true };
    expect(compareResults(results(row), results(row))[0]!.remarks).toEqual([
      'few samples',
      'generator-bound',
    ]);
  });

  test('hits of a cache, memory and the speed of background work are figures, too', () => {
    const of = (hitRatio: number, filledRssBytes: number, keysPerSecond: readonly number[]) =>
      results({ id: 'a', hitRatio }, { id: 'b', filledRssBytes }, { id: 'c', op: 'put', keysPerSecond });
    const [before, after] = [of(0.8, 4e8, [1_000, 1_010, 1_020]), of(0.7, 6e8, [400, 410, 420])];
    expect(verdicts(before, after)).toEqual(['regressed', 'regressed', 'regressed']);
  });

  test('rows are matched by what they are of, an id before all; the rest is named', () => {
    const before = results(closed([1, 1], { id: 'a', offeredPerSecond: null }), closed([1, 1], { n: 3 }));
    const after = results(closed([9, 9], { id: 'a', setting: 'another' }), closed([1, 1], { n: 1 }));
    expect(verdicts(before, after)).toEqual(['improved']);
    expect(unmatched(before, after)).toHaveLength(2);
  });
});

describe('ringlet compare', () => {
  let directory: string;
  let screen = '';
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'ringlet-compare-'));
    screen = '';
    vi.spyOn(process.stdout, 'write').mockImplementation((text, ...rest: unknown[]) => {
      screen += String(text);
      for (const done of rest) if (typeof done === 'function') done();
      return true;
    });
  });
  afterEach(() => {
    vi.restoreAllMocks();
    process.exitCode = 0;
    rmSync(directory, { recursive: true });
  });

  function write(
    name: string,
    schemaVersion: number,
    rates: readonly number[],
    more: object = {},
    complete = true,
  ): string {
    const path = join(directory, `${name}.json`);
    const { machine, commit, experiments } = results(closed(rates));
    const one = { ...experiments['one'], ...more };
    const options = { mode: 'quick' };
    writeFileSync(
      path,
      JSON.stringify({ schemaVersion, machine, commit, complete, options, experiments: { one } }),
    );
    return path;
  }
  const run = async (...args: readonly string[]): Promise<void> => {
    await buildProgram().parseAsync(['node', 'ringlet', 'compare', ...args]);
  };

  test('shows what regressed, and fails only beyond --fail-above', async () => {
    const [a, b] = [write('a', SCHEMA_VERSION, [99, 100, 101]), write('b', SCHEMA_VERSION, [79, 80, 81])];
    await run(a, b, '--fail-above', '30%');
    expect(screen).toMatch(/regressed: 1\n.*-20.0 %.*100 → 80/);
    expect(process.exitCode ?? 0).toBe(0);
    await run(a, b, '--fail-above', '21%');
    expect(process.exitCode ?? 0).toBe(0);
    await run(a, b, '--fail-above', '0.19');
    expect(process.exitCode).toBe(1);
  });

  test('a peer that became slower fails nothing, and says what the machine did', async () => {
    const redis = (rate: number): object => ({
      rows: [{ ...EMPTY_ROW, system: 'redis', setting: 'x', ...closed([rate, rate, rate]) }],
    });
    const [a, b] = [write('a', SCHEMA_VERSION, [1], redis(100)), write('b', SCHEMA_VERSION, [1], redis(50))];
    await run(a, b, '--fail-above', '10%');
    expect(screen).toMatch(/regressed: 1\n/);
    expect(screen).toMatch(/the peers, .* are 50.0 % worse/);
    expect(process.exitCode ?? 0).toBe(0);
  });

  test('writes that are gone where none were are shown, and fail whatever share is allowed', async () => {
    const goal = (measured: number): object => ({
      summary: [{ line: 'writes gone', unit: 'writes', required: 0, measured, met: measured === 0 }],
    });
    const [a, b] = [write('a', SCHEMA_VERSION, [1], goal(0)), write('b', SCHEMA_VERSION, [1], goal(3))];
    await run(b, a, '--fail-above', '50%');
    expect(screen).toMatch(/goals that are met now: 1\n.*3 → 0/);
    expect(process.exitCode ?? 0).toBe(0);
    await run(a, b, '--fail-above', '50%');
    expect(screen).toMatch(
      /goals that are missed now: 1\n.*0 → 3, required 0 {2}one: writes gone \(writes\)/,
    );
    expect(process.exitCode).toBe(1);
  });

  test('runs with other parameters, or interrupted, are marked', async () => {
    const a = write('a', SCHEMA_VERSION, [1], { parameters: { keys: 1 } });
    const b = write('b', SCHEMA_VERSION, [1], { parameters: { keys: 2 } }, false);
    await run(a, b);
    expect(screen).toMatch(/not the same parameters \(one\)/);
    expect(screen).toMatch(/b.json was interrupted/);
    expect(screen).not.toMatch(/a.json was interrupted/);
  });

  test('a bare number above one is no share: 10 was meant as 10 %, and would let everything through', async () => {
    const [a, b] = [write('a', SCHEMA_VERSION, [99, 100, 101]), write('b', SCHEMA_VERSION, [79, 80, 81])];
    for (const wrong of ['10', '1.5', '%', '', '-1', 'x%', '1e-1', 'Infinity'])
      for (const flag of ['--fail-above', '--noise'])
        await expect(run(a, b, flag, wrong), wrong).rejects.toMatchObject({ code: 'USAGE' });
    await run(a, b, '--fail-above', '150%', '--noise', '1');
    expect(process.exitCode ?? 0).toBe(0);
  });

  test('what is no result of the benchmark is named as that', async () => {
    const a = write('a', SCHEMA_VERSION, [1]);
    const b = join(directory, 'b.json');
    const none = { schemaVersion: SCHEMA_VERSION };
    for (const text of [
      '',
      '{',
      'null',
      '[]',
      '{}',
      '5',
      JSON.stringify(none),
      JSON.stringify({ ...none, machine: {}, options: {}, experiments: { one: null } }),
    ]) {
      writeFileSync(b, text);
      await expect(run(a, b), text).rejects.toMatchObject({ code: 'BAD_REQUEST', details: { path: b } });
    }
  });

  test('a damaged part is named, and is no fault of ours: nulls for rows and goals, text for lists, broken histograms', async () => {
    const a = write('a', SCHEMA_VERSION, [1]);
    const row = { ...EMPTY_ROW, system: 'ringlet', setting: 'x', p50Us: 1 };
    const damaged: readonly (readonly [object, string])[] = [
      [{ rows: [null] }, 'one.rows[0]'],
      [{ rows: [row, 'text'] }, 'one.rows[1]'],
      [{ rows: [{ ...row, setting: undefined }] }, 'one.rows[0].setting'],
      [{ rows: [{ ...row, histogram: 'AAAA' }] }, 'one.rows[0].histogram'],
      [{ rows: [{ ...row, histogram: 5 }] }, 'one.rows[0].histogram'],
      [{ summary: null }, 'one.summary'],
      [{ summary: [null] }, 'one.summary[0]'],
      [
        { summary: [{ line: 'x', unit: '/s', required: 1, measured: '1', met: true }] },
        'one.summary[0].measured',
      ],
    ];
    for (const [more, part] of damaged) {
      const b = write('b', SCHEMA_VERSION, [1], more);
      for (const pair of [[a, b] as const, [b, a] as const])
        await expect(run(...pair), part).rejects.toMatchObject({
          code: 'BAD_REQUEST',
          details: { path: b, part },
        });
    }
  });

  test('figures that are no numbers are left out, and the others compared', async () => {
    const rates = { ...EMPTY_ROW, system: 'ringlet', setting: 'x', ...closed([100, 100, 100]) };
    const [a, b] = [
      write('a', SCHEMA_VERSION, [], { rows: [{ ...rates, p50Us: 'NaN', roundP50Us: [null, null] }] }),
      write('b', SCHEMA_VERSION, [], { rows: [{ ...rates, p50Us: null, p999Us: 5, roundP50Us: null }] }),
    ];
    await run(a, b);
    expect(screen).toMatch(/regressed: 0\nimproved: 0\nno change: 1\n/);
  });

  test('two runs without a common figure do not pass a gate: the later one may have failed altogether', async () => {
    const [a, b] = [write('a', SCHEMA_VERSION, [1]), write('b', SCHEMA_VERSION, [1], { rows: [] })];
    await expect(run(a, b, '--fail-above', '10%')).rejects.toThrow(/no figure in common/);
  });

  test('another schema version and a missing folder are named', async () => {
    const a = write('a', 1, [1]);
    await expect(run(a, a)).rejects.toThrow(/schema version 1.*run that benchmark again/);
    await expect(run(join(directory, 'none'), a)).rejects.toThrow(/cannot read/);
  });
});
