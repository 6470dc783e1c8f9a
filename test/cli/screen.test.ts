import { expect, test } from 'vitest';
import { inspectionScreen } from '../../src/cli/inspect.js';
import { startScreen } from '../../src/cli/screen.js';
import type { RingDescription, StartupReport } from '../../src/client/api.js';
import { resolveSettings } from '../../src/config/resolve.js';

const fresh: StartupReport = {
  fresh: true,
  cleanShutdown: false,
  recoveryMs: 0,
  recoveredRecords: 0,
  totalMs: 99.6,
  rebuilding: [],
};

function ring(nodes: number, partitions: number): RingDescription {
  const id = (i: number): string => `n${(i % nodes) + 1}.0`;
  return {
    partitions,
    epoch: 1,
    nodes: Array.from({ length: nodes }, (_, i) => ({
      id: `n${i + 1}`,
      capacity: i === 0 ? 2 : 1,
      vnodes: [
        { id: id(i), state: 'serving', incarnation: 1, partitions: partitions / nodes, suspectedBy: [] },
      ],
    })),
    preferenceLists: Array.from({ length: partitions }, (_, i) => [id(i), id(i + 1)]),
  };
}

function screen(
  flags: Record<string, string>,
  startup: Partial<StartupReport> = {},
  shape = ring(4, 8),
  resp?: string,
): string {
  const { settings } = resolveSettings(flags, {});
  const address = 'http://127.0.0.1:1';
  return startScreen({
    version: '1.2.3',
    settings,
    ring: shape,
    startup: { ...fresh, ...startup },
    address,
    adminAddress: address,
    resp,
    guarded: false,
  });
}

test('the ring is drawn by first owners, with capacities and shares', () => {
  const text = screen({});
  expect(text).toContain('4 nodes, 4 virtual nodes, 8 partitions');
  expect(text).toContain('n1  capacity 2, 2 partitions (n1.0)');
  expect(text).toContain('[12341234] first owner by partition');
  expect(text).toMatch(/\n\nready http:\/\/127\.0\.0\.1:1\n$/);
  expect(screen({}, {}, ring(4, 8), 'resp://[::1]:2')).toMatch(
    /redis-cli -p 2\n\nready http:\/\/127\.0\.0\.1:1 resp:\/\/\[::1\]:2\n$/,
  );
});

test('a large ring still fits on a screen', () => {
  const lines = screen({}, {}, ring(64, 4_096)).split('\n');
  expect(lines.length).toBeLessThan(26);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(150);
});

test.each([
  [{ durability: 'buffered', flushMs: '5' }, 'a killed process at most the last 5 ms of writes'],
  [{ durability: 'committed' }, 'a killed process neither (in 2 journals before the answer)'],
  [{ durability: 'durable', nodes: '1' }, 'nothing acknowledged: synced to 1 journal before the answer'],
  [{ engine: 'memory' }, 'everything when the process ends'],
  [{ http: '0.0.0.0:1' }, 'WARNING: open to the network, and nobody has to show a token'],
])('%j says what it risks', (flags, words) => {
  expect(screen(flags)).toContain(words);
});

test('nothing is warned of on loopback', () => {
  expect(screen({ http: '[::1]:1' })).not.toContain('WARNING');
});

test.each([
  [{}, 'new data directory; up after 100 ms'],
  [{ fresh: false, cleanShutdown: true }, 'continued after a clean stop'],
  [
    { fresh: false, recoveredRecords: 1, recoveryMs: 12.4 },
    'recovered 1 record after an unclean stop in 12 ms',
  ],
])('%j says how the start went', (startup, words) => {
  expect(screen({}, startup)).toContain(words);
});

test('a fallback that serves, and that nobody asked about a key, is not said to be silent', () => {
  const fallback = {
    vnode: 'n4.0',
    node: 'n4',
    state: 'serving',
    suspectedBy: [],
    owner: false,
    answer: 'none',
    versions: [],
  } as const;
  const screen = inspectionScreen('k', {
    bucket: 'b',
    partition: 0,
    n: 3,
    r: 2,
    degraded: false,
    deleted: false,
    siblings: [],
    timeline: [],
    preferenceList: [fallback],
  });
  expect(screen).toMatch(/^n4\.0 +fallback +serving +not asked, or no answer$/m);
});
