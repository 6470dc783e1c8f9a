import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Engine, EngineMark, EnginePosition } from '../../src/storage/engine.js';
import { contentCheckOf } from '../../src/storage/record.js';

/** How the suite gets at an engine: `reopen` opens what the last one left after its close. */
export interface EngineFactory {
  readonly name: string;
  /** Whether data survives a close. */
  readonly persistent: boolean;
  open(): Promise<Engine>;
  cleanUp(): Promise<void>;
}

/** Bytes that an engine takes for a record: it only looks at the content checksum, in bytes 24 to 27. */
export function fakeRecord(seed: number, length = 48): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = seed + 0x9e3779b9;
  for (let i = 0; i < length; i++) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[i] = x >>> 24;
  }
  return bytes;
}

export function commit(engine: Engine, mark: Partial<EngineMark> = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    engine.commit({ generation: 1, confirmedSerial: 0, ...mark }, (error) =>
      error ? reject(error) : resolve(),
    );
  });
}

const key = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What every engine must do; see the contract in src/storage/engine.ts. */
export function engineConformance(factory: () => EngineFactory): void {
  describe('engine conformance', () => {
    let made: EngineFactory;
    let engine: Engine;
    beforeEach(async () => {
      made = factory();
      engine = await made.open();
    });
    afterEach(async () => {
      await engine.close();
      await made.cleanUp();
    });

    const keys = (partition: number, bucket: number, after?: string, limit = 1_000): string[] => {
      const found: string[] = [];
      engine.scan(partition, bucket, after === undefined ? undefined : key(after), limit, (at) => {
        found.push(text(at));
      });
      return found;
    };

    it('a new engine is empty: no records, root, generation and serial are zero', () => {
      expect(engine.state).toEqual({ generation: 0, confirmedSerial: 0, count: 0, root: 0 });
      expect(engine.get(0, 0, key('a'))).toBeUndefined();
    });

    it('a record is found by partition, bucket and key after its commit, and nowhere else', async () => {
      engine.put(3, 4, key('a'), fakeRecord(1));
      await commit(engine);
      expect(new Uint8Array(engine.get(3, 4, key('a'))!)).toEqual(fakeRecord(1));
      for (const [partition, bucket, name] of [
        [4, 3, 'a'],
        [3, 5, 'a'],
        [2, 4, 'a'],
        [3, 4, 'b'],
      ] as const) {
        expect(engine.get(partition, bucket, key(name))).toBeUndefined();
      }
    });

    it('a put is not seen, nor counted, before its commit resolves', async () => {
      engine.put(0, 0, key('a'), fakeRecord(1));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(engine.get(0, 0, key('a'))).toBeUndefined();
      const done = commit(engine);
      expect(engine.state.count).toBe(0);
      await done;
      expect(engine.state.count).toBe(1);
    });

    it('puts of many event turns become one commit with their mark', async () => {
      for (let i = 0; i < 5; i++) {
        engine.put(0, 0, key(`k${i}`), fakeRecord(i));
        await new Promise((resolve) => setImmediate(resolve));
        expect(engine.get(0, 0, key('k0'))).toBeUndefined();
      }
      await commit(engine, { generation: 7, confirmedSerial: 9 });
      expect(engine.state).toMatchObject({ generation: 7, confirmedSerial: 9, count: 5 });
    });

    it('a later record replaces an earlier one, and a removed key is gone', async () => {
      engine.put(0, 0, key('a'), fakeRecord(1));
      engine.put(0, 0, key('b'), fakeRecord(2));
      await commit(engine);
      engine.put(0, 0, key('a'), fakeRecord(3, 100));
      engine.remove(0, 0, key('b'));
      engine.remove(0, 0, key('never there'));
      await commit(engine);
      expect(new Uint8Array(engine.get(0, 0, key('a'))!)).toEqual(fakeRecord(3, 100));
      expect(engine.get(0, 0, key('b'))).toBeUndefined();
      expect(engine.state).toMatchObject({ count: 1, root: contentCheckOf(fakeRecord(3, 100)) });
    });

    it('count and root follow any sequence of puts and removals (300 random steps)', async () => {
      const model = new Map<string, Uint8Array>();
      let random = 12_345;
      const next = (below: number): number => {
        random = (Math.imul(random, 1_103_515_245) + 12_345) & 0x7fffffff;
        return random % below;
      };
      for (let round = 0; round < 30; round++) {
        const touched = new Set<string>();
        for (let step = 0; step < 10; step++) {
          const name = `k${next(40)}`;
          if (touched.has(name)) continue;
          touched.add(name);
          if (next(3) === 0) {
            model.delete(name);
            engine.remove(1, 1, key(name));
          } else {
            const record = fakeRecord(round * 100 + step, 44 + next(200));
            model.set(name, record);
            engine.put(1, 1, key(name), record);
          }
        }
        await commit(engine);
        let root = 0;
        for (const record of model.values()) root = (root ^ contentCheckOf(record)) >>> 0;
        expect(engine.state).toMatchObject({ count: model.size, root });
        expect(keys(1, 1)).toEqual([...model.keys()].sort());
      }
    });

    it('commits in flight resolve in order, each with its own state', async () => {
      const order: string[] = [];
      const all: Promise<void>[] = [];
      for (let i = 0; i < 20; i++) {
        engine.put(0, 0, key(`k${i}`), fakeRecord(i));
        all.push(
          new Promise((resolve, reject) => {
            engine.commit({ generation: 1, confirmedSerial: i }, (error) => {
              order.push(`${i}:${engine.state.confirmedSerial >= i}`);
              if (error) reject(error);
              else resolve();
            });
          }),
        );
        if (i % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      await Promise.all(all);
      expect(order).toEqual(Array.from({ length: 20 }, (_, i) => `${i}:true`));
      expect(engine.state).toMatchObject({ count: 20, confirmedSerial: 19 });
    });

    it('done is never called within commit, and an empty commit stores its mark', async () => {
      let inside = true;
      await new Promise<void>((resolve) => {
        engine.commit({ generation: 2, confirmedSerial: 3 }, () => {
          expect(inside).toBe(false);
          resolve();
        });
        inside = false;
      });
      expect(engine.state).toEqual({ generation: 2, confirmedSerial: 3, count: 0, root: 0 });
    });

    it('keys and records in shared memory are copied before put returns', async () => {
      const shared = new SharedArrayBuffer(4096);
      const sharedKey = new Uint8Array(shared, 100, 3);
      const sharedRecord = new Uint8Array(shared, 1000, 48);
      sharedKey.set(key('abc'));
      sharedRecord.set(fakeRecord(5));
      engine.put(0, 0, sharedKey, sharedRecord);
      new Uint8Array(shared).fill(0xee);
      await commit(engine);
      expect(new Uint8Array(engine.get(0, 0, key('abc'))!)).toEqual(fakeRecord(5));
      const found = engine.get(0, 0, key('abc'))!;
      expect(found.buffer).not.toBeInstanceOf(SharedArrayBuffer);
      expect(found.byteLength).toBe(48);
    });

    it('records of 44 bytes to 4 MiB and keys of 1 to 1,900 bytes come back as they were', async () => {
      const sizes = [44, 1_000, 4_095, 4_096, 65_537, 300_000, 4 << 20];
      for (const size of sizes) engine.put(0, 1, key(`r${size}`), fakeRecord(size, size));
      const longest = fakeRecord(9, 1_900);
      engine.put(0, 1, longest, fakeRecord(1));
      engine.put(0, 1, Uint8Array.of(0), fakeRecord(2));
      await commit(engine);
      for (const size of sizes) {
        expect(Buffer.compare(engine.get(0, 1, key(`r${size}`))!, fakeRecord(size, size))).toBe(0);
      }
      expect(new Uint8Array(engine.get(0, 1, longest)!)).toEqual(fakeRecord(1));
      expect(new Uint8Array(engine.get(0, 1, Uint8Array.of(0))!)).toEqual(fakeRecord(2));
    });

    it('20,000 records in one commit, then overwritten, leave nothing of the first behind', async () => {
      for (let i = 0; i < 20_000; i++) engine.put(0, 0, key(`k${i}`), fakeRecord(i));
      await commit(engine);
      for (let i = 0; i < 20_000; i++) engine.put(0, 0, key(`k${i}`), fakeRecord(i + 1_000_000, 52));
      await commit(engine);
      for (let i = 0; i < 20_000; i += 97) {
        expect(Buffer.compare(engine.get(0, 0, key(`k${i}`))!, fakeRecord(i + 1_000_000, 52))).toBe(0);
      }
      expect(engine.state.count).toBe(20_000);
    });

    it('a scan stays within its bucket, is in byte order, begins after a key and ends at a limit', async () => {
      for (const name of ['b', 'a', 'ab', 'c', 'aa', 'a\0']) engine.put(1, 0xffff, key(name), fakeRecord(1));
      engine.put(1, 0xfffe, key('other'), fakeRecord(2));
      engine.put(2, 0, key('next'), fakeRecord(3));
      engine.put(4_095, 0xffff, key('last'), fakeRecord(4));
      await commit(engine);
      expect(keys(1, 0xffff)).toEqual(['a', 'a\0', 'aa', 'ab', 'b', 'c']);
      expect(keys(1, 0xffff, 'a')).toEqual(['a\0', 'aa', 'ab', 'b', 'c']);
      expect(keys(1, 0xffff, 'aa', 2)).toEqual(['ab', 'b']);
      expect(keys(1, 0xffff, 'c')).toEqual([]);
      expect(keys(4_095, 0xffff)).toEqual(['last']);
      expect(keys(0, 0)).toEqual([]);
      expect(keys(1, 0xffff, undefined, 0)).toEqual([]);
    });

    it('a walk goes through partitions and buckets in order, begins behind a place and ends where it is told', async () => {
      for (const [partition, bucket, name] of [
        [1, 2, 'b'],
        [1, 2, 'a'],
        [1, 300, 'c'],
        [1, 1, 'z'],
        [2, 0, 'd'],
        [256, 0, 'e'],
        [4_095, 0xffff, 'f'],
      ] as const) {
        engine.put(partition, bucket, key(name), fakeRecord(1));
      }
      await commit(engine);
      const walk = (behind: EnginePosition, before: number, limit = 100): string[] => {
        const seen: string[] = [];
        engine.walk(behind, before, (partition, bucket, at, record) => {
          expect(Buffer.compare(record, fakeRecord(1))).toBe(0);
          seen.push(`${partition}/${bucket}/${text(at)}`);
          return seen.length < limit;
        });
        return seen;
      };
      const start = { partition: 0, bucket: 0, key: undefined };
      const all = ['1/1/z', '1/2/a', '1/2/b', '1/300/c', '2/0/d', '256/0/e', '4095/65535/f'];
      expect(walk(start, 4_096)).toEqual(all);
      expect(walk(start, 2)).toEqual(all.slice(0, 4));
      expect(walk(start, 4_096, 3)).toEqual(all.slice(0, 3));
      expect(walk({ partition: 1, bucket: 2, key: key('a') }, 4_096)).toEqual(all.slice(2));
      expect(walk({ partition: 1, bucket: 2, key: undefined }, 2)).toEqual(all.slice(1, 4));
      expect(walk({ partition: 1, bucket: 299, key: key('zzz') }, 3)).toEqual(all.slice(3, 5));
      expect(walk({ partition: 4_095, bucket: 0xffff, key: key('f') }, 4_096)).toEqual([]);
    });

    it('a visitor may read and write the engine, and its own error passes through', async () => {
      for (let i = 0; i < 10; i++) engine.put(0, 0, key(`k${i}`), fakeRecord(i));
      await commit(engine);
      const seen: string[] = [];
      engine.scan(0, 0, undefined, 100, (at, record) => {
        const copy = new Uint8Array(record);
        engine.put(0, 1, at, record);
        expect(new Uint8Array(engine.get(0, 0, at)!)).toEqual(copy);
        seen.push(text(at));
      });
      expect(seen).toHaveLength(10);
      expect(() =>
        engine.scan(0, 0, undefined, 100, () => {
          throw new Error('mine');
        }),
      ).toThrow('mine');
      await commit(engine);
      expect(engine.state.count).toBe(20);
    });

    it('close waits for commits in flight; a closed engine refuses with CLOSED', async () => {
      engine.put(0, 0, key('a'), fakeRecord(1));
      const done = commit(engine);
      await engine.close();
      await done;
      await expect(commit(engine)).rejects.toMatchObject({ code: 'CLOSED' });
      expect(() => engine.get(0, 0, key('a'))).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    });

    it('what was committed, with its state, is there after a reopen; an open batch is not', async () => {
      if (!made.persistent) return;
      engine.put(0, 0, key('a'), fakeRecord(1));
      await commit(engine, { generation: 4, confirmedSerial: 2 ** 40 });
      engine.put(0, 0, key('b'), fakeRecord(2));
      await engine.close();
      engine = await made.open();
      const root = contentCheckOf(fakeRecord(1));
      expect(engine.state).toEqual({ generation: 4, confirmedSerial: 2 ** 40, count: 1, root });
      expect(new Uint8Array(engine.get(0, 0, key('a'))!)).toEqual(fakeRecord(1));
      expect(engine.get(0, 0, key('b'))).toBeUndefined();
      engine.put(0, 0, key('a'), fakeRecord(3));
      await commit(engine);
      expect(engine.state).toMatchObject({ count: 1, root: contentCheckOf(fakeRecord(3)) });
    });
  });
}
