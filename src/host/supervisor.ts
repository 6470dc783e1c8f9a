import { MessageChannel } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { RingletError } from '../base/errors.js';
import type { RingFact } from '../ring/state.js';
import { ring } from '../messaging/doorbell.js';
import {
  SharedLayout,
  STATE_FAULTED,
  STATE_STARTING,
  VNODE_CONTROL,
  VNODE_HEARTBEAT,
  VNODE_HINTED,
  STATE_STOPPED,
  VNODE_INCARNATION,
  VNODE_SUSPECTS,
} from '../messaging/layout.js';
import { setVnodeState } from '../messaging/reader-epoch.js';
import { clearVnodeBits, setVnodeBit } from '../messaging/vnode-bits.js';
import { APPENDED, loadCounter, SYNCED } from '../storage/buffer-layout.js';
import { VNODE_READER_EPOCH } from '../storage/readers.js';
import type { CleanState, VnodeDisk, VnodeTask } from '../shard/worker-protocol.js';
import { pathsIn } from './data-layout.js';
import { DirectoryWatch } from './directory-watch.js';
import { Endings } from './endings.js';
import { HungThreads } from './hung-threads.js';
import { Incarnation, type IncarnationEvents, type Ready } from './incarnation.js';
import type { Assignment, Caretaker, Internals } from './supervision.js';
import { VNODE_WORKER } from './worker-url.js';

/** Without a heartbeat for so long a thread counts as hung and is terminated. */
const HUNG_MS = 10_000;
const WATCH_MS = 1_000;
const BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;

/** Actor numbers that a thread has besides its first one, and is given when it asks for more. */
const FRESH_ACTORS = 4;

/**
 * Of each thread's heap, in three parts: what a request leaves behind lives briefly, and with V8's 48 MiB the
 * garbage of four threads takes more memory than many a store's records.
 */
const YOUNG_MIB = 12;

/**
 * Keeps one thread per virtual node: starts it, replaces it when it dies (only after it is gone,
 * on the same object buffer and data), terminates it when it hangs, stops it cooperatively.
 * Decides nothing about data.
 */
export class Supervisor {
  private readonly pool: Piscina;
  /** By slot. */
  private readonly assignments: Assignment[] = [];
  /** Those that have left for good. */
  private readonly retired = new Set<number>();
  private readonly freshActor: () => number;
  private readonly caretaker: Caretaker | undefined;
  /** By slot: what its next thread finds, and whether its files are still there. */
  private readonly disks: (VnodeDisk | undefined)[] = [];
  private readonly watches: (DirectoryWatch | undefined)[] = [];
  private readonly endings = new Endings();
  protected readonly internals: Internals;
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  /** By slot. */
  private readonly current = new Map<number, Incarnation>();
  /** By slot: what puts a lost directory aside at the moment. */
  private readonly losing = new Map<number, Promise<void>>();
  private readonly hung: HungThreads;
  private readonly watch: NodeJS.Timeout;
  protected closing = false;
  /** Told what virtual nodes are certain of. */
  onFacts: (facts: readonly RingFact[]) => void = () => undefined;
  lastError: RingletError | undefined;

  constructor(
    assignments: readonly Assignment[],
    freshActor: () => number,
    internals: Internals = {},
    caretaker?: Caretaker,
  ) {
    const { shared } = assignments[0]!.base;
    this.caretaker = caretaker;
    for (const assignment of assignments) this.assign(assignment);
    this.freshActor = freshActor;
    this.internals = internals;
    this.control = new Int32Array(shared.control);
    this.layout = new SharedLayout(shared.shape);
    this.pool = new Piscina({
      filename: VNODE_WORKER,
      // One that loads without a task would be terminated in the middle of that by a close, and take the
      // process with it.
      minThreads: 0,
      maxThreads: shared.shape.vnodes,
      concurrentTasksPerWorker: 1,
      idleTimeout: Infinity,
      atomics: 'disabled',
      recordTiming: false,
      resourceLimits: {
        maxYoungGenerationSizeMb: YOUNG_MIB,
        ...(internals.heapMiB === undefined ? {} : { maxOldGenerationSizeMb: internals.heapMiB }),
      },
    });
    // A dead worker also rejects its task, which is where it is dealt with.
    this.pool.on('error', () => undefined);
    const hungMs = internals.hungMs ?? HUNG_MS;
    const watchMs = internals.watchMs ?? Math.min(WATCH_MS, hungMs / 4);
    this.hung = new HungThreads(hungMs, watchMs, (ordinal) =>
      Atomics.load(this.control, this.layout.vnodeWord(ordinal) + VNODE_HEARTBEAT),
    );
    this.watch = setInterval(this.look, watchMs);
    this.watch.unref();
  }

