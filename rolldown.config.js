import { isAbsolute } from 'node:path';

/**
 * A thread loads every module anew, and the loader takes about a millisecond for each file: the entry of virtual
 * nodes becomes one file, in the place of what tsc wrote there. Without this step everything works, but starts
 * and restarts take longer (docs/decisions/0036-one-file-for-a-thread.md).
 */
export default {
  input: 'dist/src/shard/worker.js',
  platform: 'node',
  external: (id) => !id.startsWith('.') && !isAbsolute(id),
  output: {
    dir: 'dist/src/shard',
    entryFileNames: 'worker.js',
    chunkFileNames: 'worker-[name].js',
  },
};
