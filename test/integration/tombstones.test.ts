import { join } from 'node:path';
import { expect, it } from 'vitest';
import { LONG, openSmall, temporary, until } from './support.js';

type OpenStore = Awaited<ReturnType<typeof openSmall>>;

const KEYS = 300;
/** Twice the life of a frame, and a busy machine. */
const REAPED_MS = 90_000;

const reaped = (store: OpenStore): number =>
  store.stats().vnodes.reduce((sum, vnode) => sum + vnode.reaped, 0);

it.skipIf(!LONG)(
  'deleted keys leave the files of all owners, and stay away after a restart (lmdb; takes 25 s: three rounds, two lives of a frame)',
  { timeout: 2 * REAPED_MS },
  async () => {
    const data = join(temporary(), 'data');
    const first = await openSmall('lmdb', { data });
    await first.put('stays', 'v', { w: 3 });
    for (let i = 0; i < KEYS; i++) {
      const { context } = await first.put(`k${i}`, 'v', { w: 3 });
      await first.delete(`k${i}`, { context, w: 3 });
    }
    await until('all are reaped', () => reaped(first) === 3 * KEYS, REAPED_MS);
    // The gauge is published with the next turn.
    await until('none waits', () => first.stats().vnodes.every(({ tombstones }) => tombstones === 0));
    expect(await first.get('k1', { r: 3 })).toMatchObject({ found: false, siblings: [] });
    expect((await first.get('k1', { r: 3 })).context).toBeUndefined();
    // The same actor goes on after a clean stop, and must not make its dots again.
    await first.close();
    const again = await openSmall('lmdb', { data });
    const before = await again.get('k2', { r: 3 });
    expect(before.context).toBeUndefined();
    await again.put('k2', 'new', { w: 3 });
    expect((await again.get('k2', { r: 3 })).siblings).toHaveLength(1);
    let keys = 0;
    for await (const entry of again.scan({})) keys += entry.siblings.length;
    expect(keys).toBe(2);
  },
);
