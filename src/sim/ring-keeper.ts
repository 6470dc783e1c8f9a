import type { RingTable } from '../messaging/ring-table.js';
import { beginJoin, beginLeave, rollBack, startMoving, withFacts } from '../ring/change.js';
import { changingNode, type RingFact, type RingNode, type RingState, slotsOfNodes } from '../ring/state.js';
import type { NodeSpec } from '../ring/spec.js';
import type { Machine } from './machine.js';
import type { Random } from './random.js';
import type { Scheduler } from './scheduler.js';

const GATHER_MS = 50;

/** What the keeper needs of its process. */
export interface KeeperWorld {
  readonly machine: Machine;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly table: RingTable;
  /** n of every bucket, ascending. */
  readonly replicas: readonly number[];
  readonly slots: number;
  isDead(): boolean;
  isServing(vnode: number): boolean;
  /** Memory and a thread for a virtual node that joins. */
  launch(vnode: number): void;
  /** The virtual node has left for good. */
  retire(vnode: number): void;
  note(text: string): void;
}

/** What host/ring-control.ts does: facts become durable, then known; threads come and go. */
export class RingKeeper {
  private readonly world: KeeperWorld;
  private gathered: RingFact[] = [];
  private gathering = false;

  constructor(world: KeeperWorld) {
    this.world = world;
    const { machine, table } = world;
    if (machine.ring.change?.phase === 'starting') {
      const node = changingNode(machine.ring)!;
      machine.ring = rollBack(machine.ring);
      for (const slot of slotsOfNodes([node])) machine.forget(slot);
    }
    table.publish(machine.ring);
  }

  get isChanging(): boolean {
    return this.world.machine.ring.change !== undefined;
  }

  /** Refused as in the product if it cannot be. */
  join(node: NodeSpec): void {
    const { machine, replicas, slots } = this.world;
    const begun = beginJoin(machine.ring, node, replicas, slots);
    const joiner = changingNode(begun)!;
    const names = slotsOfNodes([joiner]).map((slot, i) => `${slot} is ${node.id}.${i}`);
    this.world.note(`RING ${node.id} joins, capacity ${node.capacity}: vnode ${names.join(', vnode ')}`);
    machine.add(joiner);
    this.keep(begun, () => {
      for (const slot of slotsOfNodes([joiner])) this.world.launch(slot);
      this.startWhenServing(joiner);
    });
  }

  private startWhenServing(joiner: RingNode): void {
    const { machine, isServing } = this.world;
    this.later(() => {
      if (slotsOfNodes([joiner]).every((slot) => isServing(slot))) this.keep(startMoving(machine.ring));
      else this.startWhenServing(joiner);
    });
  }

  leave(id: string): void {
    const { machine, replicas, note } = this.world;
    const begun = beginLeave(machine.ring, id, replicas);
    note(`RING ${id} leaves`);
    this.keep(begun);
  }

  /** Takes a change back, if nothing was handed over yet. */
  rollBack(): boolean {
    const { machine, note } = this.world;
    const { change } = machine.ring;
    if (change?.phase !== 'moving' || change.handed.some((at) => at !== 0)) return false;
    note(`RING the ${change.kind} of ${change.node} is taken back`);
    this.become(rollBack(machine.ring));
    return true;
  }

  readonly facts = (facts: readonly RingFact[]): void => {
    this.gathered.push(...facts);
    if (this.gathering) return;
    this.gathering = true;
    this.world.scheduler.after(GATHER_MS, () => {
      this.gathering = false;
      if (!this.world.isDead()) this.takeIn(this.gathered.splice(0));
    });
  };

  private takeIn(facts: readonly RingFact[]): void {
    this.become(withFacts(this.world.machine.ring, facts));
  }

  private become(next: RingState): void {
    const { machine, note } = this.world;
    const before = machine.ring;
    if (next === before) return;
    this.keep(next);
    if (next.change?.phase !== before.change?.phase) note(`RING ${next.change?.phase ?? 'changed'}`);
    if (next.change !== undefined || before.change?.kind !== 'leave') return;
    const leaver = changingNode(before)!;
    this.later(() => {
      for (const slot of slotsOfNodes([leaver])) this.world.retire(slot);
    });
  }

  /** Durable now, known a moment later, unless the process ends in between. */
  private keep(state: RingState, then?: () => void): void {
    const { machine, table } = this.world;
    machine.ring = state;
    this.later(() => {
      if (machine.ring.revision > table.revision) table.publish(machine.ring);
      then?.();
    });
  }

  private later(action: () => void): void {
    const { scheduler, random } = this.world;
    scheduler.after(random.between(0.1, 5), () => this.world.isDead() || action());
  }
}
