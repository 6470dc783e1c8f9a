import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { nowMs, sleep } from '../measure/clock.js';
import { Random } from '../measure/random.js';
import { AcknowledgedWrites } from './acknowledged.js';
import type { KillJob, KillSaid } from './kill-child.js';
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

/** Kills a process that writes, starts it again, and counts what was acknowledged and is gone. */
export default async function risk(input: RiskInput): Promise<RiskReport> {
  const random = new Random(input.seed, input.kills);
  await mkdir(input.directory, { recursive: true });
  const report = { kills: 0, acknowledged: 0, lost: 0, lostUnderWatermark: 0, lostAgesMs: [] as number[] };
  let before: { readonly log: string; readonly killedMs: number } | undefined;
  // The last process only looks.
  for (let round = 0; round <= input.kills; round++) {
    const log = join(input.directory, `acknowledged-${round}`);
    const loadMs = round === input.kills ? 0 : LOAD_MS[0] + random.next() * (LOAD_MS[1] - LOAD_MS[0]);
    const job: KillJob = {
      data: join(input.directory, 'data'),
      log,
      look: before?.log ?? null,
      level: input.level,
      perSecond: input.perSecond,
      round,
    };
    const { missing, killedMs } = await runOnce(job, loadMs);
    if (before !== undefined) {
      const writes = new AcknowledgedWrites(await readFile(before.log, 'utf8'));
      report.kills++;
      report.acknowledged += writes.size;
      report.lost += missing.length;
      for (const key of missing) {
        if (writes.isUnderWatermark(key)) report.lostUnderWatermark++;
        report.lostAgesMs.push(before.killedMs - writes.acknowledgedMs(key));
      }
    }
    before = { log, killedMs };
  }
  return report;
}

/** One process: it says what is missing of the log before, then that it has written something, and is killed some time later. */
async function runOnce(
  job: KillJob,
  loadMs: number,
): Promise<{ readonly missing: readonly number[]; readonly killedMs: number }> {
  const entry = fileURLToPath(new URL('./kill-child.js', import.meta.url));
  // It ends when its standard input does: no orphan is left if this process is killed itself.
  const child = spawn(process.execPath, [entry, JSON.stringify(job)], { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = once(child, 'close');
  let missing: readonly number[] | undefined;
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
