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

/** Tests of code that knows no thread, timer or process: nothing of one is left for the next. */
const PURE = ['test/{client,config,ring,scenarios,shard,versions}/**/*.test.ts'];

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
      {
        extends: true,
        test: { name: 'stores', include: ['test/**/*.test.ts'], exclude: [...PURE, ...ELSEWHERE] },
      },
      // A process for each file would take as long as most of these.
      { extends: true, test: { name: 'pure', include: PURE, isolate: false } },
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