  /** Starts all threads. @throws RingletError of the first that fails */
  async start(): Promise<readonly Ready[]> {
    return Promise.all(this.assignments.map((_, ordinal) => this.startOne(ordinal)));
  }

  private assign(assignment: Assignment): void {
    const { ordinal } = assignment.base;
    const { disk } = assignment;
    this.assignments[ordinal] = assignment;
    this.disks[ordinal] = disk;
    this.watches[ordinal] = disk && new DirectoryWatch(pathsIn(disk.directory));
  }

  /** Damage that only its thread finds is dealt with as any other. */
  private async startOne(ordinal: number): Promise<Ready> {
    const first = this.launch(ordinal, 1);
    try {
      return await first.ready;
    } catch (error) {
      await first.gone;
      const { loss } = first;
      if (this.closing || loss === undefined || this.caretaker === undefined) throw error;
      this.disks[ordinal] = await this.caretaker.lose(ordinal, loss);
      return await this.launch(ordinal, 2).ready;
    }
  }

  /** Starts the threads of virtual nodes that join. @throws RingletError of the first that fails */
  async add(assignments: readonly Assignment[]): Promise<readonly Ready[]> {
    for (const assignment of assignments) this.assign(assignment);
    const started = assignments.map(({ base }) => this.launch(base.ordinal, 1));
    return Promise.all(started.map(({ ready }) => ready));
  }

  /** Stops threads for good. */
  async retire(ordinals: readonly number[]): Promise<void> {
    for (const ordinal of ordinals) {
      this.retired.add(ordinal);
      this.release(ordinal);
    }
    await Promise.all(ordinals.map((ordinal) => this.retireOne(ordinal)));
  }

  private async retireOne(ordinal: number): Promise<void> {
    const incarnation = this.current.get(ordinal);
    if (incarnation === undefined) return;
    await incarnation.stop();
    this.current.delete(ordinal);
    // It holds hints for nobody, whatever it said while it looked for them.
    for (let vnode = 0; vnode < this.layout.shape.vnodes; vnode++)
      setVnodeBit(this.control, this.layout.vnodeWord(vnode) + VNODE_HINTED, ordinal, false);
    setVnodeState(this.control, this.layout, ordinal, STATE_STOPPED);
  }

  /** @throws RingletError CLOSED: whoever stops the threads knows of no later ones; IO, STORE_FULL: no actor number */
  private launch(ordinal: number, count: number): Incarnation {
    if (this.closing) throw new RingletError('CLOSED', 'the store is closed');
    return this.begin(ordinal, count);
  }

