/** A key where it stands in a scan. */
export interface Named {
  readonly bucket: number;
  readonly key: Uint8Array;
  readonly hash: number;
}

export type KeyPlace = Pick<Named, 'bucket' | 'key'>;

/** As many keys may come before the list is not worth keeping: it would be made anew as quickly. */
const MOST_NEW = 8_192;

/**
 * The keys that a walk over an index without order has found, in order, for page after page. It hears of
 * keys that come later, so that a page which begins then finds them; what went is for whoever reads the records.
 */
export class KeyList {
  private keys: Named[] = [];
  /** Since the keys were put in order, in any order; some may be among them. */
  private fresh: Named[] = [];

  add(key: Named): void {
    this.fresh.push(key);
  }

  /** So many have come since it was put in order that it should go. */
  get outgrown(): boolean {
    return this.fresh.length > MOST_NEW;
  }

  /** All of them, each once; valid until the next is added. */
  ordered(): readonly Named[] {
    if (this.fresh.length > 0) {
      const all = [...this.keys, ...this.fresh].sort(comparePlaces);
      this.keys = all.filter((key, i) => i === 0 || comparePlaces(all[i - 1]!, key) !== 0);
      this.fresh = [];
    }
    return this.keys;
  }
}

export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

function comparePlaces(a: KeyPlace, b: KeyPlace): number {
  return a.bucket - b.bucket || compareBytes(a.key, b.key);
}

/** The first position behind a place in a sorted list; no key is empty, so that one is before all keys. */
export function upperBound(keys: readonly Named[], place: KeyPlace): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (comparePlaces(keys[middle]!, place) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
