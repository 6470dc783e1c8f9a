/** The owner of a partition whose owner has left. */
export const VACANT = -1;

/** The owners around the ring, and who stands too close to whom. */
export class Circle {
  readonly owner: Int32Array;
  private readonly nodeOf: readonly number[];
  private readonly reach: number;

  constructor(previous: Int32Array, nodeOf: readonly number[], spacing: number) {
    this.owner = previous.slice();
    this.nodeOf = nodeOf;
    this.reach = spacing - 1;
  }

  get size(): number {
    return this.owner.length;
  }

  /** Neighbours closer than the spacing whose owner is of the same node as `vnode`; vacancies are alike. */
  clashes(partition: number, vnode: number): number {
    const node = this.node(vnode);
    let found = 0;
    for (let k = 1; k <= this.reach; k++) {
      if (this.node(this.owner[(partition + k) % this.size]!) === node) found += 1;
      if (this.node(this.owner[(partition - k + this.size) % this.size]!) === node) found += 1;
    }
    return found;
  }

  node(vnode: number): number {
    return vnode === VACANT ? VACANT : this.nodeOf[vnode]!;
  }

  /** Sum over both; changes with an exchange exactly as the clashes of the whole circle do. */
  clashesOfPair(p: number, q: number): number {
    return this.clashes(p, this.owner[p]!) + this.clashes(q, this.owner[q]!);
  }

  /** Pairs of partitions that stand too close. */
  allClashes(): number {
    let found = 0;
    for (let p = 0; p < this.size; p++) found += this.clashes(p, this.owner[p]!);
    return found / 2;
  }

  swap(p: number, q: number): void {
    const kept = this.owner[p]!;
    this.owner[p] = this.owner[q]!;
    this.owner[q] = kept;
  }
}
