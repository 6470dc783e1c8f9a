import { isAbsolute } from 'node:path';

/**
 * A thread loads every module anew, and the loader takes about a millisecond for each file: what threads of virtual
 * nodes load becomes one file, in the place of what tsc wrote there. It is CommonJS, so that a thread needs no loader
 * of ES modules, and has lmdb-js as one file, too. Without this step everything works, but starts and restarts take
 * longer (docs/decisions/0036-one-file-for-a-thread.md).
 */
export default {
  input: 'dist/src/shard/worker-entry.cjs',
  platform: 'node',
  external: (id) => !id.startsWith('.') && !isAbsolute(id),
  output: {
    dir: 'dist/src/shard',
    format: 'cjs',
    entryFileNames: 'worker-entry.cjs',
    chunkFileNames: 'worker-[name].cjs',
  },
};
