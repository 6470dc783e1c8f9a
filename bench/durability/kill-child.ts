import { openSync, readFileSync, writeSync } from 'node:fs';
import { AcknowledgedWrites } from './acknowledged.js';
import { nowMs } from '../measure/clock.js';
import { open, type Bucket, type Durability, type HostStore, type VnodeStats } from '../../src/index.js';

export interface KillJob {
  readonly data: string;
  /** Where acknowledgements and watermarks go, each by one `write`: a kill loses none. */
  readonly log: string;
  /** Logs of processes before, whose writes are looked for. */
  readonly look: readonly KillLog[];
  readonly level: Durability;
  readonly perSecond: number;
  readonly round: number;
}

export interface KillLog {
  readonly round: number;
  readonly log: string;
}

export interface KillSaid {
  /** Acknowledged writes that no replica has, by the logs that were to be looked at. */
  readonly missing: readonly (readonly number[])[];
}

const NODES = 3;
const WATERMARK_MS = 1;
const LOOKING_LANES = 64;
const MOST_OUTSTANDING = 500;
const VALUE = 'x'.repeat(100);

async function main(job: KillJob): Promise<void> {
  process.stdin.on('end', () => process.exit()).resume();
  const store = await open({ data: job.data, nodes: NODES, memoryMiB: 96 });
  const bucket = store.bucket('risk', { n: 3, r: 2, w: 2, conflict: 'lww' });
  const missing: (readonly number[])[] = [];
  for (const before of job.look) missing.push(await missingOf(bucket, before));
  writeSync(1, `${JSON.stringify({ missing } satisfies KillSaid)}\n`);
  await load(store, bucket, job);
}

async function missingOf(bucket: Bucket, { round, log }: KillLog): Promise<readonly number[]> {
  const { keys } = new AcknowledgedWrites(readFileSync(log, 'utf8'));
  const missing: number[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let key = keys[next++]; key !== undefined; key = keys[next++]) {
      const { found } = await bucket.get(nameOf(round, key), { r: 'all' });
      if (!found) missing.push(key);
    }
  };
  await Promise.all(Array.from({ length: LOOKING_LANES }, lane));
  return missing;
}

/** New keys at a constant rate, as long as not too many puts are unanswered, until somebody kills us. */
async function load(store: HostStore, bucket: Bucket, job: KillJob): Promise<never> {
  const fd = openSync(job.log, 'a');
  const vector = (of: (vnode: VnodeStats) => number): string => store.stats().vnodes.map(of).join(',');
  let answered = 0;
  const put = async (key: number): Promise<void> => {
    await bucket.put(nameOf(job.round, key), VALUE, { durability: job.level, timeoutMs: 30_000 });
    answered++;
    writeSync(fd, `a ${key} ${nowMs()} ${vector((vnode) => vnode.appendedRecords)}\n`);
    if (key === 0) writeSync(1, 'loading\n');
  };
  const beganMs = nowMs();
  let next = 0;
  for (;;) {
    writeSync(fd, `w ${vector((vnode) => vnode.writtenRecords)}\n`);
    const due = ((nowMs() - beganMs) * job.perSecond) / 1_000;
    while (next < due && next - answered < MOST_OUTSTANDING) {
      put(next++).catch((error: unknown) => writeSync(2, `${String(error)}\n`));
    }
    await new Promise((resolve) => {
      setTimeout(resolve, WATERMARK_MS);
    });
  }
}

function nameOf(round: number, key: number): string {
  return `${round}-${key}`;
}

await main(JSON.parse(process.argv[2]!) as KillJob);
