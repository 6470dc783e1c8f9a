import { availableParallelism } from 'node:os';
import { receiveMessageOnPort } from 'node:worker_threads';
import { RingletError, type ErrorFields } from '../base/errors.js';
import { threadClock } from '../base/thread-clock.js';
import { FaultTable } from '../messaging/fault-table.js';
import { FaultyEndpoint } from '../messaging/faults.js';
import {
  SharedLayout,
  STATE_FAULTED,
  STATE_REBUILDING,
  STATE_RECOVERING,
  STATE_SERVING,
  STATE_STOPPED,
  VNODE_CONTROL,
  VNODE_COUNTERS,
  VNODE_HEARTBEAT,
} from '../messaging/layout.js';
import { RingTable } from '../messaging/ring-table.js';
import { Lookout } from '../messaging/lookout.js';
import { RingEndpoint } from '../messaging/ring-endpoint.js';
import { nextTurn, Sleeper } from '../messaging/sleeper.js';
import { setVnodeState } from '../messaging/reader-epoch.js';
import { ringOfState } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import type { Endpoint } from '../messaging/transport.js';
import { BufferLayout, SEG_LOG } from '../storage/buffer-layout.js';
import { freeBytes } from '../storage/data-files.js';
import { type ArmedDiskFault, FaultyEngine } from '../storage/faulty-disk.js';
import { freeAll, ObjectBuffer, unlinkAll } from '../storage/object-buffer.js';
import { Pipeline } from '../storage/pipeline.js';
import { Reclaimer } from '../storage/readers.js';
import { Completions } from './completions.js';
import type { DiskStorage } from './disk-storage.js';
import { COUNT_JOURNAL_FAILURES, type VnodeEnvironment } from './environment.js';
import { threadEnvironment } from './thread-environment.js';
import { commitFault, corruptFiles, hangFor, type ThreadFault } from './thread-faults.js';
import { ThreadMeter } from './thread-meter.js';
import { VirtualNode } from './virtual-node.js';
import type { CleanState, FromVnode, ToVnode, VnodeDisk, VnodeTask } from './worker-protocol.js';

const CHECKPOINT_MS = 10_000;
/** The longest sleep: the heartbeat moves at least this often. */
const HEARTBEAT_MS = 1_000;
/** A thread whose engine or journal has failed serves reads for so long, then makes room for one that opens both anew. */
const REOPEN_MS = 2_000;
/** Completions that nobody waits for are let in this often. */
const COMPLETIONS_MS = 2;
/** How long a graceful stop waits for requests in progress. */
const STOP_MS = 5_000;

/** A worker thread that serves one virtual node: a loop around `poll`. */
class VnodeThread {
  private readonly task: VnodeTask;
  private readonly clock = threadClock();
  private readonly layout: SharedLayout;
  private readonly control: Int32Array;
  private readonly table: RingTable;
  /** As it was at the start of this thread. */
  private readonly ring: Ring;
  private readonly base: number;
  private readonly endpoint: Endpoint;
  /** The same, if the store was opened with faults allowed. */
  private readonly faulty: FaultyEndpoint | undefined;
  private readonly sleeper: Sleeper;
  /** When native completions were let in last. */
  private letInMs = 0;
  private readonly meter: ThreadMeter;
  private stopping = false;
  private readonly freshActors: number[];
  private askedForActors = false;
  /** What its disk is made to do; only where faults are allowed. */
  private readonly diskFault: ArmedDiskFault | undefined;
  /** Its files are to be damaged as soon as nobody writes them. */
  private corrupting = false;
  /** A fault to commit inside the next put. */
  private armed: ThreadFault | undefined;
  private pipeline: Pipeline | undefined;
  /** When engine or journal were first seen to have failed; 0: they have not. */
  private failedMs = 0;

