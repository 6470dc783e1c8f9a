import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import type {
  JoinRequest,
  RingControl,
  RingPlan,
  RingProgress,
  RollBackOptions,
} from '../client/ring-api.js';
import type { StoreView } from '../client/view.js';
import type { RingTable } from '../messaging/ring-table.js';
import { beginJoin, beginLeave, refuseSecond, rollBack, startMoving, withFacts } from '../ring/change.js';
import { movedPartitions, slotsToClean } from '../ring/parties.js';
import { changingNode, type RingChange, type RingFact, type RingState, slotsOfNodes } from '../ring/state.js';
import { ringOfState } from '../ring/live-ring.js';
import type { NodeSpec } from '../ring/spec.js';
import type { Topology } from './manifest.js';
import { planOf } from './ring-plan.js';

/** Facts that come within so long are made durable together. */
const GATHER_MS = 50;
const AGAIN_MS = 1_000;
const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$/;

type ChangingNode = NonNullable<ReturnType<typeof changingNode>>;

/** What the control of the ring needs of the store that was opened. */
export interface RingHost {
  readonly view: StoreView;
  readonly table: RingTable;
  /** n of every bucket, and of new ones. */
  replicas(): number[];
  /** Durably, if anything is durable. */
  save(state: RingState): void;
  /** Memory, directories and threads of a node; resolves when they serve. */
  start(node: NodeSpec & { readonly firstSlot: number }): Promise<void>;
  /** Stops the threads and removes the directories. */
  end(node: NodeSpec & { readonly firstSlot: number }): Promise<void>;
  serves(slot: number): boolean;
  /** Keys of all buckets at every virtual node, about. */
  keys(): Promise<readonly number[]>;
}

/**
 * Makes the facts of a ring change durable and known, in this order, and starts and ends threads. It
 * decides nothing about data: virtual nodes are certain of what they report, and ownership follows
 * from it (ring/change.ts).
 */
export class HostRing implements RingControl {
  private readonly host: RingHost;
  private state: RingState;
  private gathered: RingFact[] = [];
  private timer: NodeJS.Timeout | undefined;
  private startedMs = performance.now();
  private last: RingProgress | undefined;
  private waiting: (() => void)[] = [];
  /** Threads and directory of a leaver are going. */
  private busy = false;
  /** Nodes whose threads and directories are still going although the ring does without them. */
  private readonly going = new Set<string>();
  /** Ends the wait for a joiner's threads. */
  private takeBack: ((reason: RingletError) => void) | undefined;
  /** Backups under way: they read all virtual nodes, and those shall stay who they are. */
  private holds = 0;
  private closed = false;

  constructor(host: RingHost, state: RingState) {
    this.host = host;
    this.state = state;
    host.table.publish(state);
    host.view.ring = ringOfState(state);
  }

  get progress(): RingProgress | undefined {
    const { change } = this.state;
    if (change === undefined) return this.last;
    const { vnodes } = this.host.view.ring;
    const moved = movedPartitions(this.state).length;
    const open = change.phase === 'cleaning' ? slotsToClean(this.state) : [];
    return {
      change: askedFor(change),
      node: change.node,
      phase: change.phase,
      partitions: moved,
      handed: change.handed.filter((at) => at !== 0).length,
      compared: change.compared.length,
      cleaning: open.filter((slot) => !change.cleaned.includes(slot)).map((slot) => vnodes[slot]!.id),
      keys: change.keys,
      forMs: Math.round(performance.now() - this.startedMs),
    };
  }

  /** A change was under way when the store was closed, or its process died: it goes on. */
  resume(): void {
    this.advanceTo(startMoving(this.state));
  }

  planJoin(request: JoinRequest): Promise<RingPlan> {
    return this.plan((state) => this.joined(state, request));
  }
  planLeave(node: string): Promise<RingPlan> {
    return this.plan((state) => beginLeave(state, node, this.host.replicas()));
  }

  private async plan(begin: (state: RingState) => RingState): Promise<RingPlan> {
    return planOf(begin(this.state), await this.host.keys());
  }

