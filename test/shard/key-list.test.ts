import { expect, it } from 'vitest';
import { KeyList } from '../../src/shard/key-list.js';

it('a list is not worth keeping after thousands of new keys, even if it was empty: it would hold each key that comes and goes', () => {
  for (const listed of [0, 3]) {
    const list = new KeyList();
    const add = (i: number): void =>
      list.add({ bucket: 1, key: new Uint8Array([i & 0xff, i >>> 8]), hash: i });
    for (let i = 0; i < listed; i++) add(i);
    expect(list.ordered()).toHaveLength(listed);
    for (let i = 0; i < 8_192; i++) add(i);
    expect(list.outgrown).toBe(false);
    add(8_192);
    expect(list.outgrown).toBe(true);
  }
});
