import { nowMs, sleep } from '../measure/clock.js';
import type { HostStore, VnodeStats } from '../../src/index.js';

export type WorkName = 'nothing' | 'transfer' | 'handoff' | 'repair';

/** A time in which a kind of work was under way, on the clock of measure/clock.ts. */
export interface Stretch {
  /** `start`: the threads of a joiner start, before anything is handed over to it. */
  readonly part: WorkName | 'start';
  readonly fromMs: number;
  readonly toMs: number;
  /** Copies of keys that came where they belong. */
  readonly keys: number;
}

/** Background work that a store does when it is made to. */
export interface BackgroundWork {
  /** Before the clock starts; `fill` writes every key once. */
  prepare(store: HostStore, fill: () => Promise<void>): Promise<void>;
  /** Has it done until it is done. */
  run(store: HostStore): Promise<readonly Stretch[]>;
  /** Whether it can be had again and again. */
  readonly repeats: boolean;
}

/** Between two looks at how far it is, ms. */
const LOOK_MS = 10;
const AWAY_MS = 600_000;
const JOINER = 'joiner';
const VICTIM = 'n1';

export const WORKS: Readonly<Record<WorkName, BackgroundWork>> = {
  nothing: {
    repeats: false,
    prepare: () => Promise.resolve(),
    run: () => Promise.resolve([]),
  },
  /** A node joins; the next time it leaves. */
  transfer: {
    repeats: true,
    prepare: () => Promise.resolve(),
    async run(store) {
      const beganMs = nowMs();
      const isMember = store.ring().nodes.some(({ id }) => id === JOINER);
      await (isMember ? store.members.leave(JOINER) : store.members.join({ node: JOINER }));
      const fromMs = nowMs();
      const progress = await store.members.finished();
      return [
        { part: 'start', fromMs: beganMs, toMs: fromMs, keys: 0 },
        { part: 'transfer', fromMs, toMs: nowMs(), keys: progress?.keys ?? 0 },
      ];
    },
  },
  /** Every key was written anew while a node was away. */
  handoff: {
    repeats: false,
    async prepare(store, fill) {
      store.faults.inject({ kind: 'stop', at: VICTIM, forMs: AWAY_MS });
      await until(() => stateOf(store) === 'stopped');
      await fill();
    },
    async run(store) {
      const delivered = (): number => sum(store, ({ hints }) => hints.delivered);
      const before = delivered();
      store.faults.clear();
      await until(() => stateOf(store) === 'serving');
      const fromMs = nowMs();
      await until(() => sum(store, ({ hints }) => hints.waiting) === 0);
      return [{ part: 'handoff', fromMs, toMs: nowMs(), keys: delivered() - before }];
    },
  },
  /** A node has lost its files, and its peers give it back what it had. */
  repair: {
    repeats: false,
    prepare: () => Promise.resolve(),
    async run(store) {
      store.faults.inject({ kind: 'delete', at: VICTIM });
      await until(() => stateOf(store) === 'rebuilding');
      const fromMs = nowMs();
      await until(() => stateOf(store) === 'serving');
      const keys = sum(store, ({ id, keys: held }) => (id === `${VICTIM}.0` ? held : 0));
      return [{ part: 'repair', fromMs, toMs: nowMs(), keys }];
    },
  },
};

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(LOOK_MS);
}

function stateOf(store: HostStore): string | undefined {
  return store.stats().vnodes.find(({ id }) => id === `${VICTIM}.0`)?.state;
}

function sum(store: HostStore, of: (vnode: VnodeStats) => number): number {
  return store.stats().vnodes.reduce((total, vnode) => total + of(vnode), 0);
}