  private joined(state: RingState, request: JoinRequest): RingState {
    const { node, capacity = 1, vnodes = 1 } = request as Partial<Record<keyof JoinRequest, unknown>>;
    if (typeof node !== 'string' || !NODE_ID.test(node)) {
      throw new RingletError(
        'BAD_REQUEST',
        'a node is named by a letter or digit and up to 15 of A-Z a-z 0-9 _ -',
        { node: String(node).slice(0, 80) },
      );
    }
    if (this.going.has(node)) {
      throw new RingletError('RING_CHANGING', `the threads of the last ${node} are just ending; try again`, {
        node,
      });
    }
    const { shape } = this.host.view.shared;
    return beginJoin(
      state,
      {
        id: node,
        capacity: whole('capacity', capacity, LIMITS.capacity),
        vnodes: whole('vnodes', vnodes, LIMITS.virtualNodes),
      },
      this.host.replicas(),
      shape.vnodes,
    );
  }

  async join(request: JoinRequest): Promise<RingProgress> {
    const begun = this.joined(this.idle(), request);
    this.startedMs = performance.now();
    this.advanceTo(begun);
    const node = changingNode(begun)!;
    const takenBack = new Promise<never>((_, reject) => {
      this.takeBack = reject;
    });
    try {
      await Promise.race([this.host.start(node), takenBack]);
      this.advanceTo(startMoving(this.state));
    } catch (error) {
      if (this.state.revision === begun.revision) this.takenBack(rollBack(begun));
      throw error;
    } finally {
      this.takeBack = undefined;
    }
    return this.progress!;
  }

  /** Ends a node's threads and removes its directory; what cannot be removed now is removed at the next open. */
  private async dismiss(node: ChangingNode): Promise<void> {
    this.going.add(node.id);
    await this.host.end(node).catch(() => undefined);
    this.going.delete(node.id);
  }

  async leave(node: string): Promise<RingProgress> {
    const begun = beginLeave(this.idle(), node, this.host.replicas());
    this.startedMs = performance.now();
    this.advanceTo(begun);
    return this.progress!;
  }

  /** The state, if nothing is under way. */
  private idle(): RingState {
    if (this.closed) throw new RingletError('CLOSED', 'the store is closed');
    refuseSecond(this.state);
    if (this.holds > 0) {
      throw new RingletError('RING_CHANGING', 'a backup is being made; try again when it is done');
    }
    if (!this.busy) return this.state;
    throw new RingletError('RING_CHANGING', 'the last ring change is just ending; one at a time');
  }

  /** Who is a member; that does not change until `release` is called. @throws RingletError RING_CHANGING, CLOSED */
  hold(): { readonly topology: Topology; readonly release: () => void } {
    if (this.holds === 0) this.idle();
    this.holds++;
    const { partitions, spacing, nodes } = this.state;
    const members = nodes
      .filter(({ gone }) => gone !== true)
      .map(({ id, capacity, vnodes }) => ({ id, capacity, vnodes }));
    const release = (): void => {
      if (--this.holds === 0) this.settle();
    };
    return { topology: { partitions, spacing, nodes: members }, release };
  }

  async rollBack({ abandon = false }: RollBackOptions = {}): Promise<RingProgress> {
    if (abandon) this.assertAway(this.state);
    const back = rollBack(this.state, abandon);
    if (back.change === undefined) this.takenBack(back);
    else this.advanceTo(back);
    return this.progress!;
  }

  /** A change is over as if it had never been, however long the threads of a joiner take to end. */
  private takenBack(back: RingState): void {
    const before = this.state;
    this.advanceTo(back);
    this.ended('rolled back', before);
    this.takeBack?.(new RingletError('RING_CHANGING', `the join of ${before.change!.node} was taken back`));
    if (askedFor(before.change!) === 'join') void this.dismiss(changingNode(before)!);
    this.settle();
  }

