import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { SuiteContext } from '../../bench/suite/context.js';
import { Progress } from '../../bench/suite/progress.js';
import { parseSla } from '../../bench/suite/sla.js';

const OPTIONS = {
  mode: 'default',
  only: [],
  seed: 1,
  engine: 'memory',
  budgetSeconds: 100,
  outDirectory: 'nowhere',
  sla: parseSla('p99.9=2ms'),
} as const;

/** An experiment with a share of 30 of the 100 s that are left, whose rounds take as long as is given. */
function play(roundSeconds: readonly number[], signal = new AbortController().signal) {
  let left = 100;
  const clock = { secondsLeft: () => left, signal };
  const context = new SuiteContext('one', OPTIONS, clock, new Progress(1, clock.secondsLeft), 30);
  const rounds: number[] = [];
  for (const round of context.rounds(roundSeconds.length)) {
    rounds.push(round);
    left -= roundSeconds[round]!;
  }
  return { rounds, notes: context.notes };
}

test('an experiment has all its rounds while they fit into its share', () => {
  expect(play([10, 10, 10])).toEqual({ rounds: [0, 1, 2], notes: [] });
  expect(play([1, 1, 28])).toEqual({ rounds: [0, 1, 2], notes: [] });
});

test('a round that would not fit is left out, and named; never the first', () => {
  const out = (what: string) => [{ kind: 'missing', what, why: 'out of time' }];
  expect(play([11, 11, 11])).toEqual({ rounds: [0, 1], notes: out('round 3') });
  expect(play([16, 16, 16])).toEqual({ rounds: [0], notes: out('rounds 2 to 3') });
  expect(play([60, 1, 1])).toEqual({ rounds: [0], notes: out('rounds 2 to 3') });
  expect(play([60])).toEqual({ rounds: [0], notes: [] });
});

test('whatever an experiment does, it has no more than twice its share, and what is left out is named', async () => {
  let left = 100;
  const clock = { secondsLeft: () => left, signal: new AbortController().signal };
  const context = new SuiteContext('one', OPTIONS, clock, new Progress(1, clock.secondsLeft), 30);
  const ran: number[] = [];
  for (const point of [1, 2, 3, 4, 5]) {
    await context.runHere(`point ${point}`, 1, async () => {
      ran.push(point);
      left -= 25;
    });
  }
  expect(ran).toEqual([1, 2, 3]);
  expect(context.notes.map(({ what, why }) => `${what}: ${why}`)).toEqual([
    'point 4: the experiment has had twice its share of the time',
    'point 5: the experiment has had twice its share of the time',
  ]);
});

test('a case that hangs ends with twice the share of its experiment, so that the later ones have some; and is named', async () => {
  const outDirectory = await mkdtemp(join(tmpdir(), 'ringlet-bench-'));
  const beganMs = performance.now();
  const clock = {
    secondsLeft: () => 100 - (performance.now() - beganMs) / 1_000,
    signal: new AbortController().signal,
  };
  const context = new SuiteContext(
    'one',
    { ...OPTIONS, outDirectory },
    clock,
    new Progress(1, clock.secondsLeft),
    2,
  );
  await writeFile(
    join(outDirectory, 'hangs.mjs'),
    'export default () => new Promise(() => setInterval(() => 0, 1_000));',
  );
  try {
    const report = await context.runCase('slow', {
      kind: 'module',
      url: pathToFileURL(join(outDirectory, 'hangs.mjs')).href,
      input: null,
      seconds: 1,
    });
    expect(report?.output ?? null).toBeNull();
    expect(clock.secondsLeft()).toBeGreaterThan(80);
    expect(context.notes).toMatchObject([
      { kind: 'missing', what: 'slow', why: expect.stringContaining('twice its share') },
    ]);
  } finally {
    await rm(outDirectory, { recursive: true });
  }
});

test('what a case has written is gone when the next one begins, and there while a server of it still stops', async () => {
  const outDirectory = await mkdtemp(join(tmpdir(), 'ringlet-bench-'));
  const url = join(outDirectory, 'case.mjs');
  await writeFile(
    url,
    `import { existsSync, mkdirSync } from 'node:fs';
     export default async ({ own, other }) => { mkdirSync(own, { recursive: true }); return existsSync(other); };`,
  );
  const clock = { secondsLeft: () => 100, signal: new AbortController().signal };
  const context = new SuiteContext(
    'one',
    { ...OPTIONS, outDirectory },
    clock,
    new Progress(1, clock.secondsLeft),
    30,
  );
  const other = context.scratch('first');
  const run = async (own: string): Promise<unknown> => {
    const spec = { kind: 'module', url: pathToFileURL(url).href, input: { own, other }, seconds: 1 } as const;
    return (await context.runCase('a case', spec))?.output;
  };
  try {
    expect(await run(other)).toBe(true);
    expect(existsSync(other)).toBe(true);
    expect(await run(context.scratch('second'))).toBe(false);
    expect(context.notes).toEqual([]);
  } finally {
    await rm(outDirectory, { recursive: true });
  }
});

test.each([
  ['default', 1],
  ['full', 2],
] as const)(
  'in a %s run two rounds of a case fill %i stores; none is left at the end',
  async (mode, stores) => {
    const outDirectory = await mkdtemp(join(tmpdir(), 'ringlet-bench-'));
    const clock = { secondsLeft: () => 100, signal: new AbortController().signal };
    const options = { ...OPTIONS, mode, outDirectory };
    const directories: string[] = [];
    try {
      {
        await using context = new SuiteContext('one', options, clock, new Progress(1, clock.secondsLeft), 30);
        for (const round of [0, 1]) {
          const report = await context.runRound('a case', round, (directory) => {
            directories.push(directory);
            return {
              kind: 'steps',
              system: { system: 'lmdb', noSync: true, directory },
              workload: { keys: 100, valueBytes: 100, seed: round },
              steps: [
                { kind: 'closed', op: 'get', inFlight: 1, callers: 'main', warmupSeconds: 0, seconds: 0.05 },
              ],
            };
          });
          expect(report?.steps).toHaveLength(1);
          expect(existsSync(directories.at(-1)!)).toBe(true);
        }
        expect(context.notes).toEqual([]);
      }
      expect(new Set(directories).size).toBe(stores);
      expect(directories.filter((directory) => existsSync(directory))).toEqual([]);
    } finally {
      await rm(outDirectory, { recursive: true });
    }
  },
);
