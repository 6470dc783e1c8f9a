import { Bench } from 'tinybench';
import { microTasks } from './tasks.js';

export interface MicroInput {
  readonly seconds: number;
}

export interface MicroReport {
  readonly name: string;
  readonly part: string;
  readonly perSecond: number;
  readonly meanNs: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly samples: number;
  /** Of the mean, in percent, at 95 % confidence. */
  readonly marginPercent: number;
}

/** Each task runs a batch, so that reading the clock does not count; figures are of one operation. */
export default async function micro({ seconds }: MicroInput): Promise<readonly MicroReport[]> {
  const reports: MicroReport[] = [];
  for (const { name, part, batch, run } of microTasks()) {
    const bench = new Bench({ time: seconds * 1_000, warmupTime: seconds * 300 });
    bench.add(name, run);
    await bench.run();
    const result = bench.tasks[0]?.result;
    if (result === undefined || result.state !== 'completed') throw new Error(`${name} did not complete`);
    const { mean, p50, p99, samplesCount, rme } = result.latency;
    const perOperation = 1e6 / batch;
    reports.push({
      name,
      part,
      perSecond: (batch * 1_000) / mean,
      meanNs: mean * perOperation,
      p50Ns: (p50 ?? mean) * perOperation,
      p99Ns: (p99 ?? mean) * perOperation,
      samples: samplesCount,
      marginPercent: rme,
    });
  }
  return reports;
}
