import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nowMs, sleep } from '../measure/clock.js';
import { Random } from '../measure/random.js';
import { AcknowledgedWrites } from './acknowledged.js';
import type { KillJob, KillLog, KillSaid } from './kill-child.js';
import type { Durability } from '../../src/index.js';

export interface RiskInput {
  readonly directory: string;
  readonly level: Durability;
  readonly kills: number;
  readonly perSecond: number;
  readonly seed: number;
}

export interface RiskReport {
  readonly kills: number;
  readonly acknowledged: number;
  readonly lost: number;
  /** Of those, the ones that a watermark covered: must be 0. */
  readonly lostUnderWatermark: number;
  /** Age at the kill of each write that is gone, ms. */
  readonly lostAgesMs: readonly number[];
}

/** A process is killed so long after its first acknowledgement, ms: from … to. */
const LOAD_MS = [60, 260] as const;

interface Killed extends KillLog {
  readonly killedMs: number;
  /** Those of its writes that were found to be gone. */
  readonly gone: Set<number>;
}

/**
 * Kills a process that writes, starts it again, and counts what was acknowledged and is gone. The last process looks for
 * the writes of all that were killed: a later kill may cost what an earlier one had spared.
 */
export default async function risk(input: RiskInput): Promise<RiskReport> {
  const random = new Random(input.seed, input.kills);
  await mkdir(input.directory, { recursive: true });
  const killed: Killed[] = [];
  for (let round = 0; round <= input.kills; round++) {
    const isLast = round === input.kills;
    const log = join(input.directory, `acknowledged-${round}`);
    const loadMs = isLast ? 0 : LOAD_MS[0] + random.next() * (LOAD_MS[1] - LOAD_MS[0]);
    const looked = isLast ? killed : killed.slice(-1);
    const job: KillJob = {
      data: join(input.directory, 'data'),
      log,
      look: looked.map((before) => ({ round: before.round, log: before.log })),
      level: input.level,
      perSecond: input.perSecond,
      round,
    };
    const { missing, killedMs } = await runOnce(job, loadMs);
    for (const [index, before] of looked.entries())
      for (const key of missing[index] ?? []) before.gone.add(key);
    if (!isLast) killed.push({ round, log, killedMs, gone: new Set() });
  }
  return await reportOf(killed);
}

async function reportOf(killed: readonly Killed[]): Promise<RiskReport> {
  const report = { kills: 0, acknowledged: 0, lost: 0, lostUnderWatermark: 0, lostAgesMs: [] as number[] };
  for (const { log, killedMs, gone } of killed) {
    const writes = new AcknowledgedWrites(await readFile(log, 'utf8'));
    report.kills++;
    report.acknowledged += writes.size;
    report.lost += gone.size;
    for (const key of gone) {
      if (writes.isUnderWatermark(key)) report.lostUnderWatermark++;
      report.lostAgesMs.push(killedMs - writes.acknowledgedMs(key));
    }
  }
  return report;
}

/** One process: it says what is missing of the log before, then that it has written something, and is killed some time later. */
async function runOnce(
  job: KillJob,
  loadMs: number,
): Promise<{ readonly missing: KillSaid['missing']; readonly killedMs: number }> {
  const entry = fileURLToPath(new URL('./kill-child.js', import.meta.url));
  // It ends when its standard input does: no orphan is left if this process is killed itself.
  const child = spawn(process.execPath, [entry, JSON.stringify(job)], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = once(child, 'close');
  let missing: KillSaid['missing'] | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    if (missing !== undefined) break;
    missing = (JSON.parse(line) as KillSaid).missing;
    if (loadMs === 0) break;
  }
  if (missing === undefined) throw new Error(`a process to be killed ended by itself: ${errors.slice(-500)}`);
  await sleep(loadMs);
  const killedMs = nowMs();
  child.kill('SIGKILL');
  await ended;
  if (errors !== '') throw new Error(errors.slice(-500));
  return { missing, killedMs };
}
