import { nowMs, sleepUntil } from '../measure/clock.js';
import type { HeatReport } from '../cases/case.js';
import type { LoopReport } from '../measure/loop.js';
import { Workload } from '../measure/workload.js';
import { connectRemote } from '../targets/open-target.js';
import { runPart, type CpuTask, type LoadTask } from './load-task.js';

/** Entry of a Piscina thread: a caller of its own, connected by handle. */
export default async function loadWorker(
  task: LoadTask | CpuTask,
): Promise<LoopReport | HeatReport | number> {
  if (task.kind === 'cpu') return await spin(task);
  const target = await connectRemote(task.remote);
  try {
    const workload = new Workload(task.workload, 1 + task.caller);
    await sleepUntil(task.beginMs);
    return await runPart(target, workload, task);
  } finally {
    await target.close();
  }
}

const BATCH = 100_000;

/** Integer arithmetic in registers: no memory, no locks, no allocation. */
async function spin({ beginMs, seconds }: CpuTask): Promise<number> {
  await sleepUntil(beginMs);
  const beganMs = nowMs();
  const untilMs = beganMs + seconds * 1_000;
  let iterations = 0;
  let state = 1;
  do {
    for (let i = 0; i < BATCH; i++) state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + i;
    iterations += BATCH;
  } while (nowMs() < untilMs);
  const perSecond = (iterations * 1_000) / (nowMs() - beganMs);
  // The state is part of the result so that the loop cannot be optimised away.
  return state === 0.5 ? 0 : perSecond;
}