  private begin(ordinal: number, count: number): Incarnation {
    const { base, firstActor } = this.assignments[ordinal]!;
    const actor = count === 1 ? firstActor : this.freshActor();
    const disk = this.disks[ordinal];
    const words = this.layout.vnodeWord(ordinal);
    setVnodeState(this.control, this.layout, ordinal, STATE_STARTING);
    Atomics.store(this.control, words + VNODE_INCARNATION, count);
    Atomics.store(this.control, words + VNODE_CONTROL, 0);
    Atomics.store(this.control, words + VNODE_READER_EPOCH, 0);
    clearVnodeBits(this.control, words + VNODE_SUSPECTS);
    const { port1, port2 } = new MessageChannel();
    const abort = new AbortController();
    const task: VnodeTask = {
      ...base,
      faults: this.internals.faults ?? false,
      pace: this.internals.pace ?? {},
      silenceMs: this.internals.silenceMs,
      actor,
      freshActors: this.freshActors(),
      disk,
      port: port2,
    };
    const run = this.pool.run(task, { transferList: [port2], signal: abort.signal }) as Promise<void>;
    const wake = (): void => {
      Atomics.store(this.control, words + VNODE_CONTROL, 1);
      ring(this.control, this.layout, ordinal);
    };
    const incarnation = new Incarnation(base.id, { port: port1, abort, run, wake }, this.eventsOf(ordinal));
    this.current.set(ordinal, incarnation);
    void incarnation.gone.then(() => this.ended(ordinal, incarnation, count));
    return incarnation;
  }

  /** None if no more can be taken durably: whoever needs one asks again. */
  private freshActors(): number[] {
    try {
      return Array.from({ length: FRESH_ACTORS }, () => this.freshActor());
    } catch (error) {
      this.lastError = error instanceof RingletError ? error : this.lastError;
      return [];
    }
  }

  private eventsOf(ordinal: number): IncarnationEvents {
    return {
      ready: () => {
        // The next thread finds the directory and the object buffer as this one leaves them.
        this.disks[ordinal] = nextDisk(this.disks[ordinal]);
        this.watches[ordinal]?.begin();
      },
      whole: () => {
        this.disks[ordinal] = withoutLoss(this.disks[ordinal]);
        this.caretaker?.whole(ordinal);
      },
      actors: () => this.freshActors(),
      facts: (facts) => this.onFacts(facts),
    };
  }

  /** A thread is gone. Unless the store closes, or it never was ready at all, another takes over. */
  private ended(ordinal: number, incarnation: Incarnation, count: number): void {
    this.lastError = incarnation.error ?? this.lastError;
    if (this.closing || this.retired.has(ordinal)) return;
    const wasReady = incarnation.isReady;
    incarnation.isReady = false;
    setVnodeState(this.control, this.layout, ordinal, STATE_FAULTED);
    if (count === 1 && !wasReady) return;
    if (this.holdsDown(ordinal, () => this.relaunch(ordinal, count + 1))) {
      setVnodeState(this.control, this.layout, ordinal, STATE_STOPPED);
      return;
    }
    const loss = incarnation.loss ?? this.hopelessAfter(ordinal, incarnation);
    if (loss !== undefined && this.caretaker !== undefined) {
      this.losing.set(ordinal, this.replaceLost(ordinal, loss, count));
      return;
    }
    this.launchAfter(ordinal, wasReady, count);
  }

  /** Why a thread that ends again and again counts as one whose data is damaged. */
  private hopelessAfter(ordinal: number, { wanted, error }: Incarnation): string | undefined {
    const { hopelessEnds } = this.internals;
    if (wanted && hopelessEnds === undefined) return undefined;
    return this.endings.hopeless(ordinal, error, performance.now(), hopelessEnds);
  }

  /** Its data is gone: the next thread begins with nothing, and its peers give it theirs. */
  private async replaceLost(ordinal: number, reason: string, count: number): Promise<void> {
    try {
      this.disks[ordinal] = await this.caretaker!.lose(ordinal, reason);
    } catch (error) {
      // No replica survives, or the disk takes nothing: what is there is opened again, and again.
      this.lastError = error instanceof RingletError ? error : this.lastError;
      this.launchAfter(ordinal, false, count);
      return;
    }
    this.relaunch(ordinal, count + 1);
  }

  /** Another thread, unless none is wanted any more; later where there is no actor number for it, since the disk takes none. */
  private relaunch(ordinal: number, count: number): void {
    if (this.closing || this.retired.has(ordinal)) return;
    try {
      this.launch(ordinal, count);
    } catch (error) {
      if (!(error instanceof RingletError)) throw error;
      this.lastError = error;
      this.launchAfter(ordinal, false, count - 1);
    }
  }

