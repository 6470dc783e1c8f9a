import { afterAll, beforeAll } from 'vitest';
import { open } from '../integration/support.js';
import type { HostStore } from '../../src/client/api.js';

/** Adapters are loaded compiled, like the store under them. */
const dist = new URL('../../dist/src/adapters/', import.meta.url).href;
export const { KeyvRinglet } = (await import(
  `${dist}keyv.js`
)) as typeof import('../../src/adapters/keyv.js');
export const { default: ringletDriver } = (await import(
  `${dist}unstorage.js`
)) as typeof import('../../src/adapters/unstorage.js');
export const { RingletSessionStore } = (await import(
  `${dist}session.js`
)) as typeof import('../../src/adapters/session.js');

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