  constructor(task: VnodeTask) {
    this.task = task;
    this.freshActors = [...task.freshActors];
    this.layout = new SharedLayout(task.shared.shape);
    this.control = new Int32Array(task.shared.control);
    this.base = this.layout.vnodeWord(task.ordinal);
    this.table = new RingTable(task.shared.control, task.shared.topology);
    this.ring = ringOfState(this.table.read());
    const rings = new RingEndpoint(task.shared, task.ordinal, this.ring.vnodes.length);
    if (task.shared.faults !== undefined) {
      const table = new FaultTable(task.shared.faults, task.shared.shape.vnodes);
      this.faulty = new FaultyEndpoint(rings, { table, nowMs: this.clock.nowMs, random: Math.random });
      this.diskFault = () => table.readDisk(task.ordinal);
    }
    this.endpoint = this.faulty ?? rings;
    const hasControl = (): boolean => Atomics.load(this.control, this.base + VNODE_CONTROL) !== 0;
    this.meter = new ThreadMeter(task);
    const { control, layout, endpoint, clock } = this;
    const lookout = new Lookout(control, layout, endpoint, clock.nowMs, availableParallelism());
    this.sleeper = new Sleeper(control, layout, endpoint, hasControl, lookout);
  }

  async run(): Promise<void> {
    this.setState(STATE_RECOVERING);
    const { task } = this;
    const started = this.clock.nowMs();
    const reclaimer = new Reclaimer(this.control, this.layout);
    if (task.disk?.emptyBuffer === true) await this.emptyBuffer(reclaimer);
    const buffer = new ObjectBuffer(task.buffer, new BufferLayout(task.bufferShape), reclaimer);
    const storage = task.disk && (await this.openStorage(task.disk, buffer));
    const completions = new Completions();
    const checkpointMs = task.pace.checkpointMs ?? CHECKPOINT_MS;
    const options = {
      flushMs: task.flushMs,
      foregroundP99Ms: task.foregroundP99Ms,
      checkpointMs,
      // Those of all at once would take the disk and the cores from every request for seconds.
      checkpointPhaseMs: (checkpointMs * task.ordinal) / this.ring.vnodes.length,
      nowMs: () => this.clock.nowMs(),
      onProgress: this.sleeper.wake,
    };
    const pipeline = new Pipeline(buffer, storage, options, (token) => completions.reached(token));
    completions.pipeline = pipeline;
    this.pipeline = pipeline;
    if (task.disk?.restarted === true) {
      storage!.journal.adopt();
      while (pipeline.rehoming) await this.sleeper.onEventLoop(HEARTBEAT_MS);
    }
    const loss = task.disk?.loss;
    const vnode = new VirtualNode({
      env: this.environment(),
      pipeline,
      completions,
      engine: storage?.engine,
      actor: task.actor,
      dotFloor: task.disk?.clean?.dotFloor ?? 0,
      maxRecordBytes: task.maxRecordBytes,
      scrub: task.pace.scrub,
      exchangeMs: task.pace.exchangeMs,
      silenceMs: task.silenceMs,
      loss,
      onWhole: () => {
        this.setState(STATE_SERVING);
        this.send({ type: 'whole' });
      },
    });
    this.setState(loss === undefined ? STATE_SERVING : STATE_REBUILDING);
    this.send({
      type: 'ready',
      recoveredRecords: storage?.recovered.records ?? 0,
      recoveryMs: this.clock.nowMs() - started,
    });
    await this.serve(vnode, pipeline, storage);
    this.setState(STATE_STOPPED);
    const mark = storage && (await this.drain(vnode, pipeline, storage, completions));
    this.send({ type: 'stopped', mark });
  }

  /** Readers of other threads may still look at a record: nothing is written over before they are done. */
  private async emptyBuffer(reclaimer: Reclaimer): Promise<void> {
    const layout = new BufferLayout(this.task.bufferShape);
    unlinkAll(this.task.buffer, layout);
    const epoch = reclaimer.retire();
    while (!reclaimer.passed(epoch)) await this.sleeper.onEventLoop(1);
    freeAll(this.task.buffer, layout);
  }

