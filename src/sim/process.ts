import { RingletError } from '../base/errors.js';
import type { Clock } from '../base/time.js';
import type { Claims } from '../messaging/claims.js';
import { ExpiryClock } from '../messaging/expiry-clock.js';
import { HybridClock } from '../messaging/hybrid-clock.js';
import {
  allocateShared,
  SharedLayout,
  STATE_FAULTED,
  STATE_RECOVERING,
  STATE_SERVING,
  STATE_STARTING,
  STATE_STOPPED,
  STORE_READER_EPOCH,
  takesRequests,
  VNODE_HEARTBEAT,
  VNODE_HINTED,
  VNODE_INCARNATION,
  VNODE_STATE,
  type SharedBuffers,
} from '../messaging/layout.js';
import { hasVnodeBit, setVnodeBit } from '../messaging/vnode-bits.js';
import { RingTable } from '../messaging/ring-table.js';
import { RingEndpoint } from '../messaging/ring-endpoint.js';
import { slotsOf } from '../ring/state.js';
import { ringOfState } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import { BufferLayout, type BufferShape } from '../storage/buffer-layout.js';
import { SharedRingSource } from '../shard/ring-source.js';
import type { Place } from '../storage/record-codec.js';
import { Reclaimer, VNODE_READER_EPOCH } from '../storage/readers.js';
import { SimCaller } from './caller.js';
import type { CleanMark } from './clean-stop.js';
import type { SimBucket } from './history.js';
import type { Machine } from './machine.js';
import { Network, SimEndpoint } from './network.js';
import type { Parts } from './parts.js';
import { RingKeeper } from './ring-keeper.js';
import type { Random } from './random.js';
import type { Planned, Scheduler } from './scheduler.js';
import { Turns } from './turns.js';
import { Stopped, VnodeThread } from './vnode-thread.js';

export const BUFFER: BufferShape = {
  bytes: 16 * 65_536,
  segmentBytes: 65_536,
  segments: 16,
  maxTableBits: 14,
};
const CLAIMS = 4_096;
/** Room for virtual nodes: those of the start, and some that join. */
export const SLOTS = 22;

/** What a process tells the simulation. */
export interface ProcessWorld {
  readonly buckets: readonly SimBucket[];
  readonly parts: Parts;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly machine: Machine;
  readonly network: Network;
  readonly callers: number;
  /** n of every bucket, ascending. */
  readonly replicas: readonly number[];
  readonly checkpointMs: number;
  readonly commitMs: number;
  /** Zeros. */
  memoryFor(vnode: number, bytes: number): SharedArrayBuffer;
  note(text: string): void;
  violation(text: string): void;
  /** A virtual node has recovered its journal and begins to serve. */
  onRecovered(vnode: number): void;
  /** A virtual node has left, with all its files. */
  onGone(vnode: number): void;
  onRemove(vnode: number, place: Place, key: Uint8Array): void;
  onStartFailed(error: Error): void;
}

/** One life of the process: shared memory, a thread per virtual node, callers, and the supervisor's part. */
export class SimProcess {
  readonly parts: Parts;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly shared: SharedBuffers;
  readonly control: Int32Array;
  readonly layout: SharedLayout;
  readonly bufferLayout = new BufferLayout(BUFFER);
  readonly claims: Claims;
  readonly threads: (VnodeThread | undefined)[] = [];
  /** By slot. */
  readonly memories: SharedArrayBuffer[] = [];
  readonly memoryWords: Int32Array[] = [];
  readonly keeper: RingKeeper;
  private readonly table: RingTable;
  private known: Ring | undefined;
  private readonly retired = new Set<number>();
  /** Those of the start that do not serve yet. */
  private readonly starting: Set<number>;
  readonly callers: (SimCaller | undefined)[] = [];
  private readonly world: ProcessWorld;
  private readonly random: Random;
  private readonly hybrid: HybridClock;
  readonly expiry: ExpiryClock;
  private readonly clock: Clock;
  private readonly endpoints: (SimEndpoint | undefined)[] = [];
  private readonly turns: Turns;
  /** No thread is started for a virtual node before this time. */
  private readonly downUntilMs: number[] = [];
  private readonly launches: (Planned | undefined)[] = [];
  private readonly sameBoot: boolean;
  private stopping: ((vnode: number, mark: CleanMark | undefined) => void) | undefined;
  /** All virtual nodes have served. */
  isOpen = false;
  dead = false;

