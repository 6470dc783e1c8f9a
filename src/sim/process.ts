import { RingletError } from '../base/errors.js';
import { slotsOf } from '../ring/state.js';
import { ringOfState } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import { HINT_BUCKET } from '../storage/record.js';
import type { Place } from '../storage/record-codec.js';
import { type CallerProcess, SimCaller } from './caller.js';
import type { CleanMark } from './clean-stop.js';
import type { SimBucket } from './history.js';
import { LossKeeper } from './losses.js';
import type { Machine } from './machine.js';
import type { Network, SimEndpoint } from './network.js';
import type { Parts } from './parts.js';
import { ProcessMemory, SLOTS } from './process-memory.js';
import type { Profile } from './profile.js';
import type { Random } from './random.js';
import { RingKeeper } from './ring-keeper.js';
import type { Scheduler } from './scheduler.js';
import { SimSupervisor } from './supervisor.js';
import { Turns } from './turns.js';
import type { VnodeThread } from './vnode-thread.js';

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
  readonly profile: Profile;
  /** Zeros. */
  memoryFor(vnode: number, bytes: number): SharedArrayBuffer;
  note(text: string): void;
  violation(text: string): void;
  /** A virtual node has recovered its journal and begins to serve. */
  onRecovered(vnode: number): void;
  /** A virtual node has left, with all its files. */
  onGone(vnode: number): void;
  /** An empty directory is about to take the place of what a virtual node had. */
  onLoss(vnode: number, replace: () => void): void;
  /** It has everything again. */
  onWhole(vnode: number): void;
  onRemove(vnode: number, place: Place, key: Uint8Array): void;
  onHide(vnode: number, bucket: number, key: Uint8Array): void;
  onStartFailed(error: Error): void;
}

/** One life of the process: shared memory, a thread per virtual node, callers, and who looks after them. */
export class SimProcess implements CallerProcess {
  readonly parts: Parts;
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly memory: ProcessMemory;
  readonly keeper: RingKeeper;
  readonly losses: LossKeeper;
  readonly supervisor: SimSupervisor;
  readonly callers: (SimCaller | undefined)[] = [];
  private readonly world: ProcessWorld;
  private readonly turns: Turns;
  private known: Ring | undefined;
  private membersOf: { ring: Ring | undefined; list: readonly number[] } = { ring: undefined, list: [] };
  /** Those of the start that do not serve yet. */
  private readonly starting: Set<number>;
  private stopping: ((vnode: number, mark: CleanMark | undefined) => void) | undefined;
  /** All virtual nodes have served. */
  isOpen = false;
  dead = false;
  /** When a hint was last let go. */
  hintGoneMs = Number.NEGATIVE_INFINITY;

  constructor(world: ProcessWorld) {
    const { machine, scheduler, random, parts } = world;
    this.world = world;
    this.parts = parts;
    this.scheduler = scheduler;
    this.network = world.network;
    const memory = new ProcessMemory(parts, world.callers, world.profile.buffer, {
      nowMs: () => scheduler.nowMs,
      wallMs: () => Math.max(0, scheduler.nowMs + machine.wallOffsetMs),
    });
    this.memory = memory;
    memory.hybrid.observe(machine.startClock(memory.clock));
    this.keeper = new RingKeeper({
      machine,
      scheduler,
      random,
      table: memory.table,
      replicas: world.replicas,
      slots: SLOTS,
      isDead: () => this.isEnding,
      isServing: (vnode) => memory.isServing(vnode),
      launch: (vnode) => this.supervisor.welcome([vnode]),
      retire: (vnode) => this.retire(vnode),
      note: (text) => world.note(text),
    });
    this.losses = new LossKeeper(world);
    this.turns = new Turns({
      scheduler,
      random,
      control: memory.control,
      layout: memory.layout,
      endpointOf: (party) => this.endpointOf(party),
      stallOf: (party) => this.threads[party]?.stalledUntilMs ?? 0,
      turn: (party, nowMs) =>
        party < SLOTS ? this.supervisor.turn(party, nowMs) : this.callerTurn(party - SLOTS, nowMs),
    });
    this.supervisor = this.makeSupervisor();
    this.starting = new Set(this.members);
    this.start();
  }

