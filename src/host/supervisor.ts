import { rmSync } from 'node:fs';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { errorFrom, RingletError } from '../base/errors.js';
import type { RingFact } from '../ring/change.js';
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
import { VNODE_READER_EPOCH } from '../storage/readers.js';
import type { ScrubPace } from '../shard/scrub.js';
import type { FaultPlace, ThreadFault } from '../shard/thread-faults.js';
import type { CleanState, FromVnode, ToVnode, VnodeDisk, VnodeTask } from '../shard/worker-protocol.js';
import { pathsIn } from './data-layout.js';
import { DirectoryWatch } from './directory-watch.js';
import { Endings } from './endings.js';
import { VNODE_WORKER } from './worker-url.js';

/** A virtual node that never says "ready" or "stopped" is given up after so long. */
const START_MS = 120_000;
const STOP_MS = 15_000;
/** Without a heartbeat for so long a thread counts as hung and is terminated. */
const HUNG_MS = 10_000;
const WATCH_MS = 1_000;
const BACKOFF_MS = 50;
const MAX_BACKOFF_MS = 5_000;

/** Actor numbers that a thread has besides its first one, and is given when it asks for more. */
const FRESH_ACTORS = 4;

/** For tests and for faults that are asked for; nothing of it is public. */
export interface Internals {
  /** The threads obey {@link Supervisor.inject}. */
  readonly faults?: boolean;
  /** Heap of a virtual node's thread. */
  readonly heapMiB?: number;
  readonly hungMs?: number;
  /** How often it is looked for threads that hang and files that are gone. */
  readonly watchMs?: number;
  /** Ends of a thread after which its data counts as damaged (endings.ts); those that are asked for count too. */
  readonly hopelessEnds?: number;
  readonly scrub?: ScrubPace;
}

/** What stays the same through all threads that serve a virtual node, and the disk of the first. */
export interface Assignment {
  readonly base: Omit<VnodeTask, 'port' | 'actor' | 'freshActors' | 'disk' | 'faults' | 'scrub'>;
  readonly disk: VnodeDisk | undefined;
  /** The actor of the first thread; every later one takes a fresh number. */
  readonly firstActor: number;
}

/** What the owner of the data directory does for the supervisor. */
export interface Caretaker {
  /** Whether the peers of a virtual node can rebuild it; then it counts as lost, and is to be ended. */
  claimLoss(ordinal: number): boolean;
  /**
   * The data of a virtual node is lost, and its thread gone: an empty directory in its place, to be
   * rebuilt from its peers.
   * @throws RingletError if they cannot; nothing was changed then
   */
  lose(ordinal: number, reason: string): Promise<VnodeDisk>;
  /** It was rebuilt. */
  whole(ordinal: number): void;
}

export interface Ready {
  readonly recoveredRecords: number;
  readonly recoveryMs: number;
}