  constructor(world: ProcessWorld) {
    const { machine, scheduler } = world;
    this.world = world;
    this.parts = world.parts;
    this.scheduler = scheduler;
    this.network = world.network;
    this.random = world.random;
    this.shared = allocateShared({
      vnodes: SLOTS,
      callers: world.callers,
      claimsPerCaller: CLAIMS,
      callerRingBytes: 16 << 10,
      vnodeRingBytes: 32 << 10,
    });
    this.control = new Int32Array(this.shared.control);
    this.control[STORE_READER_EPOCH] = 1;
    this.layout = new SharedLayout(this.shared.shape);
    this.claims = this.parts.claims(this.control, this.layout);
    this.clock = {
      nowMs: () => scheduler.nowMs,
      wallMs: () => Math.max(0, scheduler.nowMs + machine.wallOffsetMs),
    };
    this.hybrid = new HybridClock(this.shared.control, () => this.clock.wallMs());
    this.expiry = new ExpiryClock(this.shared.control, () => this.clock.wallMs());
    this.hybrid.observe(machine.leastTime);
    this.table = new RingTable(this.shared.control, this.shared.topology);
    this.keeper = new RingKeeper({
      machine,
      scheduler,
      random: world.random,
      table: this.table,
      replicas: world.replicas,
      slots: SLOTS,
      isDead: () => this.dead || this.stopping !== undefined,
      isServing: (vnode) => this.isServing(vnode),
      launch: (vnode) => this.welcome(vnode),
      retire: (vnode) => this.retire(vnode),
      note: (text) => world.note(text),
    });
    this.turns = new Turns({
      scheduler,
      random: world.random,
      control: this.control,
      layout: this.layout,
      endpointOf: (party) => this.endpoints[party],
      stallOf: (party) => this.threads[party]?.stalledUntilMs ?? 0,
      turn: (party, nowMs) => this.turn(party, nowMs),
    });
    this.sameBoot = machine.begin();
    this.starting = new Set(this.members);
    for (const ordinal of this.members) this.prepare(ordinal);
    for (const ordinal of this.members) {
      this.launch(ordinal, false);
      if (this.dead) return;
    }
  }

  /** As it is published. */
  get ring(): Ring {
    const { revision } = this.table;
    if (this.known?.revision !== revision) {
      const state = this.table.read();
      this.known = this.known === undefined ? this.parts.ring(state) : ringOfState(state);
    }
    return this.known;
  }

  /** Virtual nodes that have not left. */
  get members(): readonly number[] {
    return this.ring.vnodes.flatMap(({ ordinal, gone }) => (gone === true ? [] : [ordinal]));
  }

  roomFor(vnodes: number): boolean {
    return slotsOf(this.machine.ring) + vnodes <= SLOTS;
  }

  private prepare(vnode: number): void {
    this.memories[vnode] = this.world.memoryFor(vnode, this.bufferLayout.totalBytes);
    this.memoryWords[vnode] = new Int32Array(this.memories[vnode]);
    this.downUntilMs[vnode] = 0;
  }

  private welcome(vnode: number): void {
    this.prepare(vnode);
    this.launch(vnode, false);
  }

  /** The thread of one that has left ends in good order; its directory goes. */
  private retire(vnode: number): void {
    const end = (): void => {
      if (this.dead || this.stopping !== undefined) return;
      this.threads[vnode]?.die();
      this.threads[vnode] = undefined;
      this.endpoints[vnode] = undefined;
      this.setState(vnode, STATE_STOPPED);
      for (let owner = 0; owner < SLOTS; owner++) this.setHolds(vnode, owner, false);
      this.machine.forget(vnode);
      this.world.onGone(vnode);
    };
    this.retired.add(vnode);
    const thread = this.threads[vnode];
    if (thread?.node === undefined) end();
    else thread.stop(end);
  }

  private word(vnode: number, word: number): number {
    return Atomics.load(this.control, this.layout.vnodeWord(vnode) + word);
  }
  /** By which values expire; it does not go back from now on. */
  expiryMs(): number {
    const nowMs = this.expiry.nowMs();
    this.expiry.raise(nowMs);
    return nowMs;
  }
  isServing(vnode: number): boolean {
    return takesRequests(this.word(vnode, VNODE_STATE));
  }
  isWhole(vnode: number): boolean {
    return this.word(vnode, VNODE_STATE) === STATE_SERVING;
  }
  incarnation(vnode: number): number {
    return this.word(vnode, VNODE_INCARNATION);
  }
  holdsHintsFor(holder: number, owner: number): boolean {
    return hasVnodeBit(this.control, this.layout.vnodeWord(owner) + VNODE_HINTED, holder);
  }
  private setHolds(holder: number, owner: number, holds: boolean): void {
    setVnodeBit(this.control, this.layout.vnodeWord(owner) + VNODE_HINTED, holder, holds);
  }
  private setState(vnode: number, state: number): void {
    Atomics.store(this.control, this.layout.vnodeWord(vnode) + VNODE_STATE, state);
  }

