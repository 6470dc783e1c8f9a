import type { Clock } from '../base/time.js';
import type { Claims } from '../messaging/claims.js';
import type { HybridClock } from '../messaging/hybrid-clock.js';
import type { Ring } from '../ring/ring.js';
import type { Loss } from '../shard/rebuilding.js';
import type { RingSource } from '../shard/ring-source.js';
import { keyOfRecord } from '../shard/key-name.js';
import { Completions } from '../shard/completions.js';
import type { ScrubPace } from '../shard/scrub.js';
import type { Trees } from '../shard/trees/trees.js';
import type { VirtualNode } from '../shard/virtual-node.js';
import { type BufferLayout, LOG_SEGMENT, SEG_LOG, SEG_STATE } from '../storage/buffer-layout.js';
import type { Journal } from '../storage/journal.js';
import type { ObjectBuffer } from '../storage/object-buffer.js';
import type { Pipeline } from '../storage/pipeline.js';
import type { Place } from '../storage/record-codec.js';
import type { Reclaimer } from '../storage/readers.js';
import { recoverySteps, type Recovered } from '../storage/recovery.js';
import { type CleanMark, CleanStop } from './clean-stop.js';
import { type DiskWorld, SimDisk } from './disk.js';
import { SimEngine } from './engine.js';
import type { SimBucket } from './history.js';
import type { VnodeFiles } from './machine.js';
import type { SimEndpoint } from './network.js';
import { dyingAfter, Stopped } from './one-thread.js';
import type { Parts } from './parts.js';

const FLUSH_MS = 20;
/** As in shard/worker.ts: a thread whose storage has failed serves reads so long and then makes room. */
const REOPEN_MS = 2_000;
const HEARTBEAT_MS = 1_000;
/** Six hours between two passes would be more than a run has. */
const SCRUB: ScrubPace = { pauseMs: 200, everyMs: 15_000 };
/** How long a clean stop waits for requests under way. */
const STOP_MS = 5_000;

export interface ThreadWorld {
  readonly parts: Parts;
  readonly ring: Ring;
  readonly ringSource: RingSource;
  readonly claims: Claims;
  readonly hybrid: HybridClock;
  readonly clock: Clock;
  readonly buckets: readonly SimBucket[];
  readonly disk: DiskWorld;
  readonly files: VnodeFiles;
  readonly ordinal: number;
  readonly memory: SharedArrayBuffer;
  readonly layout: BufferLayout;
  readonly reclaimer: Reclaimer;
  readonly endpoint: SimEndpoint;
  readonly actor: number;
  readonly maxRecordBytes: number;
  readonly checkpointMs: number;
  /** Takes over the buffer of a thread that died; else the journal is recovered. */
  readonly takesOver: boolean;
  readonly sameBoot: boolean;
  /** What a clean stop left. */
  readonly clean: CleanMark | undefined;
  /** It is without its data, and to be rebuilt from its peers. */
  readonly loss: Loss | undefined;
  readonly incarnation: number;
  expiryMs(): number;
  isServing(vnode: number): boolean;
  isWhole(vnode: number): boolean;
  /** A number that nobody has had, for puts of a fallback. */
  freshActor(): number;
  holdsHintsFor(owner: number, holds: boolean): void;
  hasHintsFor(holder: number, owner: number): boolean;
  /** Recovery or the journal's rewriting is done: from now on it serves. */
  onServing(): void;
  /** It has everything again that it had lost. */
  onWhole(): void;
  /** Recovery found damage, or could not write. */
  onFailed(error: unknown): void;
  /** A key is about to be let go. */
  onRemove(place: Place, key: Uint8Array): void;
  /** A tombstone is about to count in no tree any more. */
  onHide(bucket: number, key: Uint8Array): void;
  /** Something completed: another turn, soon. */
  wake(): void;
}

/** The simulated thread of one virtual node: what shard/worker.ts does, on the virtual clock. */
export class VnodeThread {
  readonly actor: number;
  readonly buffer: ObjectBuffer;
  readonly engine: SimEngine;
  readonly disk: SimDisk;
  readonly journal: Journal;
  readonly pipeline: Pipeline;
  node: VirtualNode | undefined;
  readonly endpoint: SimEndpoint;
  private readonly world: ThreadWorld;
  private readonly completions = new Completions();
  private recovering: Generator<unknown, Recovered, void> | undefined;
  private failedMs = 0;
  private stopping: CleanStop | undefined;
  private dead = false;
  /** It stands still until then. */
  stalledUntilMs = 0;
  /** It dies before so many more stores, in its next turn. */
  storesLeft = Number.POSITIVE_INFINITY;

  constructor(world: ThreadWorld) {
    const { parts, files } = world;
    this.world = world;
    this.actor = world.actor;
    this.endpoint = world.endpoint;
    this.buffer = parts.buffer(world.memory, world.layout, world.reclaimer);
    this.engine = new SimEngine(files.engine, world.disk);
    this.disk = new SimDisk(files.journal, world.disk);
    this.journal = parts.journal(this.buffer, this.disk, world.wake);
    const options = {
      flushMs: FLUSH_MS,
      checkpointMs: world.checkpointMs,
      nowMs: () => world.clock.nowMs(),
      onProgress: world.wake,
    };
    const backing = { journal: this.journal, engine: this.engine };
    this.pipeline = parts.pipeline(this.buffer, backing, options, (token) => this.completions.reached(token));
    this.completions.pipeline = this.pipeline;
    const remove = this.pipeline.remove.bind(this.pipeline);
    this.pipeline.remove = (place, keyWords, key) => {
      world.onRemove(place, key);
      return remove(place, keyWords, key);
    };
  }