  private makeSupervisor(): SimSupervisor {
    const { world, memory, losses, keeper } = this;
    const { machine, network, scheduler, random, parts, buckets, profile } = world;
    return new SimSupervisor(
      {
        parts,
        memory,
        machine,
        losses,
        scheduler,
        random,
        network,
        buckets,
        profile,
        facts: keeper.facts,
        ring: () => this.ring,
        isOpen: () => this.isOpen,
        isEnding: () => this.isEnding,
        memoryFor: (vnode, bytes) => world.memoryFor(vnode, bytes),
        note: (text) => world.note(text),
        violation: (text) => world.violation(text),
        onServing: (vnode, tookOver) => tookOver || this.recovered(vnode),
        onEnded: (vnode) => this.stopping?.(vnode, undefined),
        onWhole: (vnode) => world.onWhole(vnode),
        onRemove: (vnode, place, key) => {
          if (place.bucket === HINT_BUCKET) this.hintGoneMs = scheduler.nowMs;
          world.onRemove(vnode, place, key);
        },
        onHide: (vnode, bucket, key) => world.onHide(vnode, bucket, key),
        onStartFailed: (error) => world.onStartFailed(error),
        wake: (vnode, atMs) => this.wake(vnode, atMs),
      },
      machine.begin(),
    );
  }

  private start(): void {
    const { members } = this;
    try {
      this.losses.assess(members);
    } catch (error) {
      this.world.violation(`the start is refused: ${String(error)}`);
      return;
    }
    this.supervisor.welcome(members);
  }

  /** As it is published. */
  get ring(): Ring {
    const { table } = this.memory;
    if (this.known?.revision !== table.revision) {
      const state = table.read();
      this.known = this.known === undefined ? this.parts.ring(state) : ringOfState(state);
    }
    return this.known;
  }

  /** Virtual nodes that have not left. */
  get members(): readonly number[] {
    const { ring } = this;
    if (this.membersOf.ring !== ring) {
      const list = ring.vnodes.flatMap(({ ordinal, gone }) => (gone === true ? [] : [ordinal]));
      this.membersOf = { ring, list };
    }
    return this.membersOf.list;
  }

  get threads(): readonly (VnodeThread | undefined)[] {
    return this.supervisor.threads;
  }

  private get isEnding(): boolean {
    return this.dead || this.stopping !== undefined;
  }

  roomFor(vnodes: number): boolean {
    return slotsOf(this.world.machine.ring) + vnodes <= SLOTS;
  }

  /** Its directory goes with it. */
  private retire(vnode: number): void {
    this.supervisor.retire(vnode, () => {
      this.losses.settled(vnode);
      this.world.machine.forget(vnode);
      this.world.onGone(vnode);
    });
  }

  private recovered(vnode: number): void {
    this.world.onRecovered(vnode);
    this.starting.delete(vnode);
    if (this.isOpen || this.starting.size > 0) return;
    this.isOpen = true;
    this.world.machine.recovered();
    for (let slot = 0; slot < this.world.callers; slot++) this.connect(slot);
  }

  private connect(slot: number): void {
    const caller = new SimCaller(this, slot);
    this.callers[slot] = caller;
    this.wake(caller.party, this.scheduler.nowMs);
  }

  /** A caller's thread ends at whatever instruction; another takes its slot. */
  crashCaller(slot: number): void {
    const caller = this.callers[slot];
    if (caller === undefined) return;
    this.world.note(`caller ${slot} dies with ${caller.machine.pending} requests in flight`);
    caller.die();
    this.callers[slot] = undefined;
    this.scheduler.after(this.world.random.between(1, 50), () => {
      if (this.isEnding) return;
      caller.release();
      this.connect(slot);
    });
  }

  private endpointOf(party: number): SimEndpoint | undefined {
    return party < SLOTS ? this.supervisor.endpointOf(party) : this.callers[party - SLOTS]?.endpoint;
  }

  get allEndpoints(): SimEndpoint[] {
    const parties = Array.from({ length: this.memory.layout.parties }, (_, party) => this.endpointOf(party));
    return parties.filter((endpoint) => endpoint !== undefined);
  }

  wake(party: number, atMs: number): void {
    if (!this.dead) this.turns.wake(party, atMs);
  }

  ended(party: number): void {
    this.turns.ended(party);
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
      if (marks.size === members.length) done(marks, this.memory.hybrid.last());
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
    this.supervisor.kill();
    this.network.clear();
  }
}
