/** Maps a list with at most `width` calls under way; results in order. After a failure no further one begins. */
export async function bounded<T, U>(
  items: readonly T[],
  width: number,
  map: (item: T) => Promise<U>,
): Promise<U[]> {
  const results: U[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const i = next++;
      try {
        results[i] = await map(items[i]!);
      } catch (error) {
        next = items.length;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, lane));
  return results;
}

/** The same with what comes one by one: so many, and when they are done the next. */
export async function inBatches<T>(
  items: AsyncIterable<T>,
  width: number,
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  let batch: T[] = [];
  const flush = async (): Promise<void> => {
    await bounded(batch, width, act);
    batch = [];
  };
  for await (const item of items) if (batch.push(item) === width) await flush();
  await flush();
}
