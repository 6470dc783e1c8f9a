/** What calls weigh that are under way; one alone may weigh more than all may together. */
export interface Weight<T> {
  of(item: T): number;
  readonly most: number;
}

/** Maps a list with at most `width` calls under way; results in order. After a failure no further one begins. */
export async function bounded<T, U>(
  items: readonly T[],
  width: number,
  map: (item: T) => Promise<U>,
  weight?: Weight<T>,
): Promise<U[]> {
  const results: U[] = [];
  let next = 0;
  let under = 0;
  /** Lanes for whose next item there was no room; then something is under way. */
  const waiting: (() => void)[] = [];
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const weighs = weight?.of(items[next]!) ?? 0;
      if (weight !== undefined && under > 0 && under + weighs > weight.most) {
        await new Promise<void>((resolve) => waiting.push(resolve));
        continue;
      }
      const i = next++;
      under += weighs;
      // There may be room for another one, and so on.
      waiting.shift()?.();
      try {
        results[i] = await map(items[i]!);
      } catch (error) {
        next = items.length;
        throw error;
      } finally {
        under -= weighs;
        waiting.shift()?.();
      }
    }
    waiting.shift()?.();
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