interface Incarnation {
  readonly port: MessagePort;
  readonly abort: AbortController;
  readonly ready: Promise<Ready>;
  /** The thread has ended; nothing of it writes any more. */
  readonly gone: Promise<void>;
  mark: CleanState | undefined;
  error: RingletError | undefined;
  isReady: boolean;
  /** Why its data counts as lost. */
  lost: string | undefined;
  /** Its end was asked for. */
  wanted: boolean;
  /** Told to take nothing more. */
  fenced: boolean;
}

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
  private readonly internals: Internals;
  private readonly watchMs: number;
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  /** By slot. */
  private readonly current = new Map<number, Incarnation>();
  private readonly watch: NodeJS.Timeout;
  /** Virtual nodes that stay down for a while, and how to start them once their thread is gone. */
  private readonly holds = new Map<number, { timer: NodeJS.Timeout; resume: (() => void) | undefined }>();
  private closing = false;
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
      minThreads: assignments.length,
      maxThreads: shared.shape.vnodes,
      concurrentTasksPerWorker: 1,
      idleTimeout: Infinity,
      atomics: 'disabled',
      recordTiming: false,
      ...(internals.heapMiB === undefined
        ? {}
        : { resourceLimits: { maxOldGenerationSizeMb: internals.heapMiB } }),
    });
    // A dead worker also rejects its task, which is where it is dealt with.
    this.pool.on('error', () => undefined);
    this.watchMs = internals.watchMs ?? Math.min(WATCH_MS, this.hungMs / 4);
    this.watch = setInterval(this.look, this.watchMs);
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
      const loss = lossOf(first);
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
    this.tell(ordinal, incarnation.port, { type: 'stop' });
    const timer = setTimeout(() => incarnation.isReady && incarnation.abort.abort(), STOP_MS);
    await incarnation.gone;
    clearTimeout(timer);
    incarnation.port.close();
    this.current.delete(ordinal);
    // It holds hints for nobody, whatever it said while it looked for them.
    for (let vnode = 0; vnode < this.layout.shape.vnodes; vnode++)
      setVnodeBit(this.control, this.layout.vnodeWord(vnode) + VNODE_HINTED, ordinal, false);
    setVnodeState(this.control, this.layout, ordinal, STATE_STOPPED);
  }

  private launch(ordinal: number, count: number): Incarnation {
    const { base, firstActor } = this.assignments[ordinal]!;
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
      scrub: this.internals.scrub,
      actor: count === 1 ? firstActor : this.freshActor(),
      freshActors: this.freshActors(),
      disk,
      port: port2,
    };
    const run = this.pool.run(task, { transferList: [port2], signal: abort.signal }) as Promise<void>;
    const incarnation = this.follow(ordinal, port1, abort, run);
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

  private follow(
    ordinal: number,
    port: MessagePort,
    abort: AbortController,
    run: Promise<void>,
  ): Incarnation {
    const id = this.assignments[ordinal]!.base.id;
    let resolveReady!: (ready: Ready) => void;
    let rejectReady!: (error: RingletError) => void;
    const ready = new Promise<Ready>((resolve, reject) => {
      resolveReady = resolve;
      rejectReady = reject;
    });
    ready.catch(() => undefined);
    const closed = new Promise<void>((resolve) => {
      port.once('close', resolve);
    });
    const timer = setTimeout(() => {
      rejectReady(
        new RingletError('INTERNAL', `virtual node ${id} did not start within ${START_MS} ms`, { vnode: id }),
      );
    }, START_MS);
    const settled = run.catch((error: unknown) => {
      incarnation.error ??= new RingletError('INTERNAL', `virtual node ${id} ended: ${String(error)}`, {
        vnode: id,
      });
    });
    const gone = Promise.all([closed, settled]).then(() => {
      clearTimeout(timer);
      rejectReady(
        incarnation.error ??
          new RingletError('INTERNAL', `virtual node ${id} ended before it was ready`, { vnode: id }),
      );
    });
    const incarnation: Incarnation = {
      port,
      abort,
      ready,
      gone,
      mark: undefined,
      error: undefined,
      isReady: false,
      lost: undefined,
      wanted: false,
      fenced: false,
    };
    port.on('message', (message: FromVnode) => {
      switch (message.type) {
        case 'ready':
          clearTimeout(timer);
          incarnation.isReady = true;
          // The next thread finds the directory and the object buffer as this one leaves them.
          this.disks[ordinal] = nextDisk(this.disks[ordinal]);
          this.watches[ordinal]?.begin();
          resolveReady(message);
          return;
        case 'whole':
          this.disks[ordinal] = withoutLoss(this.disks[ordinal]);
          this.caretaker?.whole(ordinal);
          return;
        case 'actors':
          this.tell(ordinal, port, { type: 'actors', actors: this.freshActors() });
          return;
        case 'facts':
          this.onFacts(message.facts);
          return;
        case 'failed':
          incarnation.error = errorFrom(message.error);
          rejectReady(incarnation.error);
          return;
        case 'stopped':
          incarnation.mark = message.mark;
          return;
      }
    });
    return incarnation;
  }

  /** A thread is gone. Unless the store closes, or it never was ready at all, another takes over. */
  private ended(ordinal: number, incarnation: Incarnation, count: number): void {
    this.lastError = incarnation.error ?? this.lastError;
    if (this.closing || this.retired.has(ordinal)) return;
    const wasReady = incarnation.isReady;
    incarnation.isReady = false;
    setVnodeState(this.control, this.layout, ordinal, STATE_FAULTED);
    if (count === 1 && !wasReady) return;
    const hold = this.holds.get(ordinal);
    if (hold !== undefined) {
      setVnodeState(this.control, this.layout, ordinal, STATE_STOPPED);
      hold.resume = () => this.launch(ordinal, count + 1);
      return;
    }
    const loss = lossOf(incarnation) ?? this.hopelessAfter(ordinal, incarnation);
    if (loss !== undefined && this.caretaker !== undefined) {
      void this.replaceLost(ordinal, loss, count);
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
    if (!this.closing && !this.retired.has(ordinal)) this.launch(ordinal, count + 1);
  }

  private launchAfter(ordinal: number, wasReady: boolean, count: number): void {
    const delayMs = wasReady ? 0 : Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** Math.min(count, 10));
    setTimeout(() => {
      if (!this.closing && !this.retired.has(ordinal)) this.launch(ordinal, count + 1);
    }, delayMs).unref();
  }

  private readonly beats = new Map<number, { beat: number; sinceMs: number }>();
  private lastWatchMs = performance.now();

  private get hungMs(): number {
    return this.internals.hungMs ?? HUNG_MS;
  }

  /** A thread that does not even sleep and wake. When this very timer was late, the whole process was away. */
  private readonly look = (): void => {
    this.lookForHung();
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
      incarnation.abort.abort();
      return;
    }
    if (incarnation.fenced) return;
    incarnation.fenced = true;
    this.lastError = new RingletError('DATA_CORRUPT', reason, { vnode: this.assignments[ordinal]!.base.id });
    this.tell(ordinal, incarnation.port, { type: 'fence', reason });
  }

  private readonly lookForHung = (): void => {
    const nowMs = performance.now();
    const late = nowMs - this.lastWatchMs > 2 * this.watchMs;
    this.lastWatchMs = nowMs;
    this.current.forEach((incarnation, ordinal) => {
      const beat = Atomics.load(this.control, this.layout.vnodeWord(ordinal) + VNODE_HEARTBEAT);
      const known = this.beats.get(ordinal);
      if (known === undefined || known.beat !== beat || late || !incarnation.isReady) {
        this.beats.set(ordinal, { beat, sinceMs: nowMs });
      } else if (nowMs - known.sinceMs > this.hungMs) {
        incarnation.error = new RingletError('INTERNAL', 'the virtual node hung and was terminated', {
          hungMs: this.hungMs,
        });
        incarnation.abort.abort();
        this.beats.delete(ordinal);
      }
    });
  };

  /**
   * Terminates the thread of a virtual node: for tests, and for faults that are asked for. Not
   * before it is ready: a thread that ends while it loads the addon takes the process with it.
   */
  terminate(ordinal: number): boolean {
    const incarnation = this.current.get(ordinal);
    if (incarnation?.isReady !== true) return false;
    incarnation.wanted = true;
    incarnation.abort.abort();
    return true;
  }

  /** Asks the thread of a virtual node to harm itself; false unless the store was opened for that. */
  inject(ordinal: number, fault: ThreadFault, place: FaultPlace = 'loop'): boolean {
    const incarnation = this.current.get(ordinal);
    if (this.internals.faults !== true || incarnation?.isReady !== true) return false;
    incarnation.wanted = true;
    this.tell(ordinal, incarnation.port, { type: 'fault', fault, place });
    return true;
  }

  /** Has the thread of a virtual node do nothing for so long, or for ever. */
  hang(ordinal: number, forMs: number | undefined): boolean {
    return forMs === undefined ? this.inject(ordinal, 'hang') : this.harm(ordinal, { type: 'hang', forMs });
  }

  /** Has the thread of a virtual node damage its own files. */
  corrupt(ordinal: number): boolean {
    return this.disks[ordinal] !== undefined && this.harm(ordinal, { type: 'corrupt' });
  }

  private harm(ordinal: number, message: ToVnode): boolean {
    const incarnation = this.current.get(ordinal);
    if (this.internals.faults !== true || incarnation?.isReady !== true) return false;
    this.tell(ordinal, incarnation.port, message);
    return true;
  }

  /** Deletes the directory of a virtual node under its thread. */
  deleteFiles(ordinal: number): boolean {
    const disk = this.disks[ordinal];
    const isReady = this.current.get(ordinal)?.isReady === true;
    if (this.internals.faults !== true || disk === undefined || !isReady) return false;
    // The thread may make a file meanwhile.
    rmSync(disk.directory, { recursive: true, force: true, maxRetries: 5 });
    return true;
  }

  /** Terminates the thread of a virtual node and starts the next one only after `forMs`; again, it waits anew. */
  hold(ordinal: number, forMs: number): boolean {
    const held = this.holds.get(ordinal);
    if (this.internals.faults !== true || (held?.resume === undefined && !this.terminate(ordinal)))
      return false;
    clearTimeout(held?.timer);
    const timer = setTimeout(() => this.release(ordinal), forMs).unref();
    this.holds.set(ordinal, { timer, resume: held?.resume });
    return true;
  }

  /** Starts everything that is held down. */
  releaseAll(): void {
    for (const ordinal of Array.from(this.holds.keys())) this.release(ordinal);
  }

  /** A held virtual node gets its next thread. */
  release(ordinal: number): void {
    const hold = this.holds.get(ordinal);
    this.holds.delete(ordinal);
    clearTimeout(hold?.timer);
    if (!this.closing) hold?.resume?.();
  }

  private tell(ordinal: number, port: MessagePort, message: ToVnode): void {
    port.postMessage(message);
    Atomics.store(this.control, this.layout.vnodeWord(ordinal) + VNODE_CONTROL, 1);
    ring(this.control, this.layout, ordinal);
  }

  /** Stops every thread cooperatively; the clean marks of those that could move everything to the engine. */
  async stop(): Promise<readonly (CleanState | undefined)[]> {
    this.closing = true;
    clearInterval(this.watch);
    this.current.forEach(({ port }, ordinal) => {
      this.tell(ordinal, port, { type: 'stop' });
    });
    const current = Array.from(this.current.values());
    const all = Promise.all(current.map(({ gone }) => gone));
    const timer = setTimeout(() => {
      for (const { abort, isReady } of current) if (isReady) abort.abort();
    }, STOP_MS);
    await all;
    clearTimeout(timer);
    for (const { port } of current) port.close();
    await this.pool.destroy();
    const marks: (CleanState | undefined)[] = [];
    this.current.forEach(({ mark }, ordinal) => (marks[ordinal] = mark));
    return marks;
  }
}

/** Why the data that a thread has left counts as lost; undefined when the next one can go on with it. */
function lossOf({ lost, error }: Incarnation): string | undefined {
  return lost ?? (error?.code === 'DATA_CORRUPT' ? error.message : undefined);
}

/** What the disk is to the thread after the one that was given this. */
function nextDisk(disk: VnodeDisk | undefined): VnodeDisk | undefined {
  return disk && { ...disk, mayCreate: false, clean: undefined, restarted: true, emptyBuffer: false };
}

function withoutLoss(disk: VnodeDisk | undefined): VnodeDisk | undefined {
  return disk && { ...disk, loss: undefined };
}
