import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';
import { checkFresh, compiled } from './test/compiled.ts';
import { UnfinishedFiles } from './test/unfinished-files.ts';

/** Whoever has the longest files, in this order: one that began last would leave a core idle. */
const FIRST = ['/test/sim/', '/test/integration/', '/test/cli/', '/test/shard/trees/'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const place = FIRST.findIndex((folder) => moduleId.includes(folder));
      return place < 0 ? FIRST.length : place;
    };
    return (await super.sort(files)).toSorted((a, b) => rank(a) - rank(b));
  }
}

/**
 * Tests that begin and end processes, whose thread may not survive, that replace modules of Node, or that look at
 * what their process has done before. The others share one: to start it takes as long as most of these.
 */
const ALONE = [
  'test/{chaos,cli,dashboard,examples,fuzz,integration,package,sim}/**/*.test.ts',
  'test/host/durable-ring.test.ts',
  'test/server/metrics.test.ts',
  'test/storage/journal-allocation.test.ts',
];

/** .ci/run has the simulator in a stage of its own. */
const ELSEWHERE = process.env['RINGLET_SIM'] === 'none' ? ['test/sim/**'] : [];

checkFresh();

export default defineConfig({
  plugins: [compiled()],
  test: {
    // Native addons can crash in vitest's thread pool; integration tests load dist/, never src/.
    pool: 'forks',
    server: { deps: { external: [/\/dist\//] } },
    reporters: ['default', new UnfinishedFiles()],
    projects: [
      { extends: true, test: { name: 'alone', include: ALONE, exclude: ELSEWHERE } },
      {
        extends: true,
        test: { name: 'sharing', include: ['test/**/*.test.ts'], exclude: ALONE, isolate: false },
      },
    ],
    // The default leaves a core idle on a machine of two.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    // For what never comes. A machine that does other work, or stands still for a while, is no fault of the store.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    expect: { poll: { timeout: 30_000, interval: 10 } },
  },
});