  private async serve(
    vnode: VirtualNode,
    pipeline: Pipeline,
    storage: DiskStorage | undefined,
  ): Promise<void> {
    const { clock, control } = this;
    let stopBy = Number.POSITIVE_INFINITY;
    for (;;) {
      this.takeControl();
      const now = clock.nowMs();
      const next = vnode.poll(now);
      Atomics.add(control, this.base + VNODE_HEARTBEAT, 1);
      if (this.stopping) {
        if (stopBy === Number.POSITIVE_INFINITY) stopBy = now + STOP_MS;
        if ((!vnode.waiting && this.endpoint.idle()) || now > stopBy) return;
      }
      if (storage !== undefined) this.giveUpIfFailed(pipeline, storage, now);
      if (this.corrupting) this.corrupt(storage);
      const wakeMs = this.faulty === undefined ? next : Math.min(next, this.faulty.nextMs);
      const endMs = clock.nowMs();
      if (this.meter.turned(endMs - now, endMs)) await nextTurn();
      const sleepMs = Math.min(wakeMs - endMs, HEARTBEAT_MS);
      if (pipeline.inFlight) {
        this.countFailures(pipeline);
        if (sleepMs <= 0) await nextTurn();
        else if (pipeline.urgent || this.stopping) await this.sleeper.onEventLoop(sleepMs);
        else {
          // A checkpoint has time, and so has a sync that nobody waits for: the short wake-up, and a look now and then.
          this.sleeper.block(Math.min(sleepMs, COMPLETIONS_MS));
          if (clock.nowMs() - this.letInMs >= COMPLETIONS_MS) await this.letIn();
        }
      } else if (sleepMs > 0 && !this.stopping) {
        this.sleeper.block(sleepMs);
      } else if (this.stopping) {
        await nextTurn();
      }
    }
  }

  /** LMDB is loaded here, by those who have a disk: without it a store in memory starts sooner. */
  private async openStorage(disk: VnodeDisk, buffer: ObjectBuffer): Promise<DiskStorage> {
    const { openDiskStorage } = await import('./disk-storage.js');
    const hooks = { fault: this.diskFault, wake: this.sleeper.wake };
    return await openDiskStorage(this.task.id, disk, buffer, hooks);
  }

  /**
   * Neither an engine nor a journal gets over a failure; a new thread on the same object buffer
   * may. On a full disk it could only fail again and serve nothing meanwhile: then this one stays
   * until there is room for the journal that its successor will write.
   *
   * @throws the failure, when it is time
   */
  private giveUpIfFailed(pipeline: Pipeline, { journal }: DiskStorage, nowMs: number): void {
    if (pipeline.fenced !== undefined || (!pipeline.engineFailed && journal.health !== 'failed')) return;
    if (this.failedMs === 0) this.failedMs = nowMs;
    if (this.stopping || nowMs - this.failedMs < REOPEN_MS) return;
    this.failedMs = nowMs;
    const { error, buffer } = pipeline;
    const full = error instanceof RingletError && error.code === 'STORE_FULL';
    const { segments, segmentBytes } = buffer.layout.shape;
    const needBytes = (Math.min(segments, buffer.count(SEG_LOG)) + 2) * segmentBytes;
    if (full && this.diskFault?.()?.full === true) return;
    if (full && freeBytes(this.task.disk!.directory) < needBytes) return;
    throw error ?? new RingletError('IO', `the storage of virtual node ${this.task.id} failed`);
  }

  private corrupt(storage: DiskStorage | undefined): void {
    const engine = storage?.engine;
    if (!(engine instanceof FaultyEngine) || !engine.idle) return;
    this.corrupting = false;
    corruptFiles(this.task.disk!.directory, engine, this.ring.partitions);
  }

