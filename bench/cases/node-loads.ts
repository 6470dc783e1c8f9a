import type { NodeLoads } from './case.js';
import type { HostStore, VnodeStats } from '../../src/index.js';

/** A step is cut into so many bins, as the paper's day into half hours. */
const BINS = 8;

/** Counts what each node served, bin by bin, while a step runs. */
export class NodeLoadSampler {
  readonly #store: HostStore;
  readonly #snapshots: (readonly number[])[] = [];
  readonly #nodes: NodeLoads['nodes'];
  readonly #nodeOfVnode: ReadonlyMap<string, number>;
  #timer: NodeJS.Timeout | undefined;

  constructor(store: HostStore) {
    this.#store = store;
    const { nodes } = store.ring();
    this.#nodes = nodes.map(({ id, capacity }) => ({ id, capacity }));
    this.#nodeOfVnode = new Map(
      nodes.flatMap((node, index) => node.vnodes.map((vnode): [string, number] => [vnode.id, index])),
    );
  }

  /** Takes the first snapshot after the warm-up. */
  start(afterMs: number, lengthMs: number): void {
    this.#timer = setTimeout(() => {
      this.#snapshots.push(this.#served());
      this.#timer = setInterval(() => {
        if (this.#snapshots.length <= BINS) this.#snapshots.push(this.#served());
      }, lengthMs / BINS);
    }, afterMs);
  }

  stop(): NodeLoads {
    clearTimeout(this.#timer);
    const bins = this.#snapshots
      .slice(1)
      .map((later, bin) => later.map((served, node) => served - (this.#snapshots[bin]?.[node] ?? 0)));
    return { nodes: this.#nodes, bins };
  }

  #served(): number[] {
    const totals = this.#nodes.map(() => 0);
    for (const vnode of this.#store.stats().vnodes) {
      const node = this.#nodeOfVnode.get(vnode.id);
      if (node !== undefined) totals[node]! += servedBy(vnode);
    }
    return totals;
  }
}

function servedBy(vnode: VnodeStats): number {
  return vnode.reads + vnode.directReads + vnode.coordinated + vnode.replicated;
}