  start(): void {
    if (this.world.takesOver) {
      this.journal.adopt();
      this.serveIfReady();
      return;
    }
    this.recovering = recoverySteps(
      this.disk.existing(),
      this.engine,
      this.world.sameBoot,
      `vnode ${this.world.ordinal}`,
    );
    this.recover(this.recovering);
  }

  private recover(steps: Generator<unknown, Recovered, void>): void {
    let step: IteratorResult<unknown, Recovered>;
    try {
      step = steps.next();
    } catch (error) {
      this.world.onFailed(error);
      return;
    }
    if (step.done !== true) {
      this.engine.commit(step.value as Parameters<SimEngine['commit']>[0], (error) => {
        if (error === undefined) this.recover(steps);
        else this.world.onFailed(error);
      });
      return;
    }
    const { lastSequence, lastGeneration, lastSerial } = step.value;
    this.recovering = undefined;
    this.disk.removeExisting();
    const last = Math.max(lastSequence, (this.world.clean?.nextSequence ?? 1) - 1);
    const serial = Math.max(lastSerial, this.engine.state.confirmedSerial);
    this.buffer.startAt(last, lastGeneration + 1, serial);
    this.serve();
  }

  /** The log has a segment that is full and that the engine does not have. */
  get hasFullSegment(): boolean {
    const { words, layout } = this.buffer;
    const open = this.buffer.segment(LOG_SEGMENT);
    for (let s = 0; s < layout.shape.segments; s++)
      if (s !== open && words[layout.segmentWord(s) + SEG_STATE] === SEG_LOG) return true;
    return false;
  }

  get isRecovering(): boolean {
    return this.recovering !== undefined;
  }

  private serveIfReady(): void {
    if (this.node === undefined && this.recovering === undefined && !this.pipeline.rehoming) this.serve();
  }

  private serve(): void {
    const { world, pipeline, completions, engine, actor } = this;
    this.node = world.parts.virtualNode({
      env: {
        ordinal: world.ordinal,
        ring: world.ring,
        ringSource: world.ringSource,
        endpoint: world.endpoint,
        claims: world.claims,
        clock: world.clock,
        tick: () => world.hybrid.tick(),
        expiryMs: () => world.expiryMs(),
        isServing: (vnode) => world.isServing(vnode),
        isWhole: (vnode) => world.isWhole(vnode),
        replicasOf: (number) => world.buckets.find((bucket) => bucket.number === number)?.n ?? 0,
        ruleOf: (number) => world.buckets.find((bucket) => bucket.number === number)?.rule ?? 0,
        incarnation: world.incarnation,
        publishSuspicion: () => undefined,
        publishMembership: () => undefined,
        retains: () => false,
        freshActor: () => world.freshActor(),
        holdsHintsFor: (owner, holds) => world.holdsHintsFor(owner, holds),
        hasHintsFor: (holder, owner) => world.hasHintsFor(holder, owner),
        random: () => world.disk.random.unit(),
        count: () => undefined,
        gauge: () => undefined,
      },
      pipeline,
      completions,
      engine,
      actor,
      dotFloor: world.clean?.dotFloor ?? 0,
      maxRecordBytes: world.maxRecordBytes,
      scrub: SCRUB,
      loss: world.loss,
      onWhole: () => world.onWhole(),
    });
    this.tellOfHidden(this.node.trees);
    world.onServing();
  }

  private tellOfHidden(trees: Trees): void {
    const hide = trees.hide.bind(trees);
    trees.hide = (words, at) => {
      const { bucket, key } = keyOfRecord(words, at);
      this.world.onHide(bucket, key);
      hide(words, at);
    };
  }

  /**
   * One turn. Returns the time of the next, at the latest.
   * @throws Stopped where it dies; anything else is the product's fault
   */
  turn(nowMs: number): number {
    if (nowMs < this.stalledUntilMs) return this.stalledUntilMs;
    if (this.node === undefined) {
      this.serveIfReady();
      return nowMs + HEARTBEAT_MS;
    }
    if (this.stopping !== undefined) return this.stopping.turn(nowMs);
    const next = this.poll(this.node, nowMs);
    this.giveUpIfFailed(nowMs);
    return Math.min(next, nowMs + HEARTBEAT_MS);
  }

  /** Requests under way end, then everything goes to the engine; no mark if it cannot. */
  stop(done: (mark: CleanMark | undefined) => void): void {
    const { node, pipeline, completions, journal, endpoint } = this;
    if (node === undefined) {
      done(undefined);
      return;
    }
    const deadlineMs = this.world.clock.nowMs() + STOP_MS;
    this.stopping = new CleanStop({
      node,
      pipeline,
      completions,
      journal,
      endpoint,
      deadlineMs,
      done,
    });
    this.world.wake();
  }

  private poll(node: VirtualNode, nowMs: number): number {
    if (this.storesLeft === Number.POSITIVE_INFINITY) return node.poll(nowMs);
    let next = nowMs;
    this.storesLeft = dyingAfter(this.storesLeft, () => {
      next = node.poll(nowMs);
    });
    return next;
  }

  private giveUpIfFailed(nowMs: number): void {
    if (!this.pipeline.engineFailed && this.journal.health !== 'failed') return;
    if (this.failedMs === 0) this.failedMs = nowMs;
    if (nowMs - this.failedMs < REOPEN_MS) return;
    this.failedMs = nowMs;
    // On a full disk a new thread could only fail again.
    if (!this.world.disk.condition.full) throw new Stopped('its storage failed');
  }

  /** Nobody is called back any more; what the engine had under way ends as it may. */
  die(): void {
    if (this.dead) return;
    this.dead = true;
    this.disk.close();
    this.engine.crash();
  }
}
