import type { CallerRings } from '../../src/client/caller-ring.js';
import type { Ring } from '../../src/ring/ring.js';

/** A ring that changes only when a test says so. */
export function fixedRings(ring: Ring): CallerRings & { current: Ring } {
  const nothing = (): void => undefined;
  return { current: ring, follow: nothing, enter: nothing, leave: nothing };
}
