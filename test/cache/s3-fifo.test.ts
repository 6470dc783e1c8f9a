import fc from '../properties.js';
import { LRUCache } from 'lru-cache';
import { describe, expect, test } from 'vitest';
import { mix } from '../../src/base/hash.js';
import { Ghosts } from '../../src/cache/ghosts.js';
import { Links, Queue } from '../../src/cache/queue.js';
import { S3Fifo } from '../../src/cache/s3-fifo.js';

/** A cache of numbered keys: what the policy needs, and nothing else. */
class Model {
  readonly links = new Links();
  readonly entryOf = new Map<number, number>();
  readonly policy: S3Fifo;
  readonly limit: number;
  private readonly keys: number[] = [];
  private readonly sizes: number[] = [];
  private readonly read: boolean[] = [];
  private readonly free: number[] = [];

  constructor(limit: number, room: number) {
    this.limit = limit;
    this.links.grow(room);
    this.free.push(...Array.from({ length: room }, (_, i) => i));
    this.policy = new S3Fifo({
      links: this.links,
      wasRead: (entry) => this.read[entry]!,
      setUnread: (entry) => void (this.read[entry] = false),
      bytesOf: (entry) => this.sizes[entry]!,
      hashOf: (entry) => mix(this.keys[entry]!),
    });
  }

  /** Whether it was there. */
  use(key: number, bytes: number): boolean {
    const known = this.entryOf.get(key);
    if (known !== undefined) {
      this.read[known] = true;
      return true;
    }
    const entry = this.free.pop()!;
    this.keys[entry] = key;
    this.sizes[entry] = bytes;
    this.entryOf.set(key, entry);
    this.policy.add(entry);
    this.shrink();
    return false;
  }

  shrink(): void {
    for (let victim = this.policy.evict(this.limit); victim >= 0; victim = this.policy.evict(this.limit)) {
      this.entryOf.delete(this.keys[victim]!);
      this.free.push(victim);
    }
  }

  remove(key: number): void {
    const entry = this.entryOf.get(key);
    if (entry === undefined) return;
    this.policy.remove(entry, this.sizes[entry]!);
    this.entryOf.delete(key);
    this.free.push(entry);
  }

  resize(key: number, bytes: number): void {
    const entry = this.entryOf.get(key);
    if (entry === undefined) return;
    this.policy.resized(entry, bytes - this.sizes[entry]!);
    this.sizes[entry] = bytes;
    this.shrink();
  }

  get bytes(): number {
    return [...this.entryOf.values()].reduce((sum, entry) => sum + this.sizes[entry]!, 0);
  }
}

describe('a queue', () => {
  test('is first in, first out, and lets go from the middle', () => {
    const links = new Links();
    links.grow(8);
    const queue = new Queue(links);
    for (let entry = 0; entry < 4; entry++) queue.add(entry, 10);
    queue.remove(1, 10);
    queue.remove(3, 10);
    queue.add(5, 1);
    const order: number[] = [];
    for (; queue.oldest >= 0; queue.remove(order.at(-1)!, 1)) order.push(queue.oldest);
    expect(order).toEqual([0, 2, 5]);
    expect(queue.count).toBe(0);
  });
});

describe('ghosts', () => {
  test('are remembered for as many as were asked for, once', () => {
    const ghosts = new Ghosts();
    for (let hash = 0; hash < 1_000; hash++) ghosts.add(mix(hash), 500);
    const known = Array.from({ length: 1_000 }, (_, hash) => ghosts.take(mix(hash), 500));
    expect(known.slice(0, 500).some(Boolean)).toBe(false);
    // In full sets some are forgotten early.
    expect(known.slice(500).filter(Boolean).length).toBeGreaterThan(400);
    expect(ghosts.take(mix(999), 500)).toBe(false);
  });
});

describe('S3-FIFO', () => {
  test('never keeps more than its limit, and knows its bytes, whatever is put, read, resized and removed', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('use'), key: fc.nat(60), bytes: fc.integer({ min: 1, max: 400 }) }),
      fc.record({ kind: fc.constant('remove'), key: fc.nat(60), bytes: fc.constant(0) }),
      fc.record({ kind: fc.constant('resize'), key: fc.nat(60), bytes: fc.integer({ min: 1, max: 400 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const model = new Model(1_000, 64);
        for (const { kind, key, bytes } of steps) {
          if (kind === 'use') model.use(key, bytes);
          else if (kind === 'remove') model.remove(key);
          else model.resize(key, bytes);
          expect(model.policy.bytes).toBe(model.bytes);
          expect(model.bytes).toBeLessThanOrEqual(1_000);
          expect(model.policy.count).toBe(model.entryOf.size);
        }
      }),
    );
  });

  test('an entry larger than the limit leaves at once, and takes nothing that was read with it', () => {
    const model = new Model(1_000, 64);
    for (let key = 0; key < 8; key++) model.use(key, 100);
    for (let key = 0; key < 8; key++) model.use(key, 100);
    for (let key = 20; key < 40; key++) model.use(key, 100);
    const before = [0, 1, 2, 3, 4, 5, 6, 7].filter((key) => model.entryOf.has(key));
    expect(before).toHaveLength(8);
    model.use(50, 5_000);
    expect(model.entryOf.has(50)).toBe(false);
    expect([0, 1, 2, 3, 4, 5, 6, 7].filter((key) => model.entryOf.has(key))).toEqual(before);
  });

  test('a scan passes, and what was read before is still there', () => {
    const model = new Model(1_000, 2_048);
    for (let round = 0; round < 3; round++) for (let key = 0; key < 600; key++) model.use(key, 1);
    for (let key = 1_000; key < 20_000; key++) model.use(key, 1);
    const left = Array.from({ length: 600 }, (_, key) => model.entryOf.has(key)).filter(Boolean).length;
    const lru = new LRUCache<number, number>({ max: 1_000 });
    for (let key = 0; key < 600; key++) lru.set(key, 1);
    for (let key = 1_000; key < 20_000; key++) lru.set(key, 1);
    expect(left).toBe(600);
    expect(lru.has(0)).toBe(false);
  });

  test('when the hot set moves it follows', () => {
    const model = new Model(1_000, 2_048);
    let random = 1;
    const next = (below: number): number => {
      random = (Math.imul(random, 1_664_525) + 1_013_904_223) >>> 0;
      return (random >>> 8) % below;
    };
    const ratio = (from: number): number => {
      let hits = 0;
      for (let i = 0; i < 20_000; i++) if (model.use(from + next(700), 1)) hits++;
      return hits / 20_000;
    };
    for (let phase = 0; phase < 5; phase++) expect(ratio(phase * 1_000)).toBeGreaterThan(0.9);
  });
});
