/** Places of records, handed out partition by partition, each partition's in the order in which they came. */
export class PlacesByPartition {
  private readonly lists = new Map<number, number[]>();
  private order: number[] | undefined;
  private list: readonly number[] = [];
  private at = 0;

  /** REQUIRES: {@link next} has not been called since {@link clear}. */
  add(partition: number, place: number): void {
    const list = this.lists.get(partition);
    if (list === undefined) this.lists.set(partition, [place]);
    else list.push(place);
  }

  get empty(): boolean {
    return this.at >= this.list.length && this.lists.size === 0;
  }

  /** The next place, −1 after the last. */
  next(): number {
    if (this.at >= this.list.length) {
      this.order ??= [...this.lists.keys()].sort((a, b) => b - a);
      const partition = this.order.pop();
      if (partition === undefined) return -1;
      this.list = this.lists.get(partition)!;
      this.lists.delete(partition);
      this.at = 0;
    }
    return this.list[this.at++]!;
  }

  clear(): void {
    this.lists.clear();
    this.order = undefined;
    this.list = [];
    this.at = 0;
  }
}
