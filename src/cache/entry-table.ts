import { Links } from './queue.js';

const LEAST = 1_024;

/**
 * The entries of all caches of one virtual node, small numbers that are used again, and where the record of
 * each stands. 13 bytes per entry with its links; and once there is a first one, four bytes per cell of the
 * object buffer to find the entry of a record.
 */
export class EntryTable {
  readonly links = new Links();
  private places = new Int32Array(0);
  private readonly free: number[] = [];
  private used = 0;
  private readonly cells: number;
  /** By cell: entry + 1. */
  private entryAt: Int32Array | undefined;

  /** @param cells records never share one */
  constructor(cells: number) {
    this.cells = cells;
  }

  /** The entry whose record stands in a cell, −1 if there is none. */
  at(cell: number): number {
    return (this.entryAt?.[cell] ?? 0) - 1;
  }

  placeOf(entry: number): number {
    return this.places[entry]!;
  }

  add(place: number, cell: number): number {
    this.entryAt ??= new Int32Array(this.cells);
    const entry = this.free.pop() ?? this.fresh();
    this.places[entry] = place;
    this.entryAt[cell] = entry + 1;
    return entry;
  }

  private fresh(): number {
    if (this.used === this.places.length) {
      const capacity = Math.max(LEAST, this.used * 2);
      const places = new Int32Array(capacity);
      places.set(this.places);
      this.places = places;
      this.links.grow(capacity);
    }
    return this.used++;
  }

  /** Its record stands somewhere else now. */
  move(entry: number, fromCell: number, place: number, cell: number): void {
    this.entryAt![fromCell] = 0;
    this.entryAt![cell] = entry + 1;
    this.places[entry] = place;
  }

  remove(entry: number, cell: number): void {
    this.entryAt![cell] = 0;
    this.free.push(entry);
  }
}
