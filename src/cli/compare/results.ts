import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RingletError } from '../../base/errors.js';

/** What comparing needs of a folder that `npm run bench` wrote (docs/benchmarks.md has the whole schema). */
export interface BenchResults {
  readonly path: string;
  readonly commit: string | null;
  readonly machine: Readonly<Record<string, unknown>>;
  readonly mode: string;
  readonly experiments: Readonly<Record<string, { readonly rows: readonly BenchRow[] }>>;
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
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
  } catch (error) {
    throw new RingletError('IO', `cannot read ${file}: ${(error as Error).message}`, { path: file });
  }
  const version = parsed['schemaVersion'];
  if (!SUPPORTED.includes(version as number)) {
    throw new RingletError(
      'BAD_REQUEST',
      `${file} has schema version ${String(version)}, this command reads ${SUPPORTED.join(', ')}; run that benchmark again`,
      { version: String(version) },
    );
  }
  const { commit, machine, options, experiments } = parsed as unknown as BenchResults & {
    options: { mode: string };
  };
  return { path, commit, machine, mode: options.mode, experiments };
}

async function fileOf(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() === true ? join(path, 'results.json') : path;
}
