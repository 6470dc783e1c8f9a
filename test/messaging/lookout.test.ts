import { expect, test } from 'vitest';
import { STATE_SERVING, SharedLayout, allocateShared } from '../../src/messaging/layout.js';
import { Lookout } from '../../src/messaging/lookout.js';
import { setVnodeState } from '../../src/messaging/reader-epoch.js';
import type { Endpoint } from '../../src/messaging/transport.js';

/** Virtual node 0 of three, the other two asleep; a look takes 10 µs of an invented clock. */
function bed(cores: number, looks: (look: number) => boolean) {
  const shared = allocateShared({
    vnodes: 3,
    callers: 1,
    claimsPerCaller: 16,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
  const layout = new SharedLayout(shared.shape);
  const control = new Int32Array(shared.control);
  const awake = (vnode: number, is: boolean): void => {
    Atomics.store(control, layout.doorbellWord(vnode), is ? 0 : 1);
  };
  for (const vnode of [0, 1, 2]) setVnodeState(control, layout, vnode, STATE_SERVING);
  awake(1, false);
  awake(2, false);
  const world = { looks: 0, nowMs: 1 };
  const endpoint = {
    party: 0,
    idle: () => {
      world.nowMs += 0.01;
      return looks(++world.looks);
    },
  } as unknown as Endpoint;
  const lookout = new Lookout(control, layout, endpoint, () => world.nowMs, cores);
  return { lookout, world, awake };
}

test('a frame that comes within some microseconds is met without a sleep', () => {
  const { lookout, world } = bed(2, (look) => look < 4);
  expect(lookout.spots()).toBe(true);
  expect(world.looks).toBe(4);
});

test('it looks for 50 µs, and where nothing comes for long it looks but seldom', () => {
  const { lookout, world } = bed(2, () => true);
  expect(lookout.spots()).toBe(false);
  expect(world.looks).toBe(5);
  for (let i = 0; i < 100; i++) lookout.spots();
  world.looks = 0;
  for (let i = 0; i < 640; i++) lookout.spots();
  expect(world.looks).toBe(50);
});

test('there is no looking with one core, nor while another virtual node may need the second', () => {
  expect(bed(1, () => false).lookout.spots()).toBe(false);
  const { lookout, awake } = bed(2, () => false);
  awake(2, true);
  expect(lookout.spots()).toBe(false);
  awake(2, false);
  expect(lookout.spots()).toBe(true);
});

test('with three cores one other may be awake, with four both', () => {
  const three = bed(3, () => false);
  three.awake(1, true);
  expect(three.lookout.spots()).toBe(true);
  three.awake(2, true);
  expect(three.lookout.spots()).toBe(false);
  const four = bed(4, () => false);
  four.awake(1, true);
  four.awake(2, true);
  expect(four.lookout.spots()).toBe(true);
});

test('it ends as soon as another virtual node is rung, and learns nothing from that', () => {
  const one = bed(2, (look) => {
    if (look === 2) one.awake(1, true);
    return true;
  });
  for (let i = 0; i < 100; i++) {
    one.world.looks = 0;
    one.awake(1, false);
    expect(one.lookout.spots()).toBe(false);
    expect(one.world.looks).toBe(2);
  }
});
