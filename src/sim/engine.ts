import { RingletError } from '../base/errors.js';
import type {
  CommitDone,
  Engine,
  EngineMark,
  EnginePosition,
  EngineState,
  EngineVisitor,
} from '../storage/engine.js';
import { contentCheckOf } from '../storage/record.js';
import type { DiskWorld } from './disk.js';

export interface Row {
  readonly partition: number;
  readonly bucket: number;
  readonly key: Uint8Array;
  readonly record: Uint8Array;
  /** Its bits are not those that were written. */
  readonly damaged?: true;
}

/** The files of an engine: what commits that have resolved leave, and maybe some that had not. */
export class EngineFiles {
  private readonly stored = new Map<string, Row>();
  state: EngineState = { generation: 0, confirmedSerial: 0, count: 0, root: 0 };
  /** In the order of a walk, but for what has come and gone since it was last asked for. */
  private sorted: readonly Row[] = [];
  private readonly come = new Set<Row>();
  private readonly gone = new Set<Row>();

  get rows(): ReadonlyMap<string, Row> {
    return this.stored;
  }

  /** A bit of a record changes on the disk. */
  damage(name: string, byte: number, bit: number): void {
    const row = this.stored.get(name)!;
    const record = row.record.slice();
    record[byte] = record[byte]! ^ (1 << bit);
    this.replace(name, row, { ...row, record, damaged: true });
  }

  /** Puts a row in the place of the one of that name, if there is one; undefined removes it. Returns what was there. */
  set(name: string, row: Row | undefined): Row | undefined {
    const before = this.stored.get(name);
    this.stored.delete(name);
    this.replace(name, before, row);
    return before;
  }

  private replace(name: string, before: Row | undefined, row: Row | undefined): void {
    if (before !== undefined && !this.come.delete(before)) this.gone.add(before);
    if (row === undefined) return;
    this.stored.set(name, row);
    this.come.add(row);
  }

  /** All rows, as a walk meets them. */
  inOrder(): readonly Row[] {
    if (this.come.size + this.gone.size === 0) return this.sorted;
    const { gone } = this;
    const come = [...this.come].sort(compareRows);
    const merged: Row[] = [];
    let next = 0;
    for (const row of this.sorted) {
      if (gone.has(row)) continue;
      while (next < come.length && compareRows(come[next]!, row) < 0) merged.push(come[next++]!);
      merged.push(row);
    }
    while (next < come.length) merged.push(come[next++]!);
    this.come.clear();
    gone.clear();
    this.sorted = merged;
    return merged;
  }

