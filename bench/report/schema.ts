/** The shape of results.json. Described for users in docs/benchmarks.md; raise the version with the shape. */
export const SCHEMA_VERSION = 2;

export type Mode = 'quick' | 'default' | 'full';
export type RowSystem = 'ringlet' | 'redis' | 'valkey' | 'lmdb' | 'classic-level' | 'better-sqlite3' | 'node';

/** One measured point. Null where a field does not apply. Experiments may add fields. */
export interface Row {
  readonly system: RowSystem;
  /** How the system was set up, in words. */
  readonly setting: string;
  /** `rmw`: a get and then a put of the same key, timed as one. */
  readonly op: 'get' | 'put' | 'rmw' | null;
  readonly n: number | null;
  readonly r: number | null;
  readonly w: number | null;
  readonly durability: string | null;
  readonly engine: string | null;
  /** Calling threads. */
  readonly callers: number | null;
  /** Requests in flight per caller (closed loop). */
  readonly inFlight: number | null;
  /** Offered rate of this operation (open loop); of a day its mean. */
  readonly offeredPerSecond: number | null;
  readonly opsPerSecond: number | null;
  readonly meanUs: number | null;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly p999Us: number | null;
  readonly maxUs: number | null;
  readonly samples: number | null;
  readonly rounds: number;
  /** Open loop: the generator's event loop was busy for more than 0.9 of the time. */
  readonly generatorBound: boolean | null;
  readonly [extra: string]: unknown;
}

/** A service-level agreement: so many of all requests answered within so long. */
export interface Sla {
  /** 1/(1-p): 1,000 for p99.9. */
  readonly oneIn: number;
  readonly withinUs: number;
}

/** A figure that must be reached, and what this run gave. */
export interface SummaryLine {
  readonly line: string;
  readonly required: number;
  /** Null when the run did not measure it. */
  readonly measured: number | null;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly met: boolean | null;
  /** What takes from the verdict's worth: marks of the rows that it rests on. Missing: nothing. */
  readonly doubts?: readonly string[];
}

/** Something that is not in the rows, and why. */
export interface Note {
  readonly kind: 'skipped' | 'missing' | 'failed';
  readonly what: string;
  readonly why: string;
}

export interface ExperimentResult {
  readonly question: string;
  readonly parameters: object;
  readonly seconds: number;
  readonly rows: readonly Row[];
  readonly summary: readonly SummaryLine[];
  readonly notes: readonly Note[];
}

export interface Machine {
  readonly cpus: number;
  readonly model: string;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
  readonly filesystem: string;
  /** Median of a 4 KiB write and fdatasync on that file system. */
  readonly fsyncUs: number;
  /** One-minute load average when the run began: other work on the machine. */
  readonly loadAverage: number;
}

export interface Results {
  readonly schemaVersion: typeof SCHEMA_VERSION;
  readonly machine: Machine;
  /** Null outside a git work tree; ends in "-dirty" with changes that are not committed. */
  readonly commit: string | null;
  readonly seed: number;
  readonly options: {
    readonly mode: Mode;
    readonly only: readonly string[];
    readonly engine: string;
    readonly budgetSeconds: number;
    readonly sla: Sla;
  };
  readonly startedAt: string;
  readonly seconds: number;
  /** False after Ctrl-C. */
  readonly complete: boolean;
  readonly experiments: Readonly<Record<string, ExperimentResult>>;
}
