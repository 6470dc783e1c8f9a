import { RingletError } from '../../src/base/errors.js';
import type {
  CommitDone,
  Engine,
  EngineMark,
  EnginePosition,
  EngineState,
  EngineVisitor,
} from '../../src/storage/engine.js';
import type { ExistingJournalFile, JournalDisk, JournalFile } from '../../src/storage/journal-files.js';

type Random = (below: number) => number;
type Rows = Map<string, Uint8Array>;
/** Undefined: the key is removed. */
type Batch = Map<string, Uint8Array | undefined>;

/** What runs later, when the test says so: commits in their order, everything else in any. */
export class Later {
  private readonly steps: (() => void)[] = [];

  add(step: () => void): void {
    this.steps.push(step);
  }
  get size(): number {
    return this.steps.length;
  }
  runOne(random: Random): boolean {
    if (this.steps.length === 0) return false;
    this.steps.splice(random(this.steps.length), 1)[0]!();
    return true;
  }
  runAll(random: Random = () => 0): void {
    while (this.runOne(random));
  }
}

const SECTOR = 512;

export class FakeFile implements JournalFile {
  readonly name: string;
  private readonly disk: FakeDisk;
  /** As a reader of the running system sees it, and as a power cut leaves it. */
  readonly cached: Uint8Array;
  stable: Uint8Array;

  constructor(name: string, bytes: number, disk: FakeDisk) {
    this.name = name;
    this.disk = disk;
    this.cached = new Uint8Array(bytes);
    this.stable = new Uint8Array(bytes);
  }

  write(view: Uint8Array, position: number): void {
    if (position + view.length > this.cached.length) throw new Error('a write beyond the end');
    if (this.disk.failWrites > 0) {
      this.disk.failWrites--;
      throw new RingletError('IO', 'the write failed');
    }
    this.cached.set(view, position);
  }

  read(into: Uint8Array, position: number, done: (error?: Error) => void): void {
    this.disk.later.add(() => {
      into.set(this.cached.subarray(position, position + into.length));
      done();
    });
  }

  syncAtOnce(): boolean {
    const { disk } = this;
    if (!disk.brief) return false;
    if (disk.failSyncs > 0) {
      disk.failSyncs--;
      this.lost = true;
      throw new RingletError('IO', 'the sync failed');
    }
    if (!this.lost) this.stable = this.cached.slice();
    return true;
  }

  sync(done: (error?: Error) => void): void {
    const taken = this.cached.slice();
    const { disk } = this;
    disk.later.add(() => {
      if (disk.failSyncs > 0) {
        disk.failSyncs--;
        // The pages count as clean now: a later sync does not bring them back.
        this.lost = true;
        done(new RingletError('IO', 'the sync failed'));
        return;
      }
      if (!this.lost) this.stable = taken;
      done();
    });
  }
  private lost = false;

  close(): void {}
}

/** A journal directory in memory. */
export class FakeDisk implements JournalDisk {
  readonly later: Later;
  failWrites = 0;
  failSyncs = 0;
  /** Syncs that somebody waits for take no time. */
  brief = false;
  full = false;
  readonly live = new Set<FakeFile>();
  readonly spare = new Set<FakeFile>();
  allocated = 0;
  private old: FakeFile[];

  constructor(later: Later, previous?: FakeDisk) {
    this.later = later;
    this.old = previous === undefined ? [] : [...previous.old, ...previous.live, ...previous.spare];
    this.allocated = previous?.allocated ?? 0;
  }

  allocate(bytes: number, done: (error: Error | undefined, file: JournalFile | undefined) => void): void {
    this.later.add(() => {
      if (this.full) {
        done(new RingletError('STORE_FULL', 'the disk is full'), undefined);
        return;
      }
      const [again] = this.spare;
      const file = again ?? new FakeFile(String(++this.allocated).padStart(10, '0'), bytes, this);
      this.spare.delete(file);
      this.live.add(file);
      done(undefined, file);
    });
  }
  release(file: JournalFile): void {
    if (!this.live.delete(file as FakeFile)) throw new Error('released twice');
    this.spare.add(file as FakeFile);
  }
  abandon(): void {}
  delete(file: JournalFile): void {
    if (!this.live.delete(file as FakeFile)) throw new Error('deleted twice');
  }
  existing(): readonly ExistingJournalFile[] {
    return this.old.map((file) => image(file.name, file.cached));
  }
  removeExisting(): void {
    this.old = [];
  }
  close(): void {}

  private get kept(): FakeFile[] {
    return [...this.old, ...this.live];
  }

  /** What a killed process leaves. Released files are gone: nothing may depend on them. */
  afterKill(): ExistingJournalFile[] {
    return this.kept.map((file) => image(file.name, file.cached));
  }

