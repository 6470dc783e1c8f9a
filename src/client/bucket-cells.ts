import type { BucketCell, BucketDefinition } from './view.js';

/** The buckets that exist, by name. */
export class BucketCells {
  private readonly cells = new Map<string, BucketCell>();

  constructor(buckets: readonly BucketDefinition[]) {
    for (const bucket of buckets) this.set(bucket);
  }

  cell(name: string): BucketCell | undefined {
    return this.cells.get(name);
  }

  set(bucket: BucketDefinition): void {
    const cell = this.cells.get(bucket.name);
    if (cell === undefined) this.cells.set(bucket.name, { definition: bucket });
    else cell.definition = bucket;
  }

  list(): BucketDefinition[] {
    return Array.from(this.cells.values(), ({ definition }) => definition);
  }

  get size(): number {
    return this.cells.size;
  }
}
