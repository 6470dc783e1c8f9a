import { expect, test } from 'vitest';
import { Cluster } from '../shard/cluster.js';
import { openSmall } from './support.js';

/**
 * V8 keeps an object literal that has an accessor as a hash table, in which requests look up each of its
 * fields anew. Classes may have accessors: those are the prototype's.
 */
function accessorsIn(root: object): string[] {
  const found: string[] = [];
  const seen = new Set<object>();
  const walk = (object: object, path: string): void => {
    if (seen.has(object) || ArrayBuffer.isView(object) || object.constructor?.name === 'Cluster') return;
    seen.add(object);
    for (const [name, { get, value }] of Object.entries(Object.getOwnPropertyDescriptors(object))) {
      if (get !== undefined) found.push(`${path}.${name}`);
      else if (typeof value === 'object' && value !== null) walk(value as object, `${path}.${name}`);
    }
  };
  walk(root, '');
  return found;
}

test('no object that a caller or a virtual node keeps for its requests has an accessor of its own', async () => {
  const store = await openSmall('memory');
  await store.put('key', 'value');
  const { connection } = store as unknown as {
    connection: { machine: object; frames: object; direct: object };
  };
  for (const part of ['machine', 'frames', 'direct'] as const)
    expect(accessorsIn(connection[part]), part).toEqual([]);
  const [vnode] = new Cluster(3, 3).vnodes;
  expect(accessorsIn(vnode!.node!)).toEqual([]);
});
