import { RingletError } from '../base/errors.js';
import {
  STATE_FAULTED,
  STATE_REBUILDING,
  STATE_RECOVERING,
  STATE_SERVING,
  STATE_STOPPED,
} from '../messaging/layout.js';
import { RingEndpoint } from '../messaging/ring-endpoint.js';
import type { RingFact } from '../ring/state.js';
import type { Ring } from '../ring/ring.js';
import { SharedRingSource } from '../shard/ring-source.js';
import { freeAll, unlinkAll } from '../storage/object-buffer.js';
import { Reclaimer } from '../storage/readers.js';
import type { Place } from '../storage/record-codec.js';
import type { CleanMark } from './clean-stop.js';
import type { SimBucket } from './history.js';
import type { LossKeeper } from './losses.js';
import type { Machine } from './machine.js';
import { type Network, SimEndpoint } from './network.js';
import { Stopped } from './one-thread.js';
import type { Parts } from './parts.js';
import { type ProcessMemory, SLOTS } from './process-memory.js';
import type { Profile } from './profile.js';
import type { Random } from './random.js';
import type { Planned, Scheduler } from './scheduler.js';
import { VnodeThread } from './vnode-thread.js';

/** How often it is looked for directories that are gone. */
const WATCH_MS = 1_000;
/** Removing what was put aside takes so long at most; a crash before costs another rebuild. */
const SETTLE_MS = 50;

/** What the supervisor needs of its process. */
export interface SupervisorWorld {
  readonly parts: Parts;
  readonly memory: ProcessMemory;
  readonly machine: Machine;
  readonly losses: LossKeeper;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly network: Network;
  readonly buckets: readonly SimBucket[];
  readonly profile: Profile;
  /** As it is published. */
  ring(): Ring;
  /** All virtual nodes have served. */
  isOpen(): boolean;
  /** The process ends, or has ended: nobody is started any more. */
  isEnding(): boolean;
  readonly facts: (facts: readonly RingFact[]) => void;
  /** Zeros. */
  memoryFor(vnode: number, bytes: number): SharedArrayBuffer;
  note(text: string): void;
  violation(text: string): void;
  /** Its thread has recovered the journal, or taken the buffer over, and serves. */
  onServing(vnode: number, tookOver: boolean): void;
  /** Its thread has ended. */
  onEnded(vnode: number): void;
  /** It has everything again that it had lost. */
  onWhole(vnode: number): void;
  onRemove(vnode: number, place: Place, key: Uint8Array): void;
  onHide(vnode: number, bucket: number, key: Uint8Array): void;
  onStartFailed(error: Error): void;
  wake(vnode: number, atMs: number): void;
}

/** What host/supervisor.ts does: a thread per virtual node, another one when it ends, nothing about data. */
export class SimSupervisor {
  /** By slot. */
  readonly threads: (VnodeThread | undefined)[] = [];
  private readonly world: SupervisorWorld;
  private readonly endpoints: (SimEndpoint | undefined)[] = [];
  private readonly retired = new Set<number>();
  /** No thread is started for a virtual node before this time. */
  private readonly downUntilMs: number[] = [];
  private readonly launches: (Planned | undefined)[] = [];
  /** Those whose threads begin with what is on the disk, and do not serve yet. */
  private readonly opening = new Set<number>();
  /** Whether nothing that was written since the data was last whole can be missing. */
  private readonly sameBoot: boolean;

  constructor(world: SupervisorWorld, sameBoot: boolean) {
    this.world = world;
    this.sameBoot = sameBoot;
  }

  endpointOf(vnode: number): SimEndpoint | undefined {
    return this.endpoints[vnode];
  }

  /** Memory and a thread for virtual nodes of the start, or that join. */
  welcome(vnodes: readonly number[]): void {
    const { memory, memoryFor } = this.world;
    for (const vnode of vnodes) {
      memory.addBuffer(vnode, memoryFor(vnode, memory.bufferLayout.totalBytes));
      this.downUntilMs[vnode] = 0;
    }
    for (const vnode of vnodes) if (!this.world.isEnding()) this.launch(vnode, false);
  }

