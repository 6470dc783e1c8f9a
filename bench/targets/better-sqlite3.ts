import { join } from 'node:path';
import type { Target } from './target.js';

export interface BetterSqliteSpec {
  readonly system: 'better-sqlite3';
  /** FULL syncs the log at every commit, NORMAL only at checkpoints. */
  readonly synchronousPragma: 'NORMAL' | 'FULL';
  readonly directory: string;
}

interface Statement {
  get(...parameters: unknown[]): unknown;
  run(...parameters: unknown[]): unknown;
}
interface Database {
  pragma(source: string): unknown;
  exec(source: string): unknown;
  prepare(source: string): Statement;
  transaction(body: () => void): () => void;
  close(): void;
}
type BetterSqlite = new (path: string) => Database;

/** Not a dependency (it needs an install script), so a name that the compiler does not resolve. */
const PACKAGE: string = 'better-sqlite3';

/** Why it cannot run here, or null. */
export async function betterSqliteProblem(): Promise<string | null> {
  try {
    const Database = await load();
    new Database(':memory:').close();
    return null;
  } catch {
    return `not installed; npm install --no-save --ignore-scripts=false ${PACKAGE}`;
  }
}

export async function betterSqliteTarget(spec: BetterSqliteSpec): Promise<Target> {
  const Database = await load();
  const database = new Database(join(spec.directory, 'bench.sqlite'));
  database.pragma('journal_mode = WAL');
  database.pragma(`synchronous = ${spec.synchronousPragma}`);
  database.exec('CREATE TABLE IF NOT EXISTS kv (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID');
  const select = database.prepare('SELECT value FROM kv WHERE key = ?');
  const replace = database.prepare('INSERT OR REPLACE INTO kv (key, value) VALUES (?, ?)');
  return {
    synchronous: { get: true, put: true },
    get: (key) => select.get(key),
    put: (key, value) => replace.run(key, value.bytes),
    valueBytes: (result) => (result as { value: Buffer } | undefined)?.value.length ?? -1,
    writeAll: async (workload) => {
      database.transaction(() => {
        for (const key of workload.keys) replace.run(key, workload.value().bytes);
      })();
    },
    close: async () => database.close(),
  };
}

async function load(): Promise<BetterSqlite> {
  const module = (await import(PACKAGE)) as { default: BetterSqlite };
  return module.default;
}