  private launch(vnode: number, takesOver: boolean): void {
    const { world, control, layout, machine } = this;
    const base = layout.vnodeWord(vnode);
    this.setState(vnode, STATE_STARTING);
    Atomics.store(control, base + VNODE_INCARNATION, this.word(vnode, VNODE_INCARNATION) + 1);
    Atomics.store(control, base + VNODE_READER_EPOCH, 0);
    const endpoint = new SimEndpoint(
      new RingEndpoint(this.shared, vnode, this.ring.vnodes.length),
      this.network,
    );
    this.endpoints[vnode] = endpoint;
    this.setState(vnode, STATE_RECOVERING);
    const { nodeIndex } = this.ring.vnodes[vnode]!;
    const clean = takesOver ? undefined : machine.takeMark(vnode);
    // Only after a clean stop is no clock forgotten, and the actor goes on.
    const actor = clean?.actor ?? machine.assign(this.parts.actor(vnode, machine.freshActor), vnode);
    try {
      const thread: VnodeThread = new VnodeThread({
        parts: this.parts,
        ring: this.ring,
        ringSource: new SharedRingSource(
          control,
          layout,
          this.table,
          vnode,
          new Reclaimer(control, layout),
          this.keeper.facts,
        ),
        claims: this.claims,
        hybrid: this.hybrid,
        clock: this.clock,
        buckets: world.buckets,
        disk: {
          scheduler: this.scheduler,
          random: this.random,
          condition: machine.disks[nodeIndex]!,
          commitMs: world.commitMs,
        },
        files: machine.vnodes[vnode]!,
        ordinal: vnode,
        memory: this.memories[vnode]!,
        layout: this.bufferLayout,
        reclaimer: new Reclaimer(control, layout),
        endpoint,
        actor,
        clean,
        maxRecordBytes: BUFFER.segmentBytes - 64,
        checkpointMs: world.checkpointMs,
        takesOver,
        sameBoot: this.sameBoot,
        incarnation: this.incarnation(vnode),
        expiryMs: () => this.expiryMs(),
        isServing: (other) => this.isServing(other),
        isWhole: (other) => this.isWhole(other),
        freshActor: () => machine.assign(machine.freshActor(), vnode),
        holdsHintsFor: (owner, holds) => this.setHolds(vnode, owner, holds),
        hasHintsFor: (holder, owner) => this.holdsHintsFor(holder, owner),
        onServing: () => this.serving(vnode, takesOver),
        onRemove: (place, key) => world.onRemove(vnode, place, key),
        onFailed: (error) => world.onStartFailed(error),
        wake: () => this.wake(vnode, this.scheduler.nowMs + 0.01),
      });
      this.threads[vnode] = thread;
      thread.start();
    } catch (error) {
      world.violation(`virtual node ${vnode} cannot start: ${textOf(error)}`);
    }
    this.wake(vnode, this.scheduler.nowMs);
  }

  private get machine(): Machine {
    return this.world.machine;
  }

  private serving(vnode: number, tookOver: boolean): void {
    this.setState(vnode, STATE_SERVING);
    this.world.note(`vnode ${vnode} serves${tookOver ? ' again' : ''}`);
    if (tookOver) return;
    this.world.onRecovered(vnode);
    this.starting.delete(vnode);
    if (this.isOpen || this.starting.size > 0) return;
    this.isOpen = true;
    this.machine.recovered();
    for (let slot = 0; slot < this.world.callers; slot++) this.connect(slot);
  }

  private connect(slot: number): void {
    const caller = new SimCaller(this, slot);
    this.callers[slot] = caller;
    this.endpoints[caller.party] = caller.endpoint;
    this.wake(caller.party, this.scheduler.nowMs);
  }

