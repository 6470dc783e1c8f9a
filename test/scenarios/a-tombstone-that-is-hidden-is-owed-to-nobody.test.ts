import { expect, it } from 'vitest';
import type { SimKey, Write } from '../../src/sim/history.js';
import { RebuildCheck } from '../../src/sim/rebuild-check.js';
import type { World } from '../../src/sim/world.js';
import { encodeRecord } from '../../src/storage/record-codec.js';
import { KIND_PLAIN } from '../../src/storage/record.js';

/**
 * What was wrong was the check: two owners hid a tombstone, since all had agreed that nothing older is anywhere.
 * A third, which had lost its data, compared its trees with theirs, was found equal, and counted as rebuilt; just
 * before, one of the two had made its trees anew, and the tombstone counted in them again.
 */
function worldOf(): { world: World; violations: string[]; hides: Set<number> } {
  const place = { hash: 1, partition: 0, bucket: 1 };
  const deleted = { deleted: true, time: 1, bytes: new Uint8Array(0), contentType: '' };
  const clock = [{ actor: 9, n: 1, values: [deleted as never] }];
  const { words } = encodeRecord(place, new Uint8Array([107]), KIND_PLAIN, clock);
  const copy = { words: words.slice(), at: 0 };
  const key = { name: 'k', bucket: { number: 1 }, stored: {} } as unknown as SimKey;
  const write = { id: 1, key, actor: 9, n: 1, outcome: 'acknowledged', isDelete: true, by: 0 } as Write;
  key.writes?.push(write);
  const violations: string[] = [];
  const hides = new Set<number>();
  const trees = (vnode: number): object => ({ node: { trees: { hides: () => hides.has(vnode) } } });
  const world = {
    history: { keys: new Map([['k', Object.assign(key, { writes: [write] })]]) },
    process: { memory: { isWhole: () => true }, threads: [0, 1, 2].map(trees) },
    owners: () => [0, 1, 2],
    copyAt: (vnode: number) => (vnode === 2 ? undefined : copy),
    violation: (text: string) => void violations.push(text),
  } as unknown as World;
  return { world, violations, hides };
}

it('a virtual node is rebuilt without a tombstone that every owner had hidden since', () => {
  const { world, violations } = worldOf();
  const check = new RebuildCheck(world);
  check.lost(2);
  const [key] = world.history.keys.values();
  for (const owner of [0, 1]) check.hidden(owner, key!);
  check.whole(2);
  expect(violations).toEqual([]);
});

it('one that an owner has given to whoever asked is owed', () => {
  const { world, violations, hides } = worldOf();
  const check = new RebuildCheck(world);
  check.lost(2);
  const [key] = world.history.keys.values();
  check.hidden(0, key!);
  hides.add(0);
  check.whole(2);
  expect(violations).toEqual([expect.stringContaining('without delete #1 of k (bucket 1), which 1 has had')]);
});
