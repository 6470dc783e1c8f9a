import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RingletError, shown } from '../../base/errors.js';
import { damagedPart } from './check.js';

/** What comparing needs of a folder that `npm run bench` wrote (docs/benchmarks.md has the whole schema). */
export interface BenchResults {
  readonly path: string;
  readonly commit: string | null;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly mode: string;
  /** False: interrupted. */
  readonly complete?: boolean;
  readonly experiments: Readonly<Record<string, BenchExperiment>>;
}

export interface BenchExperiment {
  readonly rows: readonly BenchRow[];
  readonly parameters?: object;
  readonly summary?: readonly BenchGoal[];
}

export interface BenchGoal {
  readonly line: string;
  readonly unit: string;
  readonly required: number;
  readonly measured: number | null;
  readonly met: boolean | null;
}

export interface BenchRow {
  readonly system: string;
  readonly setting: string;
  /** Names the row whatever its other fields are. */
  readonly id?: string;
  readonly n: number | null;
  readonly r: number | null;
  readonly w: number | null;
  readonly durability: string | null;
  readonly op: string | null;
  readonly samples: number | null;
  readonly histogram?: string;
  readonly [field: string]: unknown;
}

const SUPPORTED = [2];

/** @param path of a folder, or of its results.json. @throws RingletError IO, BAD_REQUEST */
export async function readResults(path: string): Promise<BenchResults> {
  const file = await fileOf(path);
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) throw foreign(file);
    throw new RingletError('IO', `cannot read ${file}: ${(error as Error).message}`, { path: file });
  }
  const version = isObject(parsed) ? parsed['schemaVersion'] : undefined;
  if (version === undefined) throw foreign(file);
  if (!SUPPORTED.includes(version as number)) {
    throw new RingletError(
      'BAD_REQUEST',
      `${file} has schema version ${shown(version)}, this command reads ${SUPPORTED.join(', ')}; run that benchmark again`,
      { version: shown(version) },
    );
  }
  const damaged = damagedPart(parsed);
  if (damaged !== null) {
    throw new RingletError(
      'BAD_REQUEST',
      `${file} is damaged (${damaged} is not what the benchmark writes); run that benchmark again`,
      { path: file, part: damaged },
    );
  }
  const {
    commit,
    machine,
    options,
    experiments,
    complete = true,
  } = parsed as BenchResults & {
    options: { mode: string };
  };
  return { path, commit, machine, mode: options.mode, complete, experiments };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function foreign(file: string): RingletError {
  return new RingletError(
    'BAD_REQUEST',
    `${file} is not a results.json of the benchmark; name a folder that "ringlet bench" wrote`,
    { path: file },
  );
}

async function fileOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true ? join(path, 'results.json') : path;
}