  /** The thread of one that has left ends in good order. */
  retire(vnode: number, then: () => void): void {
    const { world } = this;
    const end = (): void => {
      if (world.isEnding()) return;
      this.end(vnode);
      world.memory.setState(vnode, STATE_STOPPED);
      for (let owner = 0; owner < SLOTS; owner++) world.memory.setHolds(vnode, owner, false);
      then();
    };
    this.retired.add(vnode);
    const thread = this.threads[vnode];
    if (thread?.node === undefined) end();
    else thread.stop(end);
  }

  /** @param again after a thread that has ended: its object buffer is taken over */
  private launch(vnode: number, again: boolean): void {
    const { world } = this;
    const { machine } = world;
    if (again && machine.gone.has(vnode)) {
      this.replaceLost(vnode, 'its directory is gone');
      return;
    }
    const takesOver = again && !this.opening.has(vnode);
    if (!takesOver) this.opening.add(vnode);
    world.memory.beginIncarnation(vnode);
    const endpoint = new SimEndpoint(
      new RingEndpoint(world.memory.shared, vnode, world.ring().vnodes.length),
      world.network,
    );
    this.endpoints[vnode] = endpoint;
    world.memory.setState(vnode, STATE_RECOVERING);
    const clean = takesOver ? undefined : machine.takeMark(vnode);
    // Only after a clean stop is no clock forgotten, and the actor goes on.
    const actor = clean?.actor ?? machine.assign(world.parts.actor(vnode, machine.freshActor), vnode);
    const thread = this.threadOf(vnode, endpoint, actor, takesOver, clean);
    this.threads[vnode] = thread;
    thread.start();
    world.wake(vnode, world.scheduler.nowMs);
  }

  private threadOf(
    vnode: number,
    endpoint: SimEndpoint,
    actor: number,
    takesOver: boolean,
    clean: CleanMark | undefined,
  ): VnodeThread {
    const { world } = this;
    const { memory, machine, scheduler } = world;
    const { control, layout } = memory;
    const loss = world.losses.lossOf(vnode);
    return new VnodeThread({
      parts: world.parts,
      ring: world.ring(),
      ringSource: new SharedRingSource(
        control,
        layout,
        memory.table,
        vnode,
        new Reclaimer(control, layout),
        world.facts,
      ),
      claims: memory.claims,
      hybrid: memory.hybrid,
      clock: memory.clock,
      buckets: world.buckets,
      disk: {
        scheduler,
        random: world.random,
        condition: machine.disks[world.ring().vnodes[vnode]!.nodeIndex]!,
        commitMs: world.profile.commitMs,
      },
      files: machine.vnodes[vnode]!,
      ordinal: vnode,
      memory: memory.buffers[vnode]!,
      layout: memory.bufferLayout,
      reclaimer: new Reclaimer(control, layout),
      endpoint,
      actor,
      clean,
      loss,
      maxRecordBytes: world.profile.buffer.segmentBytes - 64,
      checkpointMs: world.profile.checkpointMs,
      takesOver,
      sameBoot: this.sameBoot,
      incarnation: memory.incarnation(vnode),
      expiryMs: () => memory.expiryMs(),
      isServing: (other) => memory.isServing(other),
      isWhole: (other) => memory.isWhole(other),
      freshActor: () => machine.assign(machine.freshActor(), vnode),
      holdsHintsFor: (owner, holds) => memory.setHolds(vnode, owner, holds),
      hasHintsFor: (holder, owner) => memory.holdsHintsFor(holder, owner),
      onServing: () => {
        memory.setState(vnode, loss === undefined ? STATE_SERVING : STATE_REBUILDING);
        this.opening.delete(vnode);
        world.note(
          `vnode ${vnode} serves${takesOver ? ' again' : ''}${loss === undefined ? '' : ', to be rebuilt'}`,
        );
        world.onServing(vnode, takesOver);
      },
      onWhole: () => this.whole(vnode),
      onRemove: (place, key) => world.onRemove(vnode, place, key),
      onHide: (bucket, key) => world.onHide(vnode, bucket, key),
      onFailed: (error) => this.startFailed(vnode, error),
      wake: () => world.wake(vnode, scheduler.nowMs + 0.01),
    });
  }

  /** Damage that only its thread finds is dealt with as any other. */
  private startFailed(vnode: number, error: unknown): void {
    const { world } = this;
    if (!(error instanceof RingletError)) {
      world.violation(`virtual node ${vnode} cannot start: ${textOf(error)}`);
    } else if (error.code !== 'DATA_CORRUPT') {
      if (world.isOpen()) this.crash(vnode, `it cannot start: ${error.message}`);
      else world.onStartFailed(error);
    } else if (world.machine.damaged.has(vnode)) {
      this.replaceLost(vnode, error.message);
    } else {
      world.violation(`virtual node ${vnode} finds damage that nobody did: ${error.message}`);
    }
  }

