import { describe, expect, test } from 'vitest';
import { checkFault, linkFaultOf, sidesNamed, vnodesNamed } from '../../src/host/fault-request.js';
import { buildRing } from '../../src/ring/ring.js';

const nodes = [1, 2].map((i) => ({ id: `n${i}`, capacity: 1, vnodes: 2 }));
const ring = buildRing({ nodes, partitions: 8, spacing: 2 });

describe('a fault that somebody asks for', () => {
  test.each([
    { kind: 'crash', at: 'n1' },
    { kind: 'crash', at: 'n1.0', how: 'exit' },
    { kind: 'hang', at: 'n1.0' },
    { kind: 'hang', at: 'n1.0', forMs: 86_400_000 },
    { kind: 'stop', at: 'n1', forMs: 1 },
    { kind: 'disk', at: 'n1', slowMs: 50, forMs: 30_000 },
    { kind: 'disk', at: 'n1.0', full: true, failSync: true },
    { kind: 'corrupt', at: 'n1.0' },
    { kind: 'delete', at: 'n1' },
    { kind: 'link', from: 'n1', to: 'all', cut: true, oneWay: true, forMs: 5 },
    {
      kind: 'link',
      from: 'n1',
      to: 'n2',
      drop: 1,
      duplicate: 0,
      reorder: 0.5,
      delayMs: 60_000,
      jitterMs: 0.5,
    },
  ])('is taken: %j', (fault) => {
    expect(checkFault(fault)).toBe(fault);
  });

  test.each([
    [undefined, 'fault', 'nothing'],
    [[], 'fault', '[]'],
    [{}, 'kind', 'nothing'],
    [{ kind: 'toString' }, 'kind', 'toString'],
    [{ kind: 'crash' }, 'at', 'nothing'],
    [{ kind: 'crash', at: 7 }, 'at', '7'],
    [{ kind: 'crash', at: 'n1', how: 'heap' }, 'how', 'heap'],
    [{ kind: 'crash', at: 'n1', forMs: 5 }, 'forMs', '5'],
    [{ kind: 'hang', at: 'n1', forMs: 0 }, 'forMs', '0'],
    [{ kind: 'hang', at: 'n1', forMs: 86_400_001 }, 'forMs', '86400001'],
    [{ kind: 'hang', at: 'n1', forMs: '3s' }, 'forMs', '3s'],
    [{ kind: 'stop', at: 'n1' }, 'forMs', 'nothing'],
    [{ kind: 'stop', at: 'n1', forMs: Number.NaN }, 'forMs', 'NaN'],
    [{ kind: 'disk', at: 'n1' }, 'fault', 'a disk without a fault'],
    [{ kind: 'disk', at: 'n1', slowMs: 60_001 }, 'slowMs', '60001'],
    [{ kind: 'disk', at: 'n1', full: 'yes' }, 'full', 'yes'],
    [{ kind: 'delete', at: 'n1', forMs: 5 }, 'forMs', '5'],
    [{ kind: 'link', from: 'n1', to: 'n2' }, 'fault', 'a link without a fault'],
    [{ kind: 'link', from: 'n1', to: 'n2', drop: 0 }, 'fault', 'a link without a fault'],
    [{ kind: 'link', from: 'n1', to: 'n2', drop: 1.1 }, 'drop', '1.1'],
    [{ kind: 'link', from: 'n1', to: 'n2', delayMs: 60_001 }, 'delayMs', '60001'],
    [{ kind: 'link', from: 'n1', to: 'n2', cut: 1 }, 'cut', '1'],
    [{ kind: 'link', from: 'n1', to: 'n2', dropp: 1 }, 'dropp', '1'],
    [{ kind: 'link', from: 'n1', cut: true }, 'to', 'nothing'],
  ])('is refused with the field and what was given: %j', (fault, field, given) => {
    expect(() => checkFault(fault)).toThrowError(
      expect.objectContaining({ code: 'BAD_REQUEST', details: expect.objectContaining({ field, given }) }),
    );
  });

  test('names stand for a virtual node, a node, the callers or all; others are refused', () => {
    expect(vnodesNamed(ring, 'at', 'n2')).toEqual([2, 3]);
    expect(vnodesNamed(ring, 'at', 'n1.1')).toEqual([1]);
    expect(sidesNamed(ring, 'from', 'callers', 4)).toEqual([4]);
    expect(sidesNamed(ring, 'from', 'all', 4)).toEqual([0, 1, 2, 3, 4]);
    for (const name of ['n3', 'n1.2', '', 'callers', 'all', '__proto__']) {
      expect(() => vnodesNamed(ring, 'at', name)).toThrowError(
        expect.objectContaining({
          code: 'BAD_REQUEST',
          details: expect.objectContaining({ field: 'at', given: name }),
        }),
      );
    }
  });

  test('what is not said of a link is as it was', () => {
    expect(linkFaultOf({ kind: 'link', from: 'n1', to: 'n2', drop: 0.25 })).toEqual({
      cut: false,
      drop: 0.25,
      duplicate: 0,
      reorder: 0,
      delayMs: 0,
      jitterMs: 0,
    });
  });
});
