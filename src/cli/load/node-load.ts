import { createHash } from 'node:crypto';
import type { RingDescription } from '../../client/api.js';

/** Dynamo §6.2: a node is in balance when its load deviates from the average by less than 15 %. */
const BAND = 0.15;

export interface NodeLoad {
  readonly node: string;
  /** Records of this load that the node holds a replica of, rewritten ones counted again. */
  readonly records: number;
  readonly capacity: number;
  /** From the mean per unit of capacity: 0.1 is 10 % above. */
  readonly deviation: number;
  readonly inBand: boolean;
}

/** Counts each written key at the nodes that own it, by the ring as it was when the load began. */
export class NodeTally {
  readonly #ring: RingDescription;
  readonly #replicas: number;
  readonly #nodeOfVnode: ReadonlyMap<string, string>;
  readonly #counts: Map<string, number>;

  constructor(ring: RingDescription, replicas: number) {
    this.#ring = ring;
    this.#replicas = replicas;
    this.#nodeOfVnode = new Map(
      ring.nodes.flatMap(({ id, vnodes }) => vnodes.map((vnode) => [vnode.id, id])),
    );
    this.#counts = new Map(ring.nodes.map(({ id }) => [id, 0]));
  }

  add(key: string | Uint8Array): void {
    const word = createHash('sha1').update(key).digest().readUInt32BE(0);
    const partition = Math.floor((word / 2 ** 32) * this.#ring.partitions);
    const owners = this.#ring.preferenceLists[partition] ?? [];
    for (let i = 0; i < this.#replicas && i < owners.length; i++) {
      const node = this.#nodeOfVnode.get(owners[i]!) ?? owners[i]!;
      this.#counts.set(node, (this.#counts.get(node) ?? 0) + 1);
    }
  }

  result(): NodeLoad[] {
    const { nodes } = this.#ring;
    const capacities = nodes.reduce((sum, node) => sum + node.capacity, 0);
    const total = [...this.#counts.values()].reduce((sum, records) => sum + records, 0);
    return nodes.map(({ id, capacity }) => {
      const records = this.#counts.get(id) ?? 0;
      const expected = (total / capacities) * capacity;
      const deviation = expected === 0 ? 0 : records / expected - 1;
      return { node: id, records, capacity, deviation, inBand: Math.abs(deviation) < BAND };
    });
  }
}

const BAR_CELLS = 40;

export function drawNodeLoad(loads: readonly NodeLoad[]): string[] {
  const most = Math.max(1, ...loads.map(({ records }) => records));
  const idWidth = Math.max(...loads.map(({ node }) => node.length));
  const countWidth = Math.max(...loads.map(({ records }) => records.toLocaleString('en').length));
  return loads.map(({ node, records, deviation, inBand }) => {
    const bar = '█'.repeat(Math.round((records / most) * BAR_CELLS)).padEnd(BAR_CELLS);
    const percent = `${deviation < 0 ? '-' : '+'}${Math.abs(deviation * 100).toFixed(1)} %`;
    const count = records.toLocaleString('en').padStart(countWidth);
    return `  ${node.padEnd(idWidth)} ${bar} ${count}  ${percent.padStart(8)}  ${inBand ? 'in the band' : 'OUT OF THE BAND'}`;
  });
}
