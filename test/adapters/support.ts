import { afterAll, beforeAll } from 'vitest';
import { open } from '../integration/support.js';
import { KeyvRinglet } from '../../src/adapters/keyv.js';
import { RingletSessionStore } from '../../src/adapters/session.js';
import ringletDriver from '../../src/adapters/unstorage.js';
import type { HostStore } from '../../src/client/api.js';

export { KeyvRinglet, ringletDriver, RingletSessionStore };

/** One store for a file; each test takes a bucket of its own. */
export function sharedStore(): { readonly store: HostStore; fresh(): string } {
  let opened: HostStore | undefined;
  let buckets = 0;
  beforeAll(async () => {
    opened = await open({ engine: 'memory', nodes: 3, memoryMiB: 96, partitions: 8 });
  });
  afterAll(() => opened?.close());
  return {
    get store() {
      return opened!;
    },
    fresh: () => `adapter-${buckets++}`,
  };
}
