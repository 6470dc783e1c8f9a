import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Fault, HostStore } from '../../src/client/api.js';
import type { Random } from '../../src/sim/random.js';
import type { SmallDisk } from './disk.js';

/** The node whose disk can be filled. */
export const DISK_NODE = 'n5';

/** What a run may break. */
export interface Target {
  readonly store: HostStore;
  readonly data: string;
  /** Those that are members now. */
  readonly nodes: readonly string[];
  /** Of {@link DISK_NODE}. */
  readonly disk: SmallDisk | undefined;
  readonly random: Random;
}

/** Begins; returns how long it lasts. */
type Breaking = (target: Target) => number;

/** What happens to one node while all others are well. */
export const OF_ONE_NODE: Readonly<Record<string, Breaking>> = {
  crash: ({ store, nodes, random }) => {
    inject(store, { kind: 'crash', at: random.pick(nodes), how: random.pick(['throw', 'exit']) });
    return 500;
  },
  'stopped for 2 s': ({ store, nodes, random }) => {
    inject(store, { kind: 'stop', at: random.pick(nodes), forMs: 2_000 });
    return 2_500;
  },
  'hangs for 2 s': ({ store, nodes, random }) => {
    inject(store, { kind: 'hang', at: random.pick(nodes), forMs: 2_000 });
    return 2_500;
  },
  'cut off for 2 s': ({ store, nodes, random }) => {
    inject(store, { kind: 'link', from: random.pick(nodes), to: 'all', cut: true, forMs: 2_000 });
    return 2_500;
  },
  'data deleted': ({ store, data, nodes, random }) => {
    const { vnodes } = store.stats();
    const { id } = random.pick(vnodes.filter((one) => !one.id.startsWith(DISK_NODE)));
    const node = nodes.find((name) => id.startsWith(`${name}.`));
    // One at a time: what is being rebuilt needs the others.
    if (node !== undefined && vnodes.every(({ state }) => state === 'serving'))
      rmSync(join(data, 'nodes', node, id), { recursive: true });
    return 5_000;
  },
  'disk full for 2 s': ({ disk }) => {
    disk?.fill();
    setTimeout(() => disk?.free(), 2_000).unref();
    return 3_000;
  },
};

/** What may happen at any time, several at once. */
const ANYTHING: readonly Breaking[] = [
  ({ store, nodes, random }) => {
    inject(store, { kind: 'crash', at: random.pick(nodes), how: random.pick(['throw', 'exit']) });
    return 0;
  },
  ({ store, nodes, random }) => {
    inject(store, { kind: 'stop', at: random.pick(nodes), forMs: random.between(100, 2_000) });
    return 0;
  },
  ({ store, nodes, random }) => {
    inject(store, { kind: 'hang', at: random.pick(nodes), forMs: random.between(50, 2_000) });
    return 0;
  },
  ({ store, nodes, random }) => {
    const forMs = random.between(200, 2_500);
    const oneWay = random.chance(0.4);
    inject(store, {
      kind: 'link',
      from: random.pick(nodes),
      to: random.pick(['all', 'callers', ...nodes]),
      cut: true,
      oneWay,
      forMs,
    });
    return 0;
  },
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
    return 0;
  },
  ({ store, nodes, random }) => {
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
    });
    return 0;
  },
  ({ disk, random }) => {
    disk?.fill();
    setTimeout(() => disk?.free(), random.between(300, 2_500)).unref();
    return 0;
  },
];

export function breakAnything(target: Target): void {
  target.random.pick(ANYTHING)(target);
}

/** Nothing is done to who is down already. */
function inject(store: HostStore, fault: Fault): void {
  try {
    store.faults.inject(fault);
  } catch (error) {
    if ((error as { code?: string }).code !== 'BAD_REQUEST') throw error;
  }
}
