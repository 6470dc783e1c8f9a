import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { ExpectedState } from './fixtures/expected-state.js';
import { fixture, LONG, openSmall, temporary, text, until } from './support.js';

interface Said {
  readonly opened?: { recoveryMs: number; cleanShutdown: boolean; recoveredRecords: number };
  readonly verified?: string[];
  readonly required?: number;
  readonly closed?: boolean;
}

const CHILD = fixture('kill-child');

interface Job {
  readonly data: string;
  readonly expected: string;
  readonly round: number;
  readonly last: boolean;
  readonly terminate: boolean;
}

/** How many keys a file asks for by what stands behind a place in it; reads the first MiB. */
function required(file: string, from: number): number {
  const fd = openSync(file, 'r');
  const bytes = Buffer.alloc(1 << 20);
  const lines = bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, from));
  closeSync(fd);
  return new ExpectedState(lines.slice(0, lines.lastIndexOf('\n') + 1)).mustBeThere().length;
}

/** One process: killed `delayMs` after it has reached `phase`, or left to its end without one. */
async function run(
  job: Job,
  phase: 'spawned' | 'has to lose' | undefined,
  delayMs: number,
): Promise<Said & { end: string }> {
  const from = statSync(job.expected).size;
  const child = spawn(process.execPath, [CHILD, JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said: Said = {};
  let errors = '';
  child.stderr.on('data', (data) => (errors += String(data)));
  const kill = (): void => void setTimeout(() => child.kill('SIGKILL'), delayMs);
  if (phase === 'spawned') kill();
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    said = { ...said, ...(JSON.parse(line) as Said) };
    if (phase === 'has to lose' && said.verified?.length === 0)
      void until('there is something to lose', () => required(job.expected, from) > 10).then(kill, kill);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  expect(errors).toBe('');
  return { ...said, end: signal ?? `exit ${code}` };
}

const ROUNDS = LONG ? 1_000 : 3;
/** Kills of one directory: each process verifies all that those before it have left. */
const KILLS = 50;

async function killAndVerify(terminate: boolean, kills: number): Promise<void> {
  const directory = temporary();
  const job = { data: join(directory, 'data'), expected: join(directory, 'expected'), terminate };
  writeFileSync(job.expected, '');
  let verified = 0;
  let round = 0;
  for (let kill = 0; kill < kills; kill++, round++) {
    const result = await run({ ...job, round, last: false }, 'has to lose', Math.random() * 600);
    expect(result, `round ${round}`).toMatchObject({ verified: [], end: 'SIGKILL' });
    expect(result.opened!.cleanShutdown).toBe(round === 0);
    verified = result.required!;
    // Right after the start, or within the recovery of what the last kill left.
    if (kill % 3 === 1)
      await run({ ...job, round: ++round, last: false }, 'spawned', 100 + Math.random() * 350);
  }
  expect(verified, 'keys asked for after a kill').toBeGreaterThan(10 * (kills - 1));
  expect(await run({ ...job, round, last: true }, undefined, 0)).toMatchObject({
    verified: [],
    closed: true,
    end: 'exit 0',
  });
  expect(await run({ ...job, round, last: true }, undefined, 0)).toMatchObject({
    opened: { recoveryMs: 0, recoveredRecords: 0, cleanShutdown: true },
    verified: [],
    end: 'exit 0',
  });
}

test.each([
  ['under load', false],
  ['under load while threads are terminated and write their logs anew', true],
])(
  `killed ${ROUNDS} times at random moments %s: nothing acknowledged is lost, nothing unwritten appears (N=3)`,
  async (_, terminate) => {
    const rounds = terminate && !LONG ? 2 : ROUNDS;
    for (let kills = 0; kills < rounds; kills += KILLS)
      await killAndVerify(terminate, Math.min(KILLS, rounds - kills));
  },
  LONG ? 3_600_000 : 300_000,
);

test('a process killed with hints waiting: the next one delivers every one of them (4 nodes, N=3)', async () => {
  const down = 'n3.0';
  const options = { data: join(temporary(), 'data'), nodes: 4, partitions: 16, memoryMiB: 96 };
  const names = Array.from({ length: 80 }, (_, i) => `k${i}`);
  const job = { options, keys: names.length, down };
  const child = spawn(process.execPath, [fixture('hints-child'), JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [said] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  expect(JSON.parse(said)).toEqual({ delivered: 0 });
  child.kill('SIGKILL');
  expect(await once(child, 'close')).toEqual([null, 'SIGKILL']);

  const store = await openSmall('lmdb', options);
  expect(store.startup.cleanShutdown).toBe(false);
  const hints = (of: 'waiting' | 'delivered'): number =>
    store.stats().vnodes.reduce((sum, vnode) => sum + vnode.hints[of], 0);
  const { preferenceLists, partitions } = store.ring();
  const owned = names.filter((key) => {
    const digest = createHash('sha1').update(key).digest().readUInt32BE(0);
    return preferenceLists[Math.floor(digest / (2 ** 32 / partitions))]!.slice(0, 3).includes(down);
  });
  expect(owned.length).toBeGreaterThan(names.length / 2);
  // Nothing is read before: no read repair brings the owner what it missed.
  await until('all hints are delivered', () => hints('delivered') === owned.length);
  await until('none waits', () => hints('waiting') === 0);
  for (const key of names) {
    const { preferenceList, result } = await store.inspect(key);
    expect(text(result.value), key).toBe(`new ${key}`);
    const owners = preferenceList.filter(({ owner }) => owner);
    expect(owners.some(({ vnode }) => vnode === down)).toBe(owned.includes(key));
    for (const { vnode, versions } of owners)
      expect(versions, `${key} at ${vnode}`).toEqual(owners[0]!.versions);
  }
});
