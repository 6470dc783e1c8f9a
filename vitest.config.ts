import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // Native addons can crash in vitest's thread pool; integration tests load dist/, never src/.
    pool: 'forks',
    include: ['test/**/*.test.ts'],
    // The default leaves a core idle on a machine of two.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
