import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import type { RingProgress } from '../../src/client/ring-api.js';
import type { RingKillJob, Step } from './fixtures/ring-kill-child.js';
import { fixture, LONG, temporary } from './support.js';

interface Said {
  /** The change that was under way when it opened. */
  readonly found?: RingProgress['phase'];
  readonly verified?: string[];
  readonly required?: number;
  readonly nodes?: string[];
  readonly directories?: string[];
  readonly after?: string[];
  readonly died?: RingProgress;
  readonly closed?: boolean;
  readonly end: string;
}

async function run(job: RingKillJob): Promise<Said> {
  const child = spawn(process.execPath, [fixture('ring-kill-child'), JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said: Omit<Said, 'end'> = {};
  let errors = '';
  child.stderr.on('data', (data) => (errors += String(data)));
  createInterface({ input: child.stdout }).on('line', (line) => {
    said = { ...said, ...(JSON.parse(line) as Said) };
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(errors).toBe('');
  return { ...said, end: signal ?? `exit ${code}` };
}

const OF_JOIN: readonly Step[] = ['planned', 'transferring', 'confirmed', 'compared', 'cleaning'];
const OF_LEAVE: readonly Step[] = ['transferring', 'confirmed', 'compared', 'cleaning', 'ended'];
const pick = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!;

interface Kill {
  readonly at: Step;
  /** Killed once more while the next process goes on with the change, at this step or a later one. */
  readonly again?: Step;
}

/** The kill after this one: nodes join a store of three and leave one of four. */
function* kills(): Generator<(grows: boolean) => Kill> {
  if (LONG) {
    for (let i = 0; i < 60; i++) {
      yield (grows) => {
        const at = pick(grows ? OF_JOIN : OF_LEAVE);
        return Math.random() < 0.5 ? { at } : { at, again: pick(OF_LEAVE) };
      };
    }
    return;
  }
  for (const at of ['planned', 'confirmed', 'cleaning'] as const) yield () => ({ at });
}

test(
  'a process killed at any step of a ring change: the next one goes on with it or takes it back, and nothing is lost',
  async () => {
    const directory = temporary();
    const paths = { data: join(directory, 'data'), expected: join(directory, 'expected') };
    writeFileSync(paths.expected, '');
    let round = 0;
    let nodes = ['n1', 'n2', 'n3'];
    const check = (said: Said, found: boolean, end: string): void => {
      expect(said, `round ${round}`).toMatchObject({ verified: [], end });
      expect(said.found !== undefined, `round ${round} found a change`).toBe(found);
    };
    const settled = (said: Said): void => {
      expect(said, `round ${round}`).toMatchObject({
        nodes,
        directories: nodes.toSorted(),
        after: [],
      });
    };
    let underWay = false;
    for (const next of kills()) {
      const { at, again } = next(nodes.length === 3);
      const change = nodes.length === 3 ? { join: `n${++round + 3}` } : { leave: nodes[0]! };
      const said = await run({ ...paths, ...change, round: ++round, wait: true, dieAt: at });
      check(said, underWay, 'SIGKILL');
      settled(said);
      const { phase } = said.died!;
      if (at === 'planned') expect(phase).toBe('starting');
      // Nobody had sent the joiner anything: it is no member, and never was.
      if (phase !== 'starting') nodes = change.join === undefined ? nodes.slice(1) : [...nodes, change.join];
      underWay = phase !== 'starting' && phase !== 'done';
      if (again === undefined || !underWay) continue;
      const more = await run({ ...paths, round: ++round, wait: false, dieAt: again });
      check(more, true, 'SIGKILL');
      underWay = more.died!.phase !== 'done';
    }
    const last = await run({ ...paths, round: ++round, wait: true });
    check(last, underWay, 'exit 0');
    settled(last);
    expect(last.required, 'there was something to lose').toBeGreaterThan(100);
  },
  LONG ? 3_600_000 : 300_000,
);
