import { expect, test } from 'vitest';
import { loadExperiments, selectExperiments } from '../../bench/suite/registry.js';

const QUICK_SECONDS = 88;
const DEFAULT_SECONDS = 888;

test('every file in bench/experiments is an experiment with its own name and question', async () => {
  const experiments = await loadExperiments();
  const names = experiments.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['balance', 'durability', 'latency', 'messaging', 'peers']));
  expect(new Set(names).size).toBe(names.length);
  for (const { question, explanation } of experiments) {
    expect(question).toMatch(/\?$/);
    expect(explanation.shows.length).toBeGreaterThan(100);
    expect(explanation.measured.length).toBeGreaterThan(100);
    expect(explanation.follows.length).toBeGreaterThan(50);
  }
});

test('together they are planned within 90 seconds in quick mode and some 15 minutes by default', async () => {
  const experiments = await loadExperiments();
  const seconds = (mode: 'quick' | 'default'): number =>
    selectExperiments(experiments, [], mode).reduce(
      (total, experiment) => total + experiment.plan(mode).seconds,
      0,
    );
  expect(seconds('quick')).toBeLessThanOrEqual(QUICK_SECONDS);
  // Three rounds of everything; where that is too much, each has fewer, in proportion.
  expect(seconds('default')).toBeLessThanOrEqual(1.15 * DEFAULT_SECONDS);
});

test('puts that are sustained for longer where experiments are named are planned so', async () => {
  const [peers] = selectExperiments(await loadExperiments(), ['peers'], 'default');
  const longer = peers!.plan('default', true).seconds - peers!.plan('default').seconds;
  // Three rounds of three rows, 35 s instead of 2.5.
  expect(longer).toBeGreaterThan(9 * 30);
});

test('a selection keeps the order of the registry and refuses an unknown name', async () => {
  const experiments = await loadExperiments();
  const selected = selectExperiments(experiments, ['http', 'peers', 'latency'], 'quick').map(
    ({ name }) => name,
  );
  // What a slow machine has no time for is at the end.
  expect(selected).toEqual(['latency', 'peers', 'http']);
  expect(() => selectExperiments(experiments, ['nothing'], 'default')).toThrow(
    /no experiment is named nothing; there are/,
  );
});

test('a quick run has what it is for; the others come by name', async () => {
  const experiments = await loadExperiments();
  const names = (mode: 'quick' | 'default'): string[] =>
    selectExperiments(experiments, [], mode).map(({ name }) => name);
  expect(names('quick')).toEqual(['latency', 'durability', 'balance', 'messaging', 'peers', 'partitioning']);
  expect(names('default')).toEqual(experiments.map(({ name }) => name));
  for (const experiment of experiments) expect(experiment.plan('quick').seconds).toBeLessThan(QUICK_SECONDS);
});

test('an experiment that measured nothing has no figures and no findings, and breaks no report', async () => {
  for (const experiment of await loadExperiments()) {
    const { parameters } = experiment.plan('quick');
    const result = { question: '?', parameters, seconds: 0, rows: [], summary: [], notes: [] };
    expect(experiment.figures(result), experiment.name).toEqual([]);
    expect(experiment.findings(result), experiment.name).toEqual([]);
  }
});
