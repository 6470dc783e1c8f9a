import type { NodeLoads } from './case.js';
import { nowMs } from '../measure/clock.js';
import type { HostStore, VnodeStats } from '../../src/index.js';

/** A step is cut into so many bins, as the paper's day into half hours. */
const BINS = 8;
const SAMPLE_MS = 10;

/** What each node had served up to a moment. */
export interface ServedSample {
  readonly atMs: number;
  readonly served: readonly number[];
}

/**
 * Counts what each node served while a step runs. When its window begins is known only afterwards: threads start,
 * connect and warm up for as long as they take.
 */
export class NodeLoadSampler {
  readonly #store: HostStore;
  readonly #samples: ServedSample[] = [];
  readonly #nodes: NodeLoads['nodes'];
  readonly #nodeOfVnode: ReadonlyMap<string, number>;
  readonly #timer: NodeJS.Timeout;

  constructor(store: HostStore) {
    this.#store = store;
    const { nodes } = store.ring();
    this.#nodes = nodes.map(({ id, capacity }) => ({ id, capacity }));
    this.#nodeOfVnode = new Map(
      nodes.flatMap((node, index) => node.vnodes.map((vnode): [string, number] => [vnode.id, index])),
    );
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** See {@link binsOf}. */
  stop(fromMs: number, lengthMs: number): NodeLoads {
    clearInterval(this.#timer);
    this.#sample();
    return { nodes: this.#nodes, bins: binsOf(this.#samples, fromMs, lengthMs, BINS) };
  }

  #sample(): void {
    const served = this.#nodes.map(() => 0);
    for (const vnode of this.#store.stats().vnodes) {
      const node = this.#nodeOfVnode.get(vnode.id);
      if (node !== undefined) served[node]! += servedBy(vnode);
    }
    this.#samples.push({ atMs: nowMs(), served });
  }
}

/** What was served in each of so many equal parts of a window, between the samples that are nearest to their limits. */
export function binsOf(
  samples: readonly ServedSample[],
  fromMs: number,
  lengthMs: number,
  bins: number,
): readonly (readonly number[])[] {
  const limits = Array.from({ length: bins + 1 }, (_, limit) =>
    nearest(samples, fromMs + (limit * lengthMs) / bins),
  );
  return limits
    .slice(1)
    .map(({ served }, bin) => served.map((count, node) => count - (limits[bin]!.served[node] ?? 0)));
}

function nearest(samples: readonly ServedSample[], atMs: number): ServedSample {
  const next = samples.findIndex((sample) => sample.atMs >= atMs);
  const [after, before] = [samples[next] ?? samples.at(-1)!, samples[next - 1]];
  return before !== undefined && atMs - before.atMs < after.atMs - atMs ? before : after;
}

function servedBy(vnode: VnodeStats): number {
  return vnode.reads + vnode.directReads + vnode.coordinated + vnode.replicated;
}