  private serves(node: ChangingNode): boolean {
    return slotsOfNodes([node]).every((slot) => this.host.serves(slot));
  }

  /** What a joiner that serves has, it hands over by itself. */
  private assertAway(state: RingState): void {
    const joiner = changingNode(state);
    if (joiner === undefined || !this.serves(joiner)) return;
    throw new RingletError(
      'RING_CHANGING',
      `${joiner.id} serves: take the change back without abandoning it`,
      {
        node: joiner.id,
      },
    );
  }

  async finished(): Promise<RingProgress | undefined> {
    while ((this.state.change !== undefined || this.busy || this.holds > 0) && !this.closed) {
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    }
    return this.progress;
  }

  /** What virtual nodes are certain of. */
  readonly facts = (facts: readonly RingFact[]): void => {
    this.gathered.push(...facts);
    this.timer ??= setTimeout(this.takeIn, GATHER_MS).unref();
  };

  private readonly takeIn = (): void => {
    this.timer = undefined;
    if (this.closed) return;
    const facts = this.gathered.splice(0);
    const before = this.state;
    const next = withFacts(before, facts);
    if (next === before) return;
    const node = changingNode(before);
    try {
      this.advanceTo(next);
    } catch {
      // The disk takes nothing: what was reported is reported again.
      this.timer ??= setTimeout(this.takeIn, AGAIN_MS).unref();
      return;
    }
    if (next.change !== undefined) return;
    this.ended('done', before);
    void this.afterChange(before, node!);
  };

  private async afterChange(before: RingState, node: ChangingNode): Promise<void> {
    if (before.change!.kind === 'leave') {
      // Threads that do not serve, such as those of a joiner that was abandoned, may never end.
      this.busy = this.serves(node);
      const going = this.dismiss(node);
      if (this.busy) await going;
      this.busy = false;
    }
    this.settle();
  }

  /** Durable first, then known. */
  private advanceTo(state: RingState): void {
    if (state === this.state) return;
    this.host.save(state);
    this.state = state;
    this.host.table.publish(state);
    this.host.view.ring = ringOfState(state);
  }

  private ended(phase: 'done' | 'rolled back', state: RingState): void {
    const change = state.change!;
    const partitions = movedPartitions(state).length;
    const handed = change.handed.filter((at) => at !== 0).length;
    this.last = {
      change: askedFor(change),
      node: change.node,
      phase: change.back === true ? 'rolled back' : phase,
      partitions,
      handed,
      compared: change.compared.length,
      cleaning: [],
      keys: change.keys,
      forMs: Math.round(performance.now() - this.startedMs),
    };
  }

  /** Changes one after the other, as the options of a start ask; what one of them fails with is in `lastError`. */
  async become(joiners: readonly NodeSpec[], leavers: readonly string[]): Promise<void> {
    try {
      for (const { id, capacity, vnodes } of joiners) {
        await this.finished();
        await this.join({ node: id, capacity, vnodes });
      }
      for (const node of leavers) {
        await this.finished();
        await this.leave(node);
      }
    } catch (error) {
      if (!this.closed) this.lastError = error instanceof Error ? error : new Error(String(error));
    }
  }
  lastError: Error | undefined;

  private settle(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** n of new buckets may not be one that a change does not look at. @throws RingletError RING_CHANGING */
  allowReplicas(n: number): void {
    const { change } = this.state;
    if (change === undefined || change.replicas.includes(n)) return;
    refuseSecond(this.state);
  }

  /** The slots of a node. */
  static slotsOf(node: NodeSpec & { readonly firstSlot: number }): number[] {
    return slotsOfNodes([node]);
  }
}

/** What somebody asked for, also on its way back. */
function askedFor({ kind, back }: RingChange): 'join' | 'leave' {
  if (back !== true) return kind;
  return kind === 'join' ? 'leave' : 'join';
}

function whole(what: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new RingletError('BAD_REQUEST', `${what} must be a whole number from 1 to ${most}`, {
    what,
    got: String(value),
    least: 1,
    most,
  });
}
