import { expect, it } from 'vitest';
import { VNODE_COUNTERS, VNODE_WORDS } from '../../src/messaging/layout.js';
import * as environment from '../../src/shard/environment.js';

it('no two counters of a virtual node share a word, and all lie within its block', () => {
  const taken = new Map<number, string>();
  for (const [name, word] of Object.entries(environment)) {
    // A gauge is one word, a counter of 64 bits two; COUNT_JOURNAL_FAILURES is stored as one.
    const words = name.startsWith('GAUGE_') ? [word] : name.startsWith('COUNT_') ? [word, word + 1] : [];
    for (const each of words) {
      expect(taken.get(each), `${name} and ${taken.get(each)} both have word ${each}`).toBeUndefined();
      taken.set(each, name);
      expect(VNODE_COUNTERS + each).toBeLessThan(VNODE_WORDS);
    }
  }
  expect(taken.size).toBeGreaterThan(20);
});
