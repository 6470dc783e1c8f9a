import { LatencyHistogram } from '../measure/histogram.js';
import { interleaved, median, relativeSpread } from '../measure/statistics.js';
import type { RoundTripsInput, RoundTripsReport } from '../messaging/round-trips.js';
import { EMPTY_ROW, TRUSTED_P999_SAMPLES } from '../report/rows.js';
import type { Row } from '../report/schema.js';
import { atLeast, ratio } from '../report/summary.js';
import { defineExperiment } from '../suite/experiment.js';

interface Parameters {
  readonly rounds: number;
  readonly bytes: readonly number[];
  readonly inFlight: readonly number[];
  readonly warmupSeconds: number;
  readonly seconds: number;
}

const TRANSPORTS = ['ring', 'port'] as const;
const PROCESS_SECONDS = 0.5;
/** The requirement: round trips of the ring over those of a MessagePort. */
const REQUIRED_FACTOR = 5;
const REQUIRED_AT = { bytes: 100, inFlight: 64 };

export default defineExperiment<Parameters>({
  name: 'messaging',
  question: 'How many round trips between two threads do ring buffers give, and how many a MessagePort?',
  parameters: {
    quick: { rounds: 1, bytes: [100, 4_096], inFlight: [1, 64], warmupSeconds: 0.1, seconds: 0.3 },
    default: {
      rounds: 3,
      bytes: [100, 4_096, 65_536],
      inFlight: [1, 64],
      warmupSeconds: 0.3,
      seconds: 0.7,
    },
  },
  seconds: (parameters) => parameters.rounds * TRANSPORTS.length * caseSeconds(parameters),
  async run(parameters, context) {
    const points = parameters.bytes.flatMap((bytes) =>
      parameters.inFlight.map((inFlight) => ({ bytes, inFlight })),
    );
    const results = TRANSPORTS.map((transport) => ({ transport, rounds: [] as RoundTripsReport[][] }));
    for (let round = 0; round < parameters.rounds; round++) {
      for (const { transport, rounds } of interleaved(results, round)) {
        const input: RoundTripsInput = { ...parameters, transport, points };
        const report = await context.runCase(`${transport}, round ${round + 1}`, {
          kind: 'module',
          url: new URL('../messaging/round-trips.js', import.meta.url).href,
          input,
          seconds: caseSeconds(parameters),
        });
        if (report !== null && report.output !== null) rounds.push(report.output as RoundTripsReport[]);
      }
    }
    const rows = results.flatMap(({ transport, rounds }) =>
      rounds.length === 0
        ? []
        : points.map((point, index) =>
            rowOf(
              transport,
              point,
              rounds.map((round) => round[index]!),
            ),
          ),
    );
    return { rows, summary: [requirement(rows)] };
  },
});

function caseSeconds({ bytes, inFlight, warmupSeconds, seconds }: Parameters): number {
  return PROCESS_SECONDS + bytes.length * inFlight.length * (warmupSeconds + seconds + 0.1);
}

function rowOf(
  transport: (typeof TRANSPORTS)[number],
  { bytes, inFlight }: RoundTripsInput['points'][number],
  rounds: readonly RoundTripsReport[],
): Row {
  const rates = rounds.map((round) => round.perSecond);
  const summary = LatencyHistogram.merge(rounds.map((round) => round.histogram)).summary();
  return {
    ...EMPTY_ROW,
    ...summary,
    system: transport === 'ring' ? 'ringlet' : 'node',
    setting: `${transport === 'ring' ? 'ring buffer' : 'MessagePort'}, ${bytes} B round trip`,
    transport,
    bytes,
    callers: 1,
    inFlight,
    opsPerSecond: median(rates),
    rounds: rounds.length,
    spread: relativeSpread(rates),
    roundOpsPerSecond: rates,
    p999FewSamples: summary.samples < TRUSTED_P999_SAMPLES,
  };
}

function requirement(rows: readonly Row[]): ReturnType<typeof atLeast> {
  const { bytes, inFlight } = REQUIRED_AT;
  const rate = (transport: string): number | null =>
    rows.find((row) => row['transport'] === transport && row['bytes'] === bytes && row.inFlight === inFlight)
      ?.opsPerSecond ?? null;
  return atLeast(
    `ring buffer, ${bytes} B, ${inFlight} in flight`,
    REQUIRED_FACTOR,
    ratio(rate('ring'), rate('port')),
    '× MessagePort',
  );
}
