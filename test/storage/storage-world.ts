import { loadCounter, SYNCED, UNWRITTEN_SINCE, WRITTEN } from '../../src/storage/buffer-layout.js';
import type { ExistingJournalFile } from '../../src/storage/journal-files.js';
import { Journal } from '../../src/storage/journal.js';
import type { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { type Level, Pipeline, type Room } from '../../src/storage/pipeline.js';
import { decodeVector } from '../../src/storage/record-codec.js';
import { recoverJournal } from '../../src/storage/recovery.js';
import { aligned, verifyRecord } from '../../src/storage/record.js';
import { FakeDisk, FakeEngine, Later } from './fakes.js';
import { hashOf, keyBytesOf, shared, SMALL, version } from './support.js';

type Random = (below: number) => number;

export interface Acknowledged {
  readonly name: string;
  readonly n: number;
  readonly level: Level;
}

/** Object buffer, pipeline, journal and engine of one virtual node over fakes, in virtual time. */
export class StorageWorld {
  nowMs = 1_000;
  later = new Later();
  readonly place = shared(SMALL);
  buffer: ObjectBuffer;
  disk: FakeDisk;
  engine: FakeEngine;
  journal: Journal;
  pipeline: Pipeline;
  readonly acknowledged: Acknowledged[] = [];
  /** Sequence number → what was appended under it. */
  readonly appended: { name: string; n: number; sequence: number; atMs: number }[] = [];
  private readonly waiting = new Map<number, Acknowledged>();
  private readonly versions = new Map<string, number>();
  private token = 0;

  private readonly checkpointPhaseMs: number;

  constructor({ checkpointPhaseMs = 0 } = {}) {
    this.checkpointPhaseMs = checkpointPhaseMs;
    this.buffer = this.place.open();
    this.buffer.startAt(0, 1, 0);
    this.disk = new FakeDisk(this.later);
    this.engine = new FakeEngine(this.later);
    this.journal = new Journal(this.buffer, this.disk, () => undefined);
    this.pipeline = this.newPipeline();
  }

  private newPipeline(): Pipeline {
    const { checkpointPhaseMs } = this;
    const options = { flushMs: 20, checkpointMs: 200, checkpointPhaseMs, onProgress: () => undefined };
    return new Pipeline(this.buffer, { journal: this.journal, engine: this.engine }, options, (token) => {
      this.acknowledge(this.waiting.get(token)!);
      this.waiting.delete(token);
    });
  }

  private acknowledge(what: Acknowledged): void {
    const since = Atomics.load(this.buffer.words, UNWRITTEN_SINCE);
    if (since !== 0 && this.nowMs - since >= 20) throw new Error('acknowledged past the flush window');
    this.acknowledged.push(what);
  }

  begin(afterMs = 1): void {
    this.nowMs += afterMs;
    this.pipeline.begin(this.nowMs);
  }
  end(): void {
    this.pipeline.end(this.nowMs);
  }

  /** Puts the next version of a key, if there is room. */
  put(name: string, level: Level, valueBytes = 40): Room {
    const n = (this.versions.get(name) ?? 0) + 1;
    const { words, key, bytes } = version(name, n, valueBytes);
    const room = this.pipeline.room(bytes);
    if (room !== 'ready') return room;
    const sequence = this.pipeline.append(words, 0, key);
    this.versions.set(name, n);
    this.appended.push({ name, n, sequence, atMs: this.nowMs });
    const token = this.token++;
    const what = { name, n, level };
    if (this.pipeline.awaitLevel(sequence, level, token)) this.waiting.set(token, what);
    else this.acknowledge(what);
    return room;
  }

  /** Lets a key go, if there is room. */
  remove(name: string): Room {
    const { key } = version(name, 1);
    const place = { hash: hashOf(name), partition: 3, bucket: 1 };
    const room = this.pipeline.remove(place, key, keyBytesOf(name));
    if (room === 'ready') this.removed.push({ name, sequence: this.buffer.lastSequence });
    return room;
  }
  readonly removed: { name: string; sequence: number }[] = [];

  /** Turns until nothing is left to complete. */
  settle(random: Random = () => 0): void {
    for (let i = 0; i < 2_000; i++) {
      this.begin(10);
      this.end();
      if (!this.later.runOne(random) && i > 40) return;
    }
  }

  /** The thread is gone, with everything that was under way; another one takes the buffer over. */
  restart(random: Random): void {
    const later = new Later();
    this.waiting.clear();
    this.disk = new FakeDisk(later, this.disk);
    this.engine = this.engine.afterCrash(random, later);
    this.buffer = this.place.open();
    this.journal = new Journal(this.buffer, this.disk, () => undefined);
    this.pipeline = this.newPipeline();
    this.journal.adopt();
    this.later = later;
  }

  positions(): { written: number; synced: number } {
    const { words } = this.buffer;
    return { written: loadCounter(words, WRITTEN), synced: loadCounter(words, SYNCED) };
  }

  /** What a new process finds: the newest version of every key. */
  async recover(
    files: readonly ExistingJournalFile[],
    random: Random,
    sameBoot: boolean,
  ): Promise<Map<string, number>> {
    const later = new Later();
    const engine = this.engine.afterCrash(random, later);
    const running = recoverJournal(files, engine, sameBoot, 'journal');
    const pump = setInterval(() => later.runAll(), 0);
    try {
      await running;
    } finally {
      clearInterval(pump);
    }
    return versionsIn(engine);
  }

  /** Everything that must be in `found`, given how far was promised; throws what is missing. */
  assertHolds(found: ReadonlyMap<string, number>, position: number, levels: readonly Level[]): void {
    for (const { name, n, sequence } of this.appended) {
      if (sequence <= position && (found.get(name) ?? 0) < n) {
        throw new Error(`${name} v${n} (record ${sequence}) is lost below the watermark ${position}`);
      }
    }
    for (const { name, n, level } of this.acknowledged) {
      if (levels.includes(level) && (found.get(name) ?? 0) < n) {
        throw new Error(`${name} v${n}, acknowledged at level ${level}, is lost`);
      }
    }
  }

  /** The version that a reader of this virtual node gets. */
  read(name: string): number {
    const key = version(name, 1).key;
    const at = this.pipeline.read(hashOf(name), 3, 1, key, keyBytesOf(name));
    if (at < 0) return 0;
    return decodeVector(at === 0 ? this.pipeline.lent! : this.buffer.words, at)[0]!.n;
  }
  latest(name: string): number {
    return this.versions.get(name) ?? 0;
  }
  get names(): string[] {
    return [...this.versions.keys()];
  }
}

function versionsIn(engine: FakeEngine): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, stored] of engine.rows) {
    if (!verifyRecord(stored)) throw new Error(`the record of ${name} is damaged`);
    found.set(name.split('/')[2]!, decodeVector(aligned(stored).words, 0)[0]!.n);
  }
  return found;
}
