import fc from '../properties.js';
import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import {
  allocateShared,
  RING_HEADER_BYTES,
  SharedLayout,
  STORE_CLOCK,
  VNODE_WORDS,
  type SharedShape,
} from '../../src/messaging/layout.js';

interface Block {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

function expectApart(blocks: Block[], end: number): void {
  blocks.sort((a, b) => a.from - b.from);
  let last: Block = { name: 'start', from: 0, to: 0 };
  for (const block of blocks) {
    if (block.from < last.to)
      expect.fail(`${block.name} (${block.from}) overlaps ${last.name} (ends at ${last.to})`);
    last = block;
  }
  expect(last.to).toBeLessThanOrEqual(end);
}

const shapes: fc.Arbitrary<SharedShape> = fc.record({
  vnodes: fc.integer({ min: 1, max: 24 }),
  callers: fc.integer({ min: 0, max: 40 }),
  claimsPerCaller: fc.nat(200),
  callerRingBytes: fc.integer({ min: 12, max: 20 }).map((bits) => 1 << bits),
  vnodeRingBytes: fc.integer({ min: 12, max: 20 }).map((bits) => 1 << bits),
});

describe('shared memory', () => {
  test('no two blocks of the control words overlap, each begins a cache line, and all lie within', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const layout = new SharedLayout(shape);
        const blocks: Block[] = [{ name: 'store', from: 0, to: STORE_CLOCK + 2 }];
        const add = (name: string, from: number, words: number): void => {
          if (from % 16 !== 0) expect.fail(`${name} begins at ${from}`);
          blocks.push({ name, from, to: from + words });
        };
        for (let v = 0; v < shape.vnodes; v++) add(`vnode ${v}`, layout.vnodeWord(v), VNODE_WORDS);
        for (let p = 0; p < layout.parties; p++) add(`doorbell ${p}`, layout.doorbellWord(p), 16);
        for (let c = 0; c < shape.callers; c++) {
          add(`caller ${c}`, layout.callerWord(c), 16);
          for (const slot of new Set([0, shape.claimsPerCaller - 1])) {
            if (slot < 0 || slot >= shape.claimsPerCaller) continue;
            blocks.push({
              name: `claim ${c}.${slot}`,
              from: layout.claimWord(c, slot),
              to: layout.claimWord(c, slot) + 1,
            });
          }
        }
        add('buckets', layout.bucketWord(0), LIMITS.buckets + 1);
        expectApart(blocks, layout.controlBytes / 4);
      }),
    );
  });

  test('no two rings overlap, all are aligned to a cache line, and together they fill the memory', () => {
    fc.assert(
      fc.property(shapes, (shape) => {
        const layout = new SharedLayout(shape);
        const rings: Block[] = [];
        for (let from = 0; from < layout.parties; from++) {
          for (let to = 0; to < layout.parties; to++) {
            if (from === to || (!layout.isVnode(from) && !layout.isVnode(to))) continue;
            const at = layout.ringAt(from, to);
            if (at % 64 !== 0) expect.fail(`${from} → ${to} begins at ${at}`);
            rings.push({
              name: `${from} → ${to}`,
              from: at,
              to: at + RING_HEADER_BYTES + layout.ringBytes(from, to),
            });
          }
        }
        expectApart(rings, layout.ringsBytes);
        expect(rings.reduce((sum, { from, to }) => sum + to - from, 0)).toBe(layout.ringsBytes);
      }),
    );
  });

  test('refuses rings of other sizes than powers of two, and rings where there are none', () => {
    const shape: SharedShape = {
      vnodes: 2,
      callers: 2,
      claimsPerCaller: 16,
      callerRingBytes: 4_096,
      vnodeRingBytes: 4_096,
    };
    for (const bytes of [0, 2_048, 4_097, 6_000]) {
      expect(() => new SharedLayout({ ...shape, callerRingBytes: bytes })).toThrow('powers of two');
    }
    const layout = new SharedLayout(shape);
    expect(() => layout.ringAt(1, 1)).toThrow('itself');
    expect(() => layout.ringAt(2, 3)).toThrow('callers');
    const shared = allocateShared(shape);
    expect(shared.rings.byteLength).toBe(layout.ringsBytes);
    expect(shared.control.byteLength).toBe(layout.controlBytes);
  });
});
