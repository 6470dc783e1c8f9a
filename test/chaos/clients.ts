import type { Store } from '../../src/client/api.js';
import { type Books, membersIn } from './books.js';
import type { Ending, Timing } from './timing.js';
import type { Way } from './way.js';

/** Buckets by durability; each client uses both. */
export const BUCKETS = ['buffered', 'committed'] as const;
const COUNTERS = 8;
/** Members of a set before the next one is begun. */
const MEMBERS = 40;

export interface ClientParts {
  readonly name: string;
  readonly way: Way;
  readonly books: Books;
  readonly timing: Timing;
  readonly random: () => number;
  /** Of its keys are there already ({@link preload}). */
  readonly written: number;
}

/** One client: a request after the other, with a pause, until it is told to stop. */
export class Client {
  private readonly name: string;
  private readonly way: Way;
  private readonly books: Books;
  private readonly timing: Timing;
  private readonly random: () => number;
  private running = true;
  private written: number;
  readonly done: Promise<void>;

  constructor({ name, way, books, timing, random, written }: ClientParts, pauseMs: number) {
    this.name = name;
    this.way = way;
    this.books = books;
    this.timing = timing;
    this.random = random;
    this.written = written;
    this.done = this.run(pauseMs);
  }

  stop(): void {
    this.running = false;
  }

  private async run(pauseMs: number): Promise<void> {
    while (this.running) {
      await this.step();
      await new Promise((resolve) => {
        setTimeout(resolve, pauseMs);
      });
    }
  }

  private below(n: number): number {
    return Math.floor(this.random() * n);
  }

  private step(): Promise<void> {
    const dice = this.below(10);
    if (dice < 4 || this.written === 0) return this.write();
    if (dice < 6) return this.look();
    if (dice < 7) return this.remove();
    if (dice < 9 || this.way.increment === undefined) return this.join();
    return this.count(this.way.increment);
  }

  /** A request, timed. Undefined if it failed; `failed` is told whether it may have been executed. */
  private async timed<T>(
    request: () => Promise<T>,
    failed?: (maybe: boolean) => void,
  ): Promise<T | undefined> {
    const fromMs = performance.now();
    try {
      const result = await request();
      this.timing.add(this.way.name, fromMs, 'ok');
      return result;
    } catch (error) {
      const { code, maybeApplied } = error as { code?: string; maybeApplied?: boolean };
      if (code === undefined) throw error;
      const ending: Ending = maybeApplied === true ? 'maybe' : 'refused';
      this.timing.add(this.way.name, fromMs, ending, code);
      failed?.(maybeApplied === true);
      return undefined;
    }
  }

  private async write(): Promise<void> {
    const key = `${this.name}-${this.written++}`;
    const value = `${key} `.repeat(this.below(50) === 0 ? 400 : 4);
    const entry: ReturnType<Books['plain']['get']> = { value, written: 'tried', deleted: 'no' };
    this.books.plain.set(key, entry);
    const failed = (maybe: boolean): void => void (entry.written = maybe ? 'tried' : 'refused');
    const put = await this.timed(() => this.way.put(bucketOf(key), key, value, undefined), failed);
    if (put !== undefined) entry.written = 'acknowledged';
  }

  private async look(): Promise<void> {
    const key = `${this.name}-${this.below(this.written)}`;
    const read = await this.timed(() => this.way.get(bucketOf(key), key));
    if (read !== undefined) this.books.checkPlain(key, read.values, read.degraded);
  }

  private async remove(): Promise<void> {
    const key = `${this.name}-${this.below(this.written)}`;
    const read = await this.timed(() => this.way.get(bucketOf(key), key));
    if (read === undefined) return;
    this.books.checkPlain(key, read.values, read.degraded);
    const entry = this.books.plain.get(key)!;
    if (read.values.length === 0 || entry.deleted === 'acknowledged') return;
    const before = entry.deleted;
    entry.deleted = 'tried';
    const failed = (maybe: boolean): void => void (entry.deleted = maybe ? 'tried' : before);
    const gone = await this.timed(() => this.way.delete(bucketOf(key), key, read.context), failed);
    if (gone !== undefined) entry.deleted = 'acknowledged';
  }

  /** Reads a set that all clients share, and adds a member: what siblings hold is kept. */
  private async join(): Promise<void> {
    const number = Math.floor(this.books.sets.size / 4);
    const full = this.books.set(`set-${Math.max(0, number - 1)}-${this.below(4)}`).attempted.size >= MEMBERS;
    const key = `set-${full ? number : Math.max(0, number - 1)}-${this.below(4)}`;
    const members = this.books.set(key);
    const acknowledged = [...members.acknowledged];
    const read = await this.timed(() => this.way.get(bucketOf(key), key));
    if (read === undefined) return;
    const found = membersIn(read.values);
    this.books.checkSet(key, found, acknowledged, read.degraded);
    const id = `${this.name}.${members.attempted.size}.${this.below(1_000_000)}`;
    members.attempted.add(id);
    const value = [...found, id].join(' ');
    const failed = (maybe: boolean): void => void (maybe || members.attempted.delete(id));
    const put = await this.timed(() => this.way.put(bucketOf(key), key, value, read.context), failed);
    if (put !== undefined) members.acknowledged.add(id);
  }

  private async count(increment: NonNullable<Way['increment']>): Promise<void> {
    const key = `counter-${this.below(COUNTERS)}`;
    const by = 1 + this.below(9);
    const tally = this.books.counter(key);
    tally.attempted += by;
    const failed = (maybe: boolean): void => void (maybe || (tally.attempted -= by));
    const sum = await this.timed(() => increment(bucketOf(key), key, by), failed);
    if (sum === undefined) return;
    tally.acknowledged += by;
    this.books.checkCounter(key, sum, false);
  }
}

export function bucketOf(key: string): string {
  return BUCKETS[key.length % BUCKETS.length]!;
}

/** The first keys of some clients, at all of their owners. */
export async function preload(
  store: Store,
  books: Books,
  clients: readonly string[],
  count: number,
): Promise<void> {
  for (const name of clients) {
    for (let i = 0; i < count; i++) {
      const key = `${name}-${i}`;
      const value = `${key} old `;
      await store.bucket(bucketOf(key)).put(key, value, { w: 'all' });
      books.plain.set(key, { value, written: 'acknowledged', deleted: 'no' });
    }
  }
}
