import { describe, expect, test } from 'vitest';
import { durationOf, probabilityOf } from '../../src/cli/durations.js';
import { backgroundLines, hintLines, treeLines } from '../../src/cli/repair-lines.js';
import { faultLines, statusScreen } from '../../src/cli/status-screen.js';
import type { ArmedLink, RingDescription, StoreStats, VnodeStats } from '../../src/client/api.js';

const NONE = { cut: false, drop: 0, duplicate: 0, reorder: 0, delayMs: 0, jitterMs: 0 };

const NO_HINTS = { waiting: 0, bytes: 0, oldestMs: 0, owners: [], delivered: 0, dropped: 0 };
const HEALTHY: Partial<VnodeStats> = {
  hints: NO_HINTS,
  trees: 'usable',
  inSyncMs: 1_200,
  repairKeysSent: 3,
  readRepairs: 2,
  scrub: { records: 20, damaged: 1, lastPassMs: 1_500 },
  background: { share: 1, foregroundP99Ms: 0, targetMs: 2, slices: 0, held: 0 },
};

function ring(suspectedBy: readonly string[]): RingDescription {
  const vnode = { state: 'serving', incarnation: 1, partitions: 16, suspectedBy: [] } as const;
  return {
    partitions: 64,
    epoch: 0x1a2b3c4d,
    nodes: [
      {
        id: 'n1',
        capacity: 2,
        vnodes: [
          { ...vnode, id: 'n1.0' },
          { ...vnode, id: 'n1.1', suspectedBy },
        ],
      },
      { id: 'n2', capacity: 1, vnodes: [{ ...vnode, id: 'n2.0', state: 'recovering', incarnation: 12 }] },
    ],
    preferenceLists: [],
  };
}

function stats(memberships: readonly number[], links: readonly ArmedLink[] = []): StoreStats {
  const none = { records: 0, bytes: 0, oldestMs: 0 };
  return {
    uptimeMs: 1,
    callers: 1,
    maxCallers: 16,
    vnodes: memberships.map((membership, i) => ({ ...HEALTHY, id: `n${i}.0`, membership }) as VnodeStats),
    faults: { allowed: true, links, disks: [] },
    atRisk: { processCrash: none, powerCut: none },
  };
}

describe('the screen of ringlet status', () => {
  test('is a table of the members', () => {
    expect(statusScreen(ring(['n2.0', 'caller 0']), stats([0xabc, 0xabc]))).toBe(
      `2 of 3 virtual nodes serve, on 2 nodes; 64 partitions, ring 1a2b3c4d

NODE  CAPACITY  VIRTUAL NODE  STATE       INCARNATION    SUSPECTED BY
n1    2         n1.0          serving     1
                n1.1          serving     1              n2.0, caller 0
n2    1         n2.0          recovering  12

Membership: all agree (00000abc)
Hints: none wait
Trees: usable; all peers were found equal within the last 2 s
Repair: 6 keys sent because trees differed, 4 merged after reads
Scrub: 40 records read again, 2 damaged; all were through within the last 2 s
Background work: not held back
Faults: allowed, no link or disk is broken
`,
    );
  });

  test('stays within 80 columns, whoever suspects and whatever is broken', () => {
    const names = Array.from({ length: 63 }, (_, i) => `n${i + 1}.0`);
    const links = names.map((to) => ({
      ...NONE,
      from: 'n64.0',
      to,
      drop: 0.015,
      duplicate: 0.1,
      reorder: 0.25,
      delayMs: 20,
      jitterMs: 5,
    }));
    const screen = statusScreen(ring(names), stats([1, 2, 2, 3], links));
    expect(screen.split('\n').filter((line) => line.length > 80)).toEqual([]);
    expect(screen).toContain('n1.0, n2.0, 61 more');
    expect(screen).toContain('3 views');
    expect(screen).toContain('00000002 at n1.0 and 1 more');
    expect(screen).toContain('drop 1.5 %, duplicate 10 %, reorder 25 %, delay 20–25 ms');
    expect(screen).toContain('and 51 more (--json)');
  });

  test('says what waits, for whom and how long, and whether trees can be trusted', () => {
    const given = stats([1, 1, 1]);
    const [a, b, c] = given.vnodes as [VnodeStats, VnodeStats, VnodeStats];
    const hints = { ...NO_HINTS, waiting: 12, bytes: 3_000, oldestMs: 4_500, owners: ['n1.0', 'n2.0'] };
    expect(hintLines({ ...given, vnodes: [{ ...a, hints }, b, c] })).toEqual([
      'Hints: 12 wait for owners that do not serve, or are on their way to them',
      '  n0.0 keeps 12 for n1.0, n2.0 (3 KiB, oldest 5 s)',
    ]);
    const many = Array.from({ length: 20 }, () => ({
      ...a,
      hints: { ...hints, owners: ['x', 'y', 'z', 'w'] },
    }));
    expect(hintLines({ ...given, vnodes: many }).at(-1)).toBe('  and 12 more (--json)');
    expect(treeLines({ ...given, vnodes: [{ ...a, inSyncMs: null }, b, c] })[0]).toBe(
      'Trees: usable; not compared yet, or n = 1: n0.0',
    );
    expect(treeLines({ ...given, vnodes: [{ ...a, trees: 'rebuilding' }, b, c] })[0]).toBe(
      'Trees: rebuilding at n0.0',
    );
  });

  test('says where background work is held back most, and for what', () => {
    const given = stats([1, 1, 1]);
    const at = (vnode: VnodeStats, share: number): VnodeStats => ({
      ...vnode,
      background: { share, foregroundP99Ms: 3.14, targetMs: 2, slices: 0, held: 0 },
    });
    const [a, b, c] = given.vnodes as [VnodeStats, VnodeStats, VnodeStats];
    expect(backgroundLines({ ...given, vnodes: [a, at(b, 0.5), at(c, 0.125)] })).toEqual([
      'Background work: held back for requests at n1.0, n2.0',
      '  most at n2.0: 13 % of its time, at a p99 of 3.1 ms',
    ]);
  });

  test('says of faults whether they are allowed', () => {
    expect(faultLines({ allowed: false, links: [], disks: [] })).toEqual(['Faults: not allowed']);
    expect(
      faultLines({
        allowed: true,
        links: [{ ...NONE, from: 'n1.0', to: 'callers', cut: true }],
        disks: [],
      })[1],
    ).toMatch(/^ {2}n1\.0 → callers +cut$/);
    const disk = { at: 'n1.0', slowMs: 50, full: true, failSync: true };
    expect(faultLines({ allowed: true, links: [], disks: [disk] })).toEqual([
      'Faults: 1 disks are broken',
      '  n1.0                  50 ms slower, full, syncs fail',
    ]);
  });
});

test('times and probabilities of flags', () => {
  const seconds = durationOf('for');
  expect(['250ms', '3s', '1.5s', '2m', '1h'].map(seconds)).toEqual([250, 3_000, 1_500, 120_000, 3_600_000]);
  const share = probabilityOf('drop');
  expect(['0', '0.1', '10%', '2.5%', '1'].map(share)).toEqual([0, 0.1, 0.1, 0.025, 1]);
  for (const wrong of ['', '3', '-1s', '1d', 's', '1e3s'])
    expect(() => seconds(wrong)).toThrowError(expect.objectContaining({ code: 'USAGE' }));
  for (const wrong of ['', '1.1', '101%', '-0.1', 'all'])
    expect(() => share(wrong)).toThrowError(expect.objectContaining({ code: 'USAGE' }));
});
