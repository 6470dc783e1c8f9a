import type { Fault, HostStore } from '../../src/client/api.js';
import type { Random } from '../../src/sim/random.js';
import type { SmallDisk } from './disk.js';
import type { Losses } from './losses.js';

/** The node whose disk can be filled. */
export const DISK_NODE = 'n5';

/** What a run may break. */
export interface Target {
  readonly store: HostStore;
  /** Those that are members now. */
  readonly nodes: readonly string[];
  /** Of {@link DISK_NODE}; without one a full disk is an injected fault. */
  readonly disk: SmallDisk | undefined;
  readonly losses: Losses;
  readonly random: Random;
}

/** Begins; returns how long it lasts, or undefined where it may not be done now. */
type Breaking = (target: Target) => number | undefined;

/** What happens to one node while all others are well. */
export const OF_ONE_NODE: Readonly<Record<string, Breaking>> = {
  crash: ({ store, nodes, random }) => {
    inject(store, { kind: 'crash', at: random.pick(nodes), how: random.pick(['throw', 'exit']) });
    return 500;
  },
  'cut off for 2 s': ({ store, nodes, random }) => {
    inject(store, { kind: 'link', from: random.pick(nodes), to: 'all', cut: true, forMs: 2_000 });
    return 2_500;
  },
  'data deleted': (target) => (deleteSomething(target) ? 4_000 : undefined),
  'hangs for 2 s': ({ store, nodes, random }) => {
    inject(store, { kind: 'hang', at: random.pick(nodes), forMs: 2_000 });
    return 2_500;
  },
  'disk full for 2 s': (target) => {
    fillDisk(target, 2_000);
    return 2_500;
  },
  'stopped for 2 s': ({ store, nodes, random }) => {
    inject(store, { kind: 'stop', at: random.pick(nodes), forMs: 2_000 });
    return 2_500;
  },
  'data damaged': (target) => (damageSomething(target) ? 2_500 : undefined),
  'syncs fail for 2 s': ({ store, nodes, random }) => {
    inject(store, { kind: 'disk', at: random.pick(nodes), failSync: true, forMs: 2_000 });
    return 2_500;
  },
};

/** What may happen at any time, several at once. */
const ANYTHING: readonly ((target: Target) => void)[] = [
  ({ store, nodes, random }) =>
    inject(store, { kind: 'crash', at: random.pick(nodes), how: random.pick(['throw', 'exit']) }),
  ({ store, nodes, random }) =>
    inject(store, { kind: 'stop', at: random.pick(nodes), forMs: random.between(100, 2_000) }),
  ({ store, nodes, random }) =>
    inject(store, { kind: 'hang', at: random.pick(nodes), forMs: random.between(50, 2_000) }),
  ({ store, nodes, random }) =>
    inject(store, {
      kind: 'link',
      from: random.pick(nodes),
      to: random.pick(['all', 'callers', ...nodes]),
      cut: true,
      oneWay: random.chance(0.4),
      forMs: random.between(200, 2_500),
    }),
  // A partition: some nodes on one side, the others on the other.
  ({ store, nodes, random }) => {
    const forMs = random.between(200, 2_000);
    const side = nodes.map(() => random.chance(0.4));
    nodes.forEach((from, i) =>
      nodes.forEach((to, j) => {
        if (side[i] === true && side[j] === false)
          inject(store, { kind: 'link', from, to, cut: true, forMs });
      }),
    );
  },
  ({ store, nodes, random }) =>
    inject(store, {
      kind: 'link',
      from: random.pick(['all', ...nodes]),
      to: 'all',
      drop: random.between(0, 0.1),
      duplicate: random.between(0, 0.3),
      reorder: random.between(0, 0.3),
      delayMs: random.between(0, 3),
      jitterMs: random.between(0.1, 20),
      forMs: random.between(300, 2_500),
    }),
  (target) => fillDisk(target, target.random.between(300, 2_500)),
  ({ store, nodes, random }) =>
    inject(store, {
      kind: 'disk',
      at: random.pick(nodes),
      ...(random.chance(0.5) ? { failSync: true } : { slowMs: random.between(1, 50) }),
      forMs: random.between(300, 2_500),
    }),
  (target) => void deleteSomething(target),
  (target) => void damageSomething(target),
];

export function breakAnything(target: Target): void {
  target.random.pick(ANYTHING)(target);
}

function fillDisk({ store, disk }: Target, forMs: number): void {
  if (disk === undefined) {
    inject(store, { kind: 'disk', at: DISK_NODE, full: true, forMs });
    return;
  }
  disk.fill();
  setTimeout(() => disk.free(), forMs).unref();
}

function deleteSomething({ store, losses }: Target): boolean {
  const at = losses.toDelete();
  if (at !== undefined) inject(store, { kind: 'delete', at });
  return at !== undefined;
}

function damageSomething({ store, losses }: Target): boolean {
  const at = losses.toDamage();
  if (at !== undefined) inject(store, { kind: 'corrupt', at });
  return at !== undefined;
}

/** Nothing is done to who is down already, or has left. */
function inject(store: HostStore, fault: Fault): void {
  try {
    store.faults.inject(fault);
  } catch (error) {
    if ((error as { code?: string }).code !== 'BAD_REQUEST') throw error;
  }
}
