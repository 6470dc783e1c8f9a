import type { Contestant } from './contestants.js';
import type { StepReport } from '../cases/case.js';
import { RedisServer } from '../cases/redis-server.js';
import { median, sum } from '../measure/statistics.js';
import { EMPTY_ROW, rowsOf, subjectOf } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import type { ExperimentContext } from '../suite/experiment.js';
import { WORKLOAD } from '../suite/defaults.js';

/** Runs contestants round by round and keeps every step's reports. */
export class Collector {
  readonly #context: ExperimentContext;
  readonly #reports = new Map<Contestant, StepReport[][]>();

  constructor(context: ExperimentContext) {
    this.#context = context;
  }

  async run(contestant: Contestant, round: number): Promise<void> {
    const label = `${contestant.id}, round ${round + 1}`;
    const directory = this.#context.scratch(contestant.id);
    if (contestant.redis === null) {
      await this.#runCase(contestant, label, round, { directory, redisPort: 0 });
      return;
    }
    const { redis: persistence, server: command = 'redis-server' } = contestant;
    const server = await this.#context.runHere(`${label}: start the server`, 0, () =>
      RedisServer.start({ command, persistence, directory }),
    );
    if (server === null) return;
    try {
      await this.#runCase(contestant, label, round, { directory, redisPort: server.port });
    } finally {
      await server[Symbol.asyncDispose]();
    }
  }

  /** Rows in the order in which contestants first ran, each with an `id` such as `redis/put64`. */
  rows(): readonly Row[] {
    return [...this.#reports].flatMap(([contestant, reports]) => {
      const subject = subjectOf(contestant.system({ directory: '', redisPort: 0 }), contestant.setting);
      return contestant.steps.flatMap(({ name, step }, index) => {
        const id = `${contestant.id}/${name}`;
        const rounds = reports[index] ?? [];
        if (step.kind === 'cpu') return rounds.length === 0 ? [] : [cpuRow(id, step.callers, rounds)];
        const system = contestant.server === 'valkey-server' ? 'valkey' : subject.system;
        return rowsOf({ ...subject, system }, step, rounds).map((row) => ({ ...row, id }));
      });
    });
  }

  async #runCase(
    contestant: Contestant,
    label: string,
    round: number,
    place: Parameters<Contestant['system']>[0],
  ): Promise<void> {
    const report = await this.#context.runCase(label, {
      kind: 'steps',
      system: contestant.system(place),
      workload: { ...WORKLOAD, seed: this.#context.options.seed + round },
      steps: contestant.steps.map(({ step }) => step),
    });
    const reports = this.#reports.get(contestant) ?? contestant.steps.map((): StepReport[] => []);
    this.#reports.set(contestant, reports);
    report?.steps.forEach((step, index) => reports[index]?.push(step));
  }
}

function cpuRow(id: string, callers: number, rounds: readonly StepReport[]): Row {
  const rates = rounds.map((round) => round.cpuPerSecond ?? 0);
  return {
    ...EMPTY_ROW,
    id,
    system: 'node',
    setting: 'pure CPU loop, iterations',
    callers,
    opsPerSecond: sum(rates) === 0 ? null : median(rates),
    rounds: rounds.length,
  };
}