  /** Everything to the engine, and what the next start needs to know. */
  private async drain(
    vnode: VirtualNode,
    pipeline: Pipeline,
    storage: DiskStorage,
    completions: Completions,
  ): Promise<CleanState | undefined> {
    const { buffer } = pipeline;
    const progress = { settled: false };
    progress.settled = !completions.awaitEngine(() => {
      progress.settled = true;
    });
    while (!progress.settled && !pipeline.engineFailed && storage.journal.health === 'healthy') {
      pipeline.begin(this.clock.nowMs());
      pipeline.end(this.clock.nowMs());
      if (pipeline.inFlight) await this.sleeper.onEventLoop(50);
      else await nextTurn();
    }
    if (progress.settled) pipeline.begin(this.clock.nowMs());
    await storage.engine.close();
    storage.files.close();
    const { dotFloor } = vnode;
    const actor = vnode.actor ?? this.freshActor();
    if (!progress.settled || actor === undefined || pipeline.fenced !== undefined) return undefined;
    const { count, root } = storage.engine.state;
    return {
      generation: buffer.generation,
      count,
      root,
      nextSequence: buffer.lastSequence + 1,
      actor,
      dotFloor,
    };
  }

  private environment(): VnodeEnvironment {
    const { task, layout, control, table, ring, endpoint, clock } = this;
    return threadEnvironment({
      task,
      layout,
      control,
      table,
      ring,
      endpoint,
      clock,
      onTick: () => {
        if (this.armed !== undefined) commitFault(this.armed);
      },
      random: Math.random,
      freshActor: () => this.freshActor(),
      report: (facts) => this.send({ type: 'facts', facts }),
    });
  }

  private freshActor(): number | undefined {
    const actor = this.freshActors.shift();
    if (this.freshActors.length === 0 && !this.askedForActors) {
      this.askedForActors = true;
      this.send({ type: 'actors' });
    }
    return actor;
  }

  private async letIn(): Promise<void> {
    await nextTurn();
    this.letInMs = this.clock.nowMs();
  }

  private countFailures(pipeline: Pipeline): void {
    Atomics.store(
      this.control,
      this.base + VNODE_COUNTERS + COUNT_JOURNAL_FAILURES,
      pipeline.journalFailures,
    );
  }

  private takeControl(): void {
    if (Atomics.load(this.control, this.base + VNODE_CONTROL) === 0) return;
    Atomics.store(this.control, this.base + VNODE_CONTROL, 0);
    for (;;) {
      const received = receiveMessageOnPort(this.task.port);
      if (received === undefined) return;
      const message = received.message as ToVnode;
      if (message.type === 'stop') this.stopping = true;
      else if (message.type === 'actors') {
        this.askedForActors = false;
        this.freshActors.push(...message.actors);
      } else if (message.type === 'fence') {
        this.pipeline?.fence(new RingletError('IO', message.reason, { vnode: this.task.id }));
      } else if (!this.task.faults) continue;
      else if (message.type === 'hang') hangFor(message.forMs);
      else if (message.type === 'corrupt') this.corrupting = true;
      else if (message.place === 'loop') commitFault(message.fault);
      else this.armed = message.fault;
    }
  }

  private setState(state: number): void {
    setVnodeState(this.control, this.layout, this.task.ordinal, state);
  }

  private send(message: FromVnode): void {
    this.task.port.postMessage(message);
  }
}

/**
 * Entry of the worker thread. A failure of any kind ends the whole thread, so that nothing of it
 * can still write when its successor takes the object buffer over.
 */
export default async function serveVnode(task: VnodeTask): Promise<void> {
  const thread = new VnodeThread(task);
  try {
    await thread.run();
  } catch (error) {
    report(task, error);
    // The message is on its way once the thread has been back in its event loop.
    await nextTurn();
    process.exit(1);
  } finally {
    task.port.close();
  }
}

function report(task: VnodeTask, error: unknown): void {
  const control = new Int32Array(task.shared.control);
  const layout = new SharedLayout(task.shared.shape);
  setVnodeState(control, layout, task.ordinal, STATE_FAULTED);
  const fields: ErrorFields =
    error instanceof RingletError
      ? error.toJSON()
      : {
          code: 'INTERNAL',
          message: `virtual node ${task.id}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
          details: { vnode: task.id },
          retryable: false,
          maybeApplied: false,
        };
  task.port.postMessage({ type: 'failed', error: fields } satisfies FromVnode);
}