  private launchAfter(ordinal: number, wasReady: boolean, count: number): void {
    const delayMs = wasReady ? 0 : Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(count, 10));
    setTimeout(() => this.relaunch(ordinal, count + 1), delayMs).unref();
  }

  private readonly look = (): void => {
    this.hung.look(this.current);
    this.current.forEach((incarnation, ordinal) => {
      if (!incarnation.isReady) return;
      void this.watches[ordinal]?.look().then((reason) => {
        if (reason !== undefined && incarnation.isReady) this.lostUnder(ordinal, incarnation, reason);
      });
    });
  };

  /**
   * The files of a thread are gone, though it has them open. It is replaced by one that its peers
   * rebuild, or, where it is the last that has something, fenced until they could.
   */
  private lostUnder(ordinal: number, incarnation: Incarnation, reason: string): void {
    if (this.closing || this.retired.has(ordinal) || incarnation.lost !== undefined) return;
    if (this.caretaker?.claimLoss(ordinal) === true) {
      incarnation.lost = reason;
      incarnation.terminate();
      return;
    }
    if (incarnation.fenced) return;
    incarnation.fenced = true;
    this.lastError = new RingletError('DATA_CORRUPT', reason, { vnode: this.assignments[ordinal]!.base.id });
    incarnation.tell({ type: 'fence', reason });
  }

  /** Whether a virtual node is to stay down for now; whoever says so calls `resume` later. */
  protected holdsDown(_ordinal: number, _resume: () => void): boolean {
    return false;
  }

  /** It is no longer held down. */
  protected release(_ordinal: number): void {
    // Nothing is, here.
  }

  protected readyAt(ordinal: number): Incarnation | undefined {
    const incarnation = this.current.get(ordinal);
    return incarnation?.isReady === true ? incarnation : undefined;
  }

  protected directoryOf(ordinal: number): string | undefined {
    return this.disks[ordinal]?.directory;
  }

  /** Stops every thread cooperatively; the clean marks of those that could move everything to the engine. */
  async stop(): Promise<readonly (CleanState | undefined)[]> {
    this.closing = true;
    clearInterval(this.watch);
    await Promise.all(Array.from(this.current, ([ordinal, last]) => this.stopOne(ordinal, last)));
    await this.pool.destroy();
    const marks: (CleanState | undefined)[] = [];
    this.current.forEach(({ mark }, ordinal) => (marks[ordinal] = mark));
    return marks;
  }

  /**
   * What a thread that did not end in good order has left in its object buffer alone, acknowledged writes among it,
   * a successor takes to the disk. One only: where that one fails too, nothing can be done any more.
   */
  private async stopOne(ordinal: number, last: Incarnation): Promise<void> {
    await last.stop();
    await this.losing.get(ordinal);
    if (last.hasStopped || last.loss !== undefined || this.retired.has(ordinal)) return;
    if (this.disks[ordinal]?.restarted !== true || !hasUnsynced(this.assignments[ordinal]!.base.buffer))
      return;
    const count = Atomics.load(this.control, this.layout.vnodeWord(ordinal) + VNODE_INCARNATION);
    try {
      await this.begin(ordinal, count + 1).stop();
    } catch (error) {
      if (!(error instanceof RingletError)) throw error;
      this.lastError = error;
    }
  }
}

function hasUnsynced(buffer: SharedArrayBuffer): boolean {
  const words = new Int32Array(buffer);
  return loadCounter(words, APPENDED) > loadCounter(words, SYNCED);
}

/** What the disk is to the thread after the one that was given this. */
function nextDisk(disk: VnodeDisk | undefined): VnodeDisk | undefined {
  return disk && { ...disk, mayCreate: false, clean: undefined, restarted: true, emptyBuffer: false };
}

function withoutLoss(disk: VnodeDisk | undefined): VnodeDisk | undefined {
  return disk && { ...disk, loss: undefined };
}
