import type { Target } from './target.js';

export interface LmdbSpec {
  readonly system: 'lmdb';
  /** True: commits without fsync (survives a killed process, not a power cut). */
  readonly noSync: boolean;
  readonly directory: string;
}

const MAP_BYTES = 1 << 30;

/** lmdb-js used directly: asynchronous puts, which share commits, and synchronous gets that copy. */
export async function lmdbTarget(spec: LmdbSpec): Promise<Target> {
  const { open } = await import('lmdb');
  const database = open<Uint8Array, string>({
    path: spec.directory,
    encoding: 'binary',
    noSync: spec.noSync,
    mapSize: MAP_BYTES,
  });
  return {
    synchronous: { get: true, put: false },
    get: (key) => database.getBinary(key),
    put: (key, value) => database.put(key, value.bytes),
    valueBytes: (result) => (result as Buffer | undefined)?.length ?? -1,
    writeAll: async (workload) => {
      await Promise.all(workload.keys.map((key) => database.put(key, workload.value().bytes)));
    },
    close: () => database.close(),
  };
}
