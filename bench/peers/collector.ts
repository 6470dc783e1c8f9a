import type { Contestant } from './contestants.js';
import type { StepReport } from '../cases/case.js';
import { RedisServer } from '../cases/redis-server.js';
import { median, sum } from '../measure/statistics.js';
import { EMPTY_ROW, rowsOf, subjectOf } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import type { ExperimentContext } from '../suite/experiment.js';
import { WORKLOAD } from '../suite/defaults.js';

/** Runs contestants round by round and keeps every step's reports. */
export class Collector implements AsyncDisposable {
  readonly #context: ExperimentContext;
  readonly #reports = new Map<Contestant, StepReport[][]>();
  readonly #servers = new Map<Contestant, RedisServer>();

  constructor(context: ExperimentContext) {
    this.#context = context;
  }

  async run(contestant: Contestant, round: number): Promise<void> {
    if (contestant.redis === null) {
      await this.#runRound(contestant, round, 0);
      return;
    }
    const server = this.#servers.get(contestant) ?? (await this.#start(contestant));
    if (server !== null) await this.#runRound(contestant, round, server.port);
  }

  /** It runs until the end: without requests it does nothing. */
  async #start(contestant: Contestant): Promise<RedisServer | null> {
    const { id, redis, server: command = 'redis-server' } = contestant;
    const directory = this.#context.lastingScratch(`${id}-server`);
    const server = await this.#context.runHere(`${id}: start the server`, 0, () =>
      RedisServer.start({ command, persistence: redis!, directory }),
    );
    if (server !== null) this.#servers.set(contestant, server);
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#servers.values(), (server) => server[Symbol.asyncDispose]()));
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

  async #runRound(contestant: Contestant, round: number, redisPort: number): Promise<void> {
    const report = await this.#context.runRound(contestant.id, round, (directory) => ({
      kind: 'steps',
      system: contestant.system({ directory, redisPort }),
      workload: { ...WORKLOAD, seed: this.#context.options.seed + round },
      steps: contestant.steps.map(({ step }) => step),
    }));
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
