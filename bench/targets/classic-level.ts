import type { Target } from './target.js';

export interface ClassicLevelSpec {
  readonly system: 'classic-level';
  readonly sync: boolean;
  readonly directory: string;
}

const BATCH = 10_000;
/** Room for all records, as all others have it; the default of 8 MiB is less than they need. */
const CACHE_BYTES = 64 << 20;

/** LevelDB. `getSync` spares the thread pool: its fastest read; a put always goes through the pool. */
export async function classicLevelTarget(spec: ClassicLevelSpec): Promise<Target> {
  const { ClassicLevel } = await import('classic-level');
  const database = new ClassicLevel<string, Uint8Array>(spec.directory, {
    valueEncoding: 'view',
    cacheSize: CACHE_BYTES,
  });
  await database.open();
  const { sync } = spec;
  return {
    synchronous: { get: true, put: false },
    get: (key) => database.getSync(key),
    put: (key, value) => database.put(key, value.bytes, { sync }),
    valueBytes: (result) => (result as Uint8Array | undefined)?.length ?? -1,
    writeAll: async (workload) => {
      for (let from = 0; from < workload.keys.length; from += BATCH) {
        const keys = workload.keys.slice(from, from + BATCH);
        await database.batch(keys.map((key) => ({ type: 'put', key, value: workload.value().bytes })));
      }
    },
    close: () => database.close(),
  };
}