  /** The next thread begins with nothing, and its peers give it theirs. */
  private replaceLost(vnode: number, reason: string): void {
    const { memory, losses, violation } = this.world;
    this.end(vnode);
    try {
      losses.lose(vnode, reason);
    } catch (error) {
      violation(`virtual node ${vnode} cannot be rebuilt: ${textOf(error)}`);
      return;
    }
    // Nobody reads without asking here: nothing is to be waited for in between.
    unlinkAll(memory.buffers[vnode]!, memory.bufferLayout);
    freeAll(memory.buffers[vnode]!, memory.bufferLayout);
    this.launch(vnode, false);
  }

  private whole(vnode: number): void {
    const { memory, scheduler, random, losses, note, onWhole } = this.world;
    memory.setState(vnode, STATE_SERVING);
    note(`vnode ${vnode} has been rebuilt`);
    onWhole(vnode);
    const mark = losses.lossOf(vnode);
    scheduler.after(random.between(1, SETTLE_MS), () => {
      if (!this.world.isEnding() && losses.lossOf(vnode) === mark) losses.settled(vnode);
    });
  }

  /** The directory of a virtual node is deleted under its thread, which is found out within a second. */
  loseDirectory(vnode: number): void {
    const { machine, scheduler, random, note } = this.world;
    note(`the directory of vnode ${vnode} is deleted`);
    machine.gone.add(vnode);
    scheduler.after(random.between(0, WATCH_MS), () => this.watch(vnode));
  }

  private watch(vnode: number): void {
    const { world } = this;
    if (world.isEnding() || this.retired.has(vnode) || !world.machine.gone.has(vnode)) return;
    if (this.threads[vnode]?.node === undefined) world.scheduler.after(WATCH_MS, () => this.watch(vnode));
    else this.crash(vnode, 'its directory is gone');
  }

  /** The thread of a virtual node ends; the supervisor notices and starts another, not before `downMs`. */
  crash(vnode: number, why: string, downMs = 0): void {
    const { world } = this;
    const { scheduler, random } = world;
    this.downUntilMs[vnode] = Math.max(this.downUntilMs[vnode]!, scheduler.nowMs + downMs);
    if (this.threads[vnode] === undefined) return;
    world.note(`vnode ${vnode} dies: ${why}`);
    this.end(vnode);
    world.onEnded(vnode);
    if (world.isEnding()) return;
    scheduler.after(random.between(0.5, 20), () => {
      if (world.isEnding() || this.retired.has(vnode)) return;
      world.memory.setState(vnode, STATE_FAULTED);
      this.relaunch(vnode);
    });
  }

  private end(vnode: number): void {
    this.threads[vnode]?.die();
    this.threads[vnode] = undefined;
    this.endpoints[vnode] = undefined;
  }

  private relaunch(vnode: number): void {
    const { world } = this;
    const { scheduler, random } = world;
    const atMs = Math.max(this.downUntilMs[vnode]!, scheduler.nowMs + random.between(5, 100));
    this.launches[vnode] = scheduler.at(atMs, () => {
      this.launches[vnode] = undefined;
      if (world.isEnding() || this.retired.has(vnode)) return;
      if (this.downUntilMs[vnode]! > scheduler.nowMs) this.relaunch(vnode);
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

  turn(vnode: number, nowMs: number): number {
    const { memory, machine, violation } = this.world;
    const thread = this.threads[vnode];
    if (thread === undefined) return Number.POSITIVE_INFINITY;
    try {
      const next = thread.turn(nowMs);
      memory.beat(vnode);
      machine.writeClock(memory.hybrid, nowMs);
      return next;
    } catch (error) {
      if (!(error instanceof Stopped)) violation(`virtual node ${vnode} threw ${textOf(error)}`);
      this.crash(vnode, error instanceof Error ? error.message : String(error));
      return Number.POSITIVE_INFINITY;
    }
  }

  /** The whole process ends: nobody is called back. */
  kill(): void {
    for (const thread of this.threads) thread?.die();
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