  /** What a power cut leaves: of each unsynced sector the old or the new contents. */
  afterPowerCut(random: Random): ExistingJournalFile[] {
    return this.kept.map((file) => {
      const bytes = file.stable.slice();
      for (let at = 0; at < bytes.length; at += SECTOR) {
        if (random(2) === 0) bytes.set(file.cached.subarray(at, at + SECTOR), at);
      }
      return image(file.name, bytes);
    });
  }
}

export function image(name: string, contents: Uint8Array): ExistingJournalFile {
  const copy = contents.slice();
  return { name, bytes: copy.length, read: () => copy };
}

const NEW: EngineState = { generation: 0, confirmedSerial: 0, count: 0, root: 0 };

/** An engine in memory whose commits resolve when the test says so. */
export class FakeEngine implements Engine {
  state: EngineState = NEW;
  failCommits = 0;
  failure: Error | undefined;
  readonly rows: Rows;
  private batch: Batch = new Map();
  private readonly commits: { rows: Batch; mark: EngineMark; done: CommitDone }[] = [];
  private readonly later: Later;

  constructor(later: Later, rows: Rows = new Map(), state: EngineState = NEW) {
    this.later = later;
    this.rows = rows;
    this.state = state;
  }

  get(partition: number, bucket: number, key: Uint8Array): Uint8Array | undefined {
    return this.rows.get(nameOf(partition, bucket, key))?.slice();
  }
  put(partition: number, bucket: number, key: Uint8Array, record: Uint8Array): void {
    this.add(nameOf(partition, bucket, key), record.slice());
  }
  remove(partition: number, bucket: number, key: Uint8Array): void {
    this.add(nameOf(partition, bucket, key), undefined);
  }
  private add(name: string, record: Uint8Array | undefined): void {
    if (this.batch.has(name) || this.commits.some(({ rows }) => rows.has(name))) {
      throw new Error('the key is in a batch that has not resolved');
    }
    this.batch.set(name, record);
  }
  commit(mark: EngineMark, done: CommitDone): void {
    this.commits.push({ rows: this.batch, mark, done });
    this.batch = new Map();
    this.later.add(() => this.resolveOldest());
  }
  private resolveOldest(): void {
    const { rows, mark, done } = this.commits.shift()!;
    if (this.failCommits > 0) this.failure = new RingletError('IO', 'the commit failed');
    if (this.failure !== undefined) {
      done(this.failure);
      return;
    }
    this.apply(rows, mark);
    done(undefined);
  }
  private apply(rows: Batch, mark: EngineMark): void {
    for (const [name, record] of rows) {
      if (record === undefined) this.rows.delete(name);
      else this.rows.set(name, record);
    }
    this.state = { ...this.state, ...mark };
  }
  scan(
    partition: number,
    bucket: number,
    after: Uint8Array | undefined,
    limit: number,
    visit: (key: Uint8Array, record: Uint8Array) => void,
  ): void {
    const prefix = `${partition}/${bucket}/`;
    const from = after === undefined ? undefined : Buffer.from(after).toString('latin1');
    const keys = Array.from(this.rows.keys(), (name) =>
      name.startsWith(prefix) ? name.slice(prefix.length) : '',
    )
      .filter((key) => key !== '' && (from === undefined || key > from))
      .sort();
    for (const key of keys.slice(0, limit))
      visit(Uint8Array.from(Buffer.from(key, 'latin1')), this.rows.get(prefix + key)!.slice());
  }
  walk(behind: EnginePosition, beforePartition: number, visit: EngineVisitor): void {
    const from = orderOf(behind.partition, behind.bucket, behind.key ?? new Uint8Array(0));
    const rows = [...this.rows].map(([name, record]) => {
      const [partition, bucket, ...rest] = name.split('/');
      const key = Buffer.from(rest.join('/'), 'latin1');
      return { partition: Number(partition), bucket: Number(bucket), key, record };
    });
    const order = ({ partition, bucket, key }: (typeof rows)[number]): Buffer =>
      orderOf(partition, bucket, key);
    rows.sort((a, b) => Buffer.compare(order(a), order(b)));
    for (const row of rows) {
      if (row.partition >= beforePartition || Buffer.compare(order(row), from) <= 0) continue;
      if (!visit(row.partition, row.bucket, row.key, row.record.slice())) return;
    }
  }
  async close(): Promise<void> {}

  /** What its files hold after a crash: commits under way are in or not, in order. */
  afterCrash(random: Random, later: Later): FakeEngine {
    const copy = new FakeEngine(later, new Map(this.rows), this.state);
    for (const { rows, mark } of this.commits.slice(0, random(this.commits.length + 1)))
      copy.apply(rows, mark);
    return copy;
  }
}

function orderOf(partition: number, bucket: number, key: Uint8Array): Buffer {
  return Buffer.concat([Uint8Array.of(partition >>> 8, partition, bucket >>> 8, bucket), key]);
}

function nameOf(partition: number, bucket: number, key: Uint8Array): string {
  return `${partition}/${bucket}/${Buffer.from(key).toString('latin1')}`;
}
