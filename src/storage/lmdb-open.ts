import { mkdirSync, unlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import { RingletError } from '../base/errors.js';
import type { Engine, EngineIdentity, EngineState } from './engine.js';
import { decodeMeta, EMPTY_STATE, META_KEY } from './engine-meta.js';
import { LmdbEngine } from './lmdb-engine.js';
import { dataFileBytes, dataFileOf, syncDirectory } from './data-files.js';
import { readError } from './disk-errors.js';
import { type LmdbEnvironment, openEnvironment } from './lmdb-environment.js';

export interface LmdbEngineOptions {
  readonly directory: string;
  readonly identity: EngineIdentity;
  /**
   * Whether an absent or empty environment is a new one. False for a virtual node that has served
   * before: there it is a loss, and DATA_CORRUPT.
   */
  readonly mayCreate: boolean;
}

/**
 * Opens the engine of a virtual node, in its own thread. A new engine is on stable storage,
 * together with its directory entries, when the promise resolves.
 *
 * After an unclean stop let the verifying process look first (src/host/verify.ts): LMDB has no
 * page checksums, and a damaged file may end the whole process.
 *
 * @throws RingletError DATA_CORRUPT, DATA_FOREIGN (another store's, node's or a newer format's),
 *   IO or STORE_FULL
 */
export async function openLmdbEngine(options: LmdbEngineOptions): Promise<Engine> {
  const { directory, identity, mayCreate } = options;
  prepare(directory, mayCreate);
  const env = openEnvironment(directory);
  try {
    const state = storedState(env, options);
    const engine = new LmdbEngine(env, directory, identity, state ?? EMPTY_STATE);
    if (state === undefined) await initialise(engine, directory);
    return engine;
  } catch (error) {
    // Nothing waits for the close: after a failed commit it would never end.
    void env.close();
    throw error;
  }
}

function prepare(directory: string, mayCreate: boolean): void {
  const bytes = dataFileBytes(directory);
  if (bytes !== undefined && bytes > 0) return;
  if (!mayCreate) throw lost(directory, bytes === undefined ? 'is missing' : 'is empty');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  // What a process leaves that was killed while it created the file; LMDB would take it for a store.
  if (bytes === 0) unlinkSync(dataFileOf(directory));
}

/** What the environment holds; undefined when it holds nothing and may be a new one. */
function storedState(env: LmdbEnvironment, options: LmdbEngineOptions): EngineState | undefined {
  const { directory, identity } = options;
  let row: Uint8Array | undefined;
  let empty: boolean;
  try {
    row = env.getBinary(META_KEY);
    empty = [...env.getKeys({ limit: 1 })].length === 0;
  } catch (error) {
    throw readError(error, directory);
  }
  if (row === undefined) {
    if (empty && options.mayCreate) return undefined;
    throw lost(directory, empty ? 'holds nothing' : 'has no identity');
  }
  const meta = decodeMeta(row);
  switch (meta.kind) {
    case 'damaged':
      throw lost(directory, 'has a damaged identity');
    case 'unknown-format':
      throw new RingletError(
        'DATA_FOREIGN',
        `${directory} has format ${meta.format}, which this version cannot read; use the version that wrote it`,
        { path: directory, format: meta.format },
      );
    case 'ok':
      assertSame(directory, identity, meta.identity);
      return meta.state;
  }
}

function assertSame(directory: string, wanted: EngineIdentity, stored: EngineIdentity): void {
  for (const field of ['storeId', 'nodeId', 'vnodeId'] as const) {
    if (wanted[field] === stored[field]) continue;
    throw new RingletError(
      'DATA_FOREIGN',
      `${directory} belongs to ${field} ${stored[field]}, not ${wanted[field]}; put the right directory in its place`,
      { path: directory, field, stored: stored[field], wanted: wanted[field] },
    );
  }
}

function lost(directory: string, what: string): RingletError {
  const path = dataFileOf(directory);
  return new RingletError('DATA_CORRUPT', `${path} ${what}; restore the data directory from a backup`, {
    path,
    reason: what,
  });
}

async function initialise(engine: LmdbEngine, directory: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    engine.commit({ generation: 0, confirmedSerial: 0 }, (error) => (error ? reject(error) : resolve()));
  });
  // LMDB syncs its file but not the name of it.
  syncDirectory(directory);
  syncDirectory(dirname(directory));
}
