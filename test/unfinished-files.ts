import type { Reporter, TestModule } from 'vitest/node';

/**
 * Names the files whose process ended in the middle, as when a native module crashes: vitest itself says only
 * that one did.
 */
export class UnfinishedFiles implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    for (const module of modules) {
      const state = module.state();
      if (state !== 'pending' && state !== 'queued') continue;
      console.error(`ended in the middle: ${module.relativeModuleId}`);
      for (const test of module.children.allTests('pending')) console.error(`  not ended: ${test.fullName}`);
    }
  }
}
