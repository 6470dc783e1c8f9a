import type { HostStore, VnodeStats } from '../../src/client/api.js';
import { type Books, membersIn } from './books.js';
import { bucketOf } from './clients.js';

/** Replicas are equal, hints handed over and trees compared within this time after the load ends. */
const CONVERGED_MS = 180_000;

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Waits for it without a request; returns the time it took, or says what is missing. */
export async function checkConvergence(store: HostStore, books: Books): Promise<number> {
  const fromMs = performance.now();
  const converged = ({ state, hints, trees, inSyncMs }: VnodeStats): boolean =>
    state === 'serving' &&
    hints.waiting === 0 &&
    trees === 'usable' &&
    inSyncMs !== null &&
    inSyncMs < performance.now() - fromMs;
  for (;;) {
    const late = store.stats().vnodes.filter((vnode) => !converged(vnode));
    const tookMs = performance.now() - fromMs;
    if (late.length === 0) return tookMs;
    if (tookMs > CONVERGED_MS) {
      for (const { id, state, hints, trees, inSyncMs } of late)
        books.violation(
          `${id} has not converged: ${state}, ${hints.waiting} hints, trees ${trees}, ${inSyncMs}`,
        );
      return tookMs;
    }
    await pause(50);
  }
}

/** Waits until all that a virtual node has on its disk was read once more, so that damage that nobody met is found. */
export async function scrubbed(store: HostStore, books: Books, vnode: string): Promise<void> {
  const fromMs = performance.now();
  // The second pass to end began after the first one, and so after now.
  for (let ends = 0, before: number | undefined; ends < 2;) {
    const found = store.stats().vnodes.find(({ id }) => id === vnode);
    if (found === undefined) return;
    const { lastPassMs } = found.scrub;
    const endedMs = lastPassMs === null ? 0 : Date.now() - lastPassMs;
    // It is told in whole seconds.
    if (before !== undefined && endedMs > before + 900) ends++;
    if (before === undefined || endedMs > before + 900) before = endedMs;
    if (performance.now() - fromMs > CONVERGED_MS) {
      books.violation(`${vnode} has not been scrubbed`);
      return;
    }
    await pause(50);
  }
}

/** Everything that clients were told, read from all owners; no copy may need a repair. */
export async function checkEverything(store: HostStore, books: Books): Promise<void> {
  const repairs = (): number => store.stats().vnodes.reduce((sum, { readRepairs }) => sum + readRepairs, 0);
  const before = repairs();
  const read = async (key: string): Promise<string[]> => {
    // All virtual nodes serve: an owner that a stall of the machine made suspect is waited for, not done without.
    const { siblings } = await store
      .bucket(bucketOf(key))
      .get(key, { r: 'all', strict: true, timeoutMs: 60_000 });
    return siblings.map(({ value }) => Buffer.from(value).toString());
  };
  await each([...books.plain.keys()], async (key) => books.checkPlain(key, await read(key), false));
  await each([...books.sets], async ([key, { acknowledged }]) =>
    books.checkSet(key, membersIn(await read(key)), [...acknowledged], false),
  );
  await each([...books.counters.keys()], async (key) =>
    books.checkCounter(key, Number((await read(key))[0] ?? 0), true),
  );
  // Repairs leave 20 ms after their read.
  await pause(300);
  if (repairs() > before)
    books.violation(`${repairs() - before} copies differed and were repaired by the last reads`);
}

/** Many at a time. */
async function each<T>(items: readonly T[], action: (item: T) => Promise<void>): Promise<void> {
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) await action(items[next++]!);
  };
  await Promise.all(Array.from({ length: 32 }, lane));
}
