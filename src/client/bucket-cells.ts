import type { BucketCell, BucketDefinition } from './view.js';

/** Buckets by name; a cell exists from the first question on, also for a bucket that does not. */
export class BucketCells {
  private readonly cells = new Map<string, BucketCell>();

  constructor(buckets: readonly BucketDefinition[]) {
    for (const bucket of buckets) this.set(bucket);
  }

  cell(name: string): BucketCell {
    let cell = this.cells.get(name);
    if (cell === undefined) {
      cell = { definition: undefined };
      this.cells.set(name, cell);
    }
    return cell;
  }

  set(bucket: BucketDefinition): void {
    this.cell(bucket.name).definition = bucket;
  }

  list(): BucketDefinition[] {
    return [...this.cells.values()].flatMap(({ definition }) => (definition === undefined ? [] : [definition]));
  }
}