  /** Where in that order what is behind a position begins. */
  behind({ partition, bucket, key }: EnginePosition): number {
    const rows = this.inOrder();
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const row = rows[middle]!;
      const order = row.partition - partition || row.bucket - bucket;
      const isBehind = order > 0 || (order === 0 && (key === undefined || Buffer.compare(row.key, key) > 0));
      if (isBehind) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

function compareRows(a: Row, b: Row): number {
  return a.partition - b.partition || a.bucket - b.bucket || Buffer.compare(a.key, b.key);
}

export function rowName(partition: number, bucket: number, key: Uint8Array): string {
  return `${partition}/${bucket}/${Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1')}`;
}

/**
 * What a visitor is shown stands here, and the next record is written over it: whoever kept one against
 * the contract would soon have another in its hands.
 */
class Shown {
  private bytes = new Uint8Array(4_096);

  of(stored: Uint8Array): Uint8Array {
    if (stored.length > this.bytes.length) this.bytes = new Uint8Array(stored.length * 2);
    this.bytes.set(stored);
    return this.bytes.subarray(0, stored.length);
  }
}
const shownKey = new Shown();
const shownRecord = new Shown();

/** The slowest disk gets it done in time for the healing of a run. */
const LONGEST_COMMIT_MS = 3_000;

/** One transaction; a row of undefined is a removal. */
interface Commit {
  readonly rows: ReadonlyMap<string, Row | undefined>;
  readonly mark: EngineMark;
  readonly done: CommitDone;
}

/** The engine contract in memory: commits resolve later, in order, and can fail. */
export class SimEngine implements Engine {
  private readonly files: EngineFiles;
  private readonly world: DiskWorld;
  private batch = new Map<string, Row | undefined>();
  private readonly commits: Commit[] = [];
  private failure: Error | undefined;
  /** A failed commit left nothing, and so does none after it. */
  private gone = false;
  private lastMs = 0;
  private closed = false;

  constructor(files: EngineFiles, world: DiskWorld) {
    this.files = files;
    this.world = world;
  }

  get state(): EngineState {
    return this.files.state;
  }
  get inFlight(): number {
    return this.commits.length;
  }

  get(partition: number, bucket: number, key: Uint8Array): Uint8Array | undefined {
    return this.files.rows.get(rowName(partition, bucket, key))?.record.slice();
  }

  put(partition: number, bucket: number, key: Uint8Array, record: Uint8Array): void {
    // Not `slice` of shared memory: the copy must be ordinary.
    this.change(partition, bucket, key, Uint8Array.from(record));
  }

  remove(partition: number, bucket: number, key: Uint8Array): void {
    this.change(partition, bucket, key, undefined);
  }

  private change(partition: number, bucket: number, key: Uint8Array, record: Uint8Array | undefined): void {
    const own = Uint8Array.from(key);
    const name = rowName(partition, bucket, own);
    if (this.batch.has(name) || this.commits.some(({ rows }) => rows.has(name))) {
      throw new RingletError('INTERNAL', `key ${name} is in a batch that has not resolved`);
    }
    this.batch.set(name, record && { partition, bucket, key: own, record });
  }

  commit(mark: EngineMark, done: CommitDone): void {
    const { scheduler, random, condition, commitMs } = this.world;
    this.commits.push({ rows: this.batch, mark, done });
    this.batch = new Map();
    const forMs = Math.min(random.between(commitMs / 20, commitMs) * condition.slowness, LONGEST_COMMIT_MS);
    const atMs = scheduler.nowMs + forMs;
    this.lastMs = Math.max(this.lastMs, atMs);
    scheduler.at(this.lastMs, () => {
      if (!this.closed) this.resolveOldest();
    });
  }

  private resolveOldest(): void {
    const { condition, random } = this.world;
    const commit = this.commits.shift()!;
    if (condition.failCommits > 0) {
      condition.failCommits--;
      this.failure ??= new RingletError('IO', 'the simulated commit failed');
    } else if (condition.full && commit.rows.size > 0) {
      this.failure ??= new RingletError('STORE_FULL', 'the simulated disk is full');
    }
    if (this.failure !== undefined) {
      // What was in failed commits may be there all the same, up to some point.
      this.gone ||= random.chance(0.7);
      if (!this.gone) this.apply(commit);
      commit.done(this.failure);
      return;
    }
    this.apply(commit);
    commit.done(undefined);
  }

  private apply({ rows, mark }: Commit): void {
    const { files } = this;
    let { count, root } = files.state;
    for (const [name, row] of rows) {
      const before = files.set(name, row);
      if (before !== undefined) {
        count--;
        root ^= contentCheckOf(before.record);
      }
      if (row === undefined) continue;
      count++;
      root ^= contentCheckOf(row.record);
    }
    const { generation, confirmedSerial } = mark;
    files.state = { generation, confirmedSerial, count, root: root >>> 0 };
  }

  scan(
    partition: number,
    bucket: number,
    after: Uint8Array | undefined,
    limit: number,
    visit: (key: Uint8Array, record: Uint8Array) => void,
  ): void {
    const rows = this.files.inOrder();
    const first = this.files.behind({ partition, bucket, key: after });
    for (let at = first; at < Math.min(rows.length, first + limit); at++) {
      const row = rows[at]!;
      if (row.partition !== partition || row.bucket !== bucket) return;
      visit(shownKey.of(row.key), shownRecord.of(row.record));
    }
  }

  walk(behind: EnginePosition, beforePartition: number, visit: EngineVisitor): void {
    const rows = this.files.inOrder();
    for (let at = this.files.behind(behind); at < rows.length; at++) {
      const { partition, bucket, key, record } = rows[at]!;
      if (partition >= beforePartition) return;
      if (!visit(partition, bucket, shownKey.of(key), shownRecord.of(record))) return;
    }
  }

  /** The owner is gone: of the commits under way the first few are in, each whole. */
  crash(): void {
    this.closed = true;
    if (this.failure !== undefined) return;
    for (const commit of this.commits.slice(0, this.world.random.below(this.commits.length + 1))) {
      this.apply(commit);
    }
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}
