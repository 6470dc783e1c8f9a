import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { checkResults } from '../../bench/report/check-results.js';
import { reproduction } from '../../bench/report/html.js';
import { EMPTY_ROW } from '../../bench/report/rows.js';
import type { Results, Row } from '../../bench/report/schema.js';
import { defineExperiment } from '../../bench/suite/experiment.js';
import { runSuite } from '../../bench/suite/run-suite.js';
import { parseSla } from '../../bench/suite/sla.js';

const outDirectory = await mkdtemp(join(tmpdir(), 'ringlet-bench-'));
afterAll(() => rm(outDirectory, { recursive: true }));

const OPTIONS = {
  mode: 'default',
  only: [],
  seed: 7,
  engine: 'memory',
  budgetSeconds: 100,
  outDirectory,
  sla: parseSla('p99.9=2ms'),
} as const;

function experiment(
  name: string,
  opsPerSecond: number,
  then = (): void => undefined,
  figures: Partial<Row> = {},
) {
  return defineExperiment({
    name,
    title: name,
    question: 'How?',
    explanation: { shows: '', measured: '', paper: null, follows: '' },
    parameters: { quick: {}, default: {}, full: {} },
    seconds: () => 1,
    run: async () => {
      then();
      return { rows: [{ ...EMPTY_ROW, system: 'ringlet', setting: 'x', opsPerSecond, ...figures }] };
    },
    findings: () => [],
    figures: () => [],
  });
}

function run(experiments: Parameters<typeof runSuite>[0], signal = new AbortController().signal) {
  return runSuite(experiments, OPTIONS, signal, new PassThrough().resume());
}

test('a figure that is no number fails its experiment by name, and costs no other one its results', async () => {
  const { experiments } = await run([experiment('wrong', Number.NaN), experiment('right', 5)]);
  expect(experiments['wrong']!.notes).toMatchObject([{ kind: 'failed', what: 'wrong' }]);
  expect(experiments['wrong']!.notes[0]!.why).toContain('rows[0].opsPerSecond');
  expect(experiments['right']).toMatchObject({ rows: [{ opsPerSecond: 5 }], notes: [] });
  const written = JSON.parse(await readFile(join(outDirectory, 'results.json'), 'utf8')) as Results;
  expect(checkResults(written)).toEqual([]);
});

test('a window in which nothing finished is named where its figures would be', async () => {
  const idle = experiment('idle', 0, undefined, { op: 'put', samples: 0 });
  const { experiments } = await run([idle]);
  expect(experiments['idle']!.notes).toEqual([
    { kind: 'missing', what: 'ringlet, x: put', why: 'nothing finished within its window' },
  ]);
});

test('an experiment that throws is named, and the next one runs', async () => {
  const throwing = experiment('throws', 1, () => {
    throw new Error('no disk');
  });
  const { experiments, complete } = await run([throwing, experiment('right', 5)]);
  expect(experiments['throws']!.notes[0]!.why).toContain('no disk');
  expect(experiments['right']!.rows).toHaveLength(1);
  expect(complete).toBe(true);
});

test('an interrupted run says so, and has what it measured', async () => {
  const controller = new AbortController();
  const interrupted = experiment('first', 3, () => controller.abort());
  const { experiments, complete } = await run([interrupted, experiment('second', 5)], controller.signal);
  expect(complete).toBe(false);
  expect(experiments['first']!.rows).toHaveLength(1);
});

test('the line that reproduces a figure has everything that was not left to itself', async () => {
  const results = await run([experiment('one', 1)]);
  expect(reproduction('latency', results)).toBe('npm run bench -- --only latency --engine memory --seed 7');
  const options = { ...results.options, mode: 'full', sla: parseSla('p99=500us') } as const;
  expect(reproduction('latency', { ...results, options })).toBe(
    'npm run bench -- --full --only latency --engine memory --seed 7 --sla p99=500us',
  );
});