  /** The thread of a virtual node ends; the supervisor notices and starts another, not before `downMs`. */
  crash(vnode: number, why: string, downMs = 0): void {
    const thread = this.threads[vnode];
    const { scheduler, random } = this;
    this.downUntilMs[vnode] = Math.max(this.downUntilMs[vnode]!, scheduler.nowMs + downMs);
    if (thread === undefined) return;
    this.world.note(`vnode ${vnode} dies: ${why}`);
    thread.die();
    this.threads[vnode] = undefined;
    this.endpoints[vnode] = undefined;
    if (this.stopping !== undefined) {
      this.stopping(vnode, undefined);
      return;
    }
    scheduler.after(random.between(0.5, 20), () => {
      if (this.dead || this.stopping !== undefined || this.retired.has(vnode)) return;
      this.setState(vnode, STATE_FAULTED);
      this.relaunch(vnode);
    });
  }

  private relaunch(vnode: number): void {
    const atMs = Math.max(this.downUntilMs[vnode]!, this.scheduler.nowMs + this.random.between(5, 100));
    this.launches[vnode] = this.scheduler.at(atMs, () => {
      this.launches[vnode] = undefined;
      if (this.dead || this.stopping !== undefined || this.retired.has(vnode)) return;
      if (this.downUntilMs[vnode]! > this.scheduler.nowMs) this.relaunch(vnode);
      else this.launch(vnode, true);
    });
  }

  /** Nothing keeps a virtual node down any more. */
  comeBack(vnode: number): void {
    this.downUntilMs[vnode] = 0;
    const planned = this.launches[vnode];
    if (planned === undefined) return;
    planned.action = undefined;
    this.relaunch(vnode);
  }

  /** A caller's thread ends at whatever instruction; another takes its slot. */
  crashCaller(slot: number): void {
    const caller = this.callers[slot];
    if (caller === undefined) return;
    this.world.note(`caller ${slot} dies with ${caller.machine.pending} requests in flight`);
    caller.die();
    this.callers[slot] = undefined;
    this.endpoints[caller.party] = undefined;
    this.scheduler.after(this.random.between(1, 50), () => {
      if (this.dead || this.stopping !== undefined) return;
      caller.release();
      this.connect(slot);
    });
  }

  get allEndpoints(): SimEndpoint[] {
    return this.endpoints.filter((endpoint) => endpoint !== undefined);
  }

  wake(party: number, atMs: number): void {
    if (!this.dead) this.turns.wake(party, atMs);
  }

  ended(party: number): void {
    this.turns.ended(party);
  }

  private turn(party: number, nowMs: number): number {
    return party < SLOTS ? this.turnOf(party, nowMs) : this.callerTurn(party - SLOTS, nowMs);
  }

  private turnOf(vnode: number, nowMs: number): number {
    const thread = this.threads[vnode];
    if (thread === undefined) return Number.POSITIVE_INFINITY;
    try {
      const next = thread.turn(nowMs);
      Atomics.add(this.control, this.layout.vnodeWord(vnode) + VNODE_HEARTBEAT, 1);
      this.machine.writeClock(this.hybrid.last(), nowMs);
      return next;
    } catch (error) {
      if (!(error instanceof Stopped)) this.world.violation(`virtual node ${vnode} threw ${textOf(error)}`);
      this.crash(vnode, error instanceof Error ? error.message : String(error));
      return Number.POSITIVE_INFINITY;
    }
  }

  private callerTurn(slot: number, nowMs: number): number {
    return this.callers[slot]?.turn(nowMs) ?? Number.POSITIVE_INFINITY;
  }

  /**
   * A clean stop: callers end, then every virtual node moves what it has into its engine. Whoever
   * cannot leaves no mark.
   */
  stop(done: (marks: ReadonlyMap<number, CleanMark | undefined>, time: number) => void): void {
    this.isOpen = false;
    for (const caller of this.callers) {
      caller?.machine.abortAll(
        (maybeApplied) => new RingletError('CLOSED', 'the simulated store is closed', {}, { maybeApplied }),
      );
      caller?.die();
    }
    const marks = new Map<number, CleanMark | undefined>();
    const { members } = this;
    this.stopping = (vnode, mark) => {
      if (this.dead || marks.has(vnode)) return;
      marks.set(vnode, mark);
      if (marks.size === members.length) {
        done(marks, this.hybrid.last());
      }
    };
    for (const vnode of members) {
      const thread = this.threads[vnode];
      if (thread === undefined) this.stopping(vnode, undefined);
      else thread.stop((mark) => this.stopping!(vnode, mark));
    }
  }

  /** The whole process ends: its memory is gone, and nothing of it is called back. */
  kill(): void {
    this.dead = true;
    this.turns.end();
    for (const caller of this.callers) caller?.die();
    for (const thread of this.threads) thread?.die();
    this.network.clear();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
