import { SCHEMA_VERSION } from './schema.js';

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, Check>>;

const isText: Check = (value) => typeof value === 'string' && value !== '';
const isCount: Check = (value) => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isFlag: Check = (value) => typeof value === 'boolean';
const isObject: Check = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const oneOf =
  (...allowed: readonly unknown[]): Check =>
  (value) =>
    allowed.includes(value);

const RESULTS: Fields = {
  schemaVersion: oneOf(SCHEMA_VERSION),
  machine: isObject,
  commit: orNull(isText),
  seed: isCount,
  options: isObject,
  startedAt: (value) => typeof value === 'string' && !Number.isNaN(Date.parse(value)),
  seconds: isCount,
  complete: isFlag,
  experiments: isObject,
};

const MACHINE: Fields = {
  cpus: isCount,
  model: isText,
  memoryBytes: isCount,
  kernel: isText,
  node: isText,
  filesystem: isText,
  fsyncUs: isCount,
  loadAverage: isCount,
};

const EXPERIMENT: Fields = {
  question: isText,
  parameters: isObject,
  seconds: isCount,
  rows: Array.isArray,
  summary: Array.isArray,
  notes: Array.isArray,
};

const ROW: Fields = {
  system: oneOf('ringlet', 'redis', 'valkey', 'lmdb', 'classic-level', 'better-sqlite3', 'node'),
  setting: isText,
  op: oneOf('get', 'put', 'rmw', null),
  n: orNull(isCount),
  r: orNull(isCount),
  w: orNull(isCount),
  durability: orNull(isText),
  engine: orNull(isText),
  callers: orNull(isCount),
  inFlight: orNull(isCount),
  offeredPerSecond: orNull(isCount),
  opsPerSecond: orNull(isCount),
  meanUs: orNull(isCount),
  p50Us: orNull(isCount),
  p99Us: orNull(isCount),
  p999Us: orNull(isCount),
  maxUs: orNull(isCount),
  samples: orNull(isCount),
  rounds: isCount,
  generatorBound: orNull(isFlag),
};

const SUMMARY: Fields = {
  line: isText,
  required: isCount,
  measured: orNull(isCount),
  unit: isText,
  better: oneOf('higher', 'lower'),
  met: orNull(isFlag),
  doubts: (value) => value === undefined || (Array.isArray(value) && value.every(isText)),
};

const NOTE: Fields = { kind: oneOf('skipped', 'missing', 'failed'), what: isText, why: isText };

/** What is wrong with a results object, one line per fault; empty when it follows the schema. */
export function checkResults(results: unknown): string[] {
  const faults = faultsOf(results, RESULTS, 'results');
  if (faults.length > 0) return faults;
  const { machine, experiments } = results as { machine: unknown; experiments: Record<string, unknown> };
  faults.push(...faultsOf(machine, MACHINE, 'machine'));
  for (const [name, experiment] of Object.entries(experiments)) {
    faults.push(...checkExperiment(name, experiment));
  }
  return faults;
}

/** The same of one experiment's part. */
export function checkExperiment(name: string, experiment: unknown): string[] {
  const faults = faultsOf(experiment, EXPERIMENT, name);
  if (faults.length > 0) return faults;
  const lists = experiment as Record<'rows' | 'summary' | 'notes', readonly unknown[]>;
  return [
    ...lists.rows.flatMap((row, index) => faultsOf(row, ROW, `${name}.rows[${index}]`)),
    ...lists.summary.flatMap((line, index) => faultsOf(line, SUMMARY, `${name}.summary[${index}]`)),
    ...lists.notes.flatMap((note, index) => faultsOf(note, NOTE, `${name}.notes[${index}]`)),
  ];
}

function faultsOf(value: unknown, fields: Fields, where: string): string[] {
  if (!isObject(value)) return [`${where} is not an object`];
  const record = value as Record<string, unknown>;
  return Object.entries(fields)
    .filter(([field, check]) => !check(record[field]))
    .map(([field]) => `${where}.${field}: ${JSON.stringify(record[field])}`);
}
