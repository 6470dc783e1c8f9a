import type { Random } from './random.js';

export const SECTOR = 512;
/** Deleted files that a power cut may bring back, since the directory was not synced. */
const GHOSTS = 4;
const NOTHING = new Uint8Array(0);

interface Range {
  readonly at: number;
  end: number;
}

/** A file as the running system sees it, and as a power cut leaves it. */
export class SimFile {
  readonly name: string;
  private cached: Uint8Array;
  private stable: Uint8Array;
  /** Bits of it have changed on the disk. */
  damaged = false;
  /** Written since the last sync began. */
  private dirty: Range[] = [];
  /** Written, and not known to be on the disk: dirty, in a sync under way, or lost by one that failed. */
  private readonly unstable = new Set<Range>();

  /** @param after a file that is gone for good: its memory is used again */
  constructor(name: string, bytes: number, after?: SimFile) {
    this.name = name;
    this.cached = after?.bytes === bytes ? after.cached.fill(0) : new Uint8Array(bytes);
    this.stable = after?.bytes === bytes ? after.stable.fill(0) : new Uint8Array(bytes);
    after?.vanish();
  }

  private vanish(): void {
    this.cached = NOTHING;
    this.stable = NOTHING;
  }

  get bytes(): number {
    return this.cached.length;
  }

  write(view: Uint8Array, position: number): void {
    this.cached.set(view, position);
    const last = this.dirty.at(-1);
    if (last?.end === position) {
      last.end = position + view.length;
      return;
    }
    const range = { at: position, end: position + view.length };
    this.dirty.push(range);
    this.unstable.add(range);
  }

  /** As the running system sees it. */
  beginsWith(image: Uint8Array): boolean {
    return Buffer.compare(this.cached.subarray(0, image.length), image) === 0;
  }

  /** Begins a sync: what it would make durable, when it succeeds. One that fails leaves pages that count as clean. */
  sync(): () => void {
    const taken = this.dirty.map((range) => ({ range, bytes: this.cached.slice(range.at, range.end) }));
    this.dirty = [];
    return () => {
      if (this.stable === NOTHING) return;
      for (const { range, bytes } of taken) {
        this.stable.set(bytes, range.at);
        this.unstable.delete(range);
      }
    };
  }

  /** A bit changes on the disk, behind everybody's back. */
  damage(byte: number, bit: number): void {
    this.damaged = true;
    for (const bytes of [this.cached, this.stable]) bytes[byte] = bytes[byte]! ^ (1 << bit);
  }

  /** As a power cut would leave it now, if it took all that it may. */
  stableContents(): Uint8Array {
    return this.stable.slice();
  }

  contents(): Uint8Array {
    return this.cached.slice();
  }

  /** Of each sector that was not synced the old or the new contents. */
  cutPower(random: Random): void {
    for (const { at, end } of this.unstable) {
      for (let from = at; from < end;) {
        const to = Math.min(end, (Math.floor(from / SECTOR) + 1) * SECTOR);
        if (random.chance(0.5)) this.stable.set(this.cached.subarray(from, to), from);
        from = to;
      }
    }
    this.dirty = [];
    this.unstable.clear();
    this.cached.set(this.stable);
  }
}

/** The journal directory of a virtual node: what outlives threads, processes and, if synced, power cuts. */
export class SimDirectory {
  readonly files = new Map<string, SimFile>();
  ghosts: SimFile[] = [];
  private gone: SimFile | undefined;
  private number = 0;

  create(bytes: number): SimFile {
    const file = new SimFile(String(++this.number).padStart(10, '0'), bytes, this.gone);
    this.gone = undefined;
    this.files.set(file.name, file);
    return file;
  }

  delete(file: SimFile): void {
    this.files.delete(file.name);
    this.ghosts.push(file);
    if (this.ghosts.length > GHOSTS) this.gone = this.ghosts.shift();
  }

  /** A delete that is on the disk. */
  deleteForGood(name: string): void {
    this.files.delete(name);
    this.ghosts = [];
  }

  cutPower(random: Random): void {
    for (const ghost of this.ghosts) if (random.chance(0.5)) this.files.set(ghost.name, ghost);
    this.ghosts = [];
    for (const file of this.files.values()) file.cutPower(random);
  }
}
