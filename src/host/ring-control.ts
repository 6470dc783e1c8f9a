import { RingletError } from '../base/errors.js';
import { checkFlag, checkObject } from '../client/arguments.js';
import { checkKnown, known } from '../client/known-options.js';
import type {
  JoinRequest,
  RingControl,
  RingPlan,
  RingProgress,
  RollBackOptions,
} from '../client/ring-api.js';
import type { StoreView } from '../client/view.js';
import type { RingTable } from '../messaging/ring-table.js';
import { beginJoin, beginLeave, refuseSecond, rollBack, startMoving } from '../ring/change.js';
import { changingNode, isChanging, type RingFact, type RingState, slotsOfNodes } from '../ring/state.js';
import { ringOfState } from '../ring/live-ring.js';
import type { NodeSpec } from '../ring/spec.js';
import { DurableRing, type RingStep } from './durable-ring.js';
import { FactIntake } from './fact-intake.js';
import { joinerOf } from './join-request.js';
import type { Topology } from './manifest.js';
import { planOf } from './ring-plan.js';
import { askedFor, progressAtEnd, progressUnderWay } from './ring-progress.js';

const ROLL_BACK_OPTIONS = known<RollBackOptions>('rollBack() has no option', { abandon: true });

type ChangingNode = NonNullable<ReturnType<typeof changingNode>>;

/** What the control of the ring needs of the store that was opened. */
export interface RingHost {
  readonly view: StoreView;
  readonly table: RingTable;
  /** n of every bucket, and of new ones. */
  replicas(): number[];
  /** Resolves when it is durable, if anything is. @throws RingletError IO, STORE_FULL */
  save(state: RingState): Promise<void>;
  /** Memory, directories and threads of a node; resolves when they serve. */
  start(node: NodeSpec & { readonly firstSlot: number }): Promise<void>;
  /** Stops the threads and removes the directories. */
  end(node: NodeSpec & { readonly firstSlot: number }): Promise<void>;
  serves(slot: number): boolean;
  /** Keys of all buckets at every virtual node, about. */
  keys(): Promise<readonly number[]>;
}

/**
 * Makes the facts of a ring change durable and known, in this order (durable-ring.ts), and starts and ends
 * threads. It decides nothing about data: virtual nodes are certain of what they report, and ownership
 * follows from it (ring/change.ts).
 */
export class HostRing implements RingControl {
  private readonly host: RingHost;
  private readonly ring: DurableRing;
  private readonly intake: FactIntake;
  /** What virtual nodes are certain of. */
  readonly facts: (facts: readonly RingFact[]) => void;
  private startedMs = performance.now();
  private last: RingProgress | undefined;
  private waiting: (() => void)[] = [];
  /** Changes that the options of the start ask for are not all begun. */
  private isBecoming = false;
  /** Why these changes came to an end, until another one has begun. */
  private failed: Error | undefined;
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
    const publish = (next: RingState): void => {
      host.table.publish(next);
      host.view.ring = ringOfState(next);
    };
    this.ring = new DurableRing(state, (next) => host.save(next), publish);
    this.intake = new FactIntake(this.ring, this.tookIn);
    this.facts = this.intake.facts;
  }

  private get state(): RingState {
    return this.ring.known;
  }

  get progress(): RingProgress | undefined {
    const { state } = this;
    if (!isChanging(state)) return this.last;
    const { vnodes } = this.host.view.ring;
    return progressUnderWay(state, (slot) => vnodes[slot]!.id, this.forMs);
  }

  private get forMs(): number {
    return performance.now() - this.startedMs;
  }

  /** A change was under way when the store was closed, or its process died: it goes on. */
  async resume(): Promise<void> {
    await this.ring.advance(startMoving);
  }

  planJoin(request: JoinRequest): Promise<RingPlan> {
    return this.plan((state) => this.joined(state, request));
  }
  planLeave(node: string): Promise<RingPlan> {
    return this.plan((state) => beginLeave(state, node, this.host.replicas()));
  }

  private async plan(begin: (state: RingState) => RingState): Promise<RingPlan> {
    this.assertOpen();
    return planOf(begin(this.state), await this.host.keys());
  }

  private joined(state: RingState, request: JoinRequest): RingState {
    const joiner = joinerOf(request);
    if (this.going.has(joiner.id)) {
      throw new RingletError(
        'RING_CHANGING',
        `the threads of the last ${joiner.id} are just ending; try again`,
        { node: joiner.id },
      );
    }
    return beginJoin(state, joiner, this.host.replicas(), this.host.view.shared.shape.vnodes);
  }

  async join(request: JoinRequest): Promise<RingProgress> {
    let takenBack!: Promise<never>;
    const begun = await this.begin(
      (state) => this.joined(state, request),
      () => {
        takenBack = new Promise((_, reject) => (this.takeBack = reject));
      },
    );
    const node = changingNode(begun)!;
    /** No other step but one that takes it back leads on from there. */
    const isStarting = ({ revision }: RingState): boolean => revision === begun.revision;
    try {
      // What was written meanwhile is taken back by the next open: nobody was handed anything to.
      if (this.closed) throw closedError();
      await Promise.race([this.host.start(node), takenBack]);
      await this.ring.advance((state) => {
        if (!isStarting(state)) throw takenBackError(node.id);
        return startMoving(state);
      });
    } catch (error) {
      // Where that cannot be written either, it is for the user to take back.
      await this.ring
        .advance((state) => (isStarting(state) ? rollBack(state) : state), this.takenBack)
        .catch(() => undefined);
      throw error;
    }
    return this.progress!;
  }

  /** The first step of a change. */
  private begin(step: RingStep, begun?: () => void): Promise<RingState> {
    const first = (state: RingState): RingState => {
      this.assertIdle(state);
      return step(state);
    };
    return this.ring.advance(first, () => {
      this.startedMs = performance.now();
      this.failed = undefined;
      begun?.();
    });
  }

  /** Ends a node's threads and removes its directory; what cannot be removed now is removed at the next open. */
  private async dismiss(node: ChangingNode): Promise<void> {
    this.going.add(node.id);
    await this.host.end(node).catch(() => undefined);
    this.going.delete(node.id);
  }

  async leave(node: string): Promise<RingProgress> {
    await this.begin((state) => beginLeave(state, node, this.host.replicas()));
    return this.progress!;
  }

  private assertOpen(): void {
    if (this.closed) throw closedError();
  }

  /** @throws RingletError RING_CHANGING, CLOSED */
  private assertIdle(state: RingState): void {
    this.assertOpen();
    refuseSecond(state);
    if (this.holds > 0) {
      throw new RingletError('RING_CHANGING', 'a backup is being made; try again when it is done');
    }
    if (!this.busy) return;
    throw new RingletError('RING_CHANGING', 'the last ring change is just ending; one at a time');
  }

  /** Who is a member; that does not change until `release` is called. @throws RingletError RING_CHANGING, CLOSED */
  hold(): { readonly topology: Topology; readonly release: () => void } {
    if (this.holds === 0) this.assertIdle(this.ring.newest);
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

  async rollBack(options: RollBackOptions = {}): Promise<RingProgress> {
    checkObject('options', options);
    checkKnown(options, ROLL_BACK_OPTIONS);
    checkFlag('abandon', options.abandon);
    const { abandon = false } = options;
    const back = (state: RingState): RingState => {
      if (abandon) this.assertAway(state);
      return rollBack(state, abandon);
    };
    await this.ring.advance(back, (before, after) => {
      if (after.change === undefined) this.takenBack(before);
    });
    return this.progress!;
  }

  /** A change is over as if it had never been, however long the threads of a joiner take to end. */
  private readonly takenBack = (before: RingState): void => {
    this.ended('rolled back', before);
    this.takeBack?.(takenBackError(before.change!.node));
    if (askedFor(before.change!) === 'join') void this.dismiss(changingNode(before)!);
    this.settle();
  };

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
    // Who has just asked for a change waits for it too, and who opened the store for those that it begins with.
    await this.ring.settled;
    await this.until(() => !this.underWay && !this.isBecoming);
    if (this.failed !== undefined) throw this.failed;
    return this.progress;
  }

  private get underWay(): boolean {
    return this.state.change !== undefined || this.busy || this.holds > 0;
  }

  private async until(reached: () => boolean): Promise<void> {
    while (!reached() && !this.closed) {
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    }
  }

  private readonly tookIn = (before: RingState, after: RingState): void => {
    if (after.change !== undefined) return;
    this.ended('done', before);
    void this.afterChange(before, changingNode(before)!);
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

  private ended(phase: 'done' | 'rolled back', state: RingState): void {
    if (isChanging(state)) this.last = progressAtEnd(state, phase, this.forMs);
  }

  /** Changes one after the other, as the options of a start ask; {@link finished} tells what one of them fails with. */
  async become(joiners: readonly NodeSpec[], leavers: readonly string[]): Promise<void> {
    const idle = (): boolean => !this.underWay;
    this.isBecoming = true;
    try {
      for (const { id, capacity, vnodes } of joiners) {
        await this.until(idle);
        await this.join({ node: id, capacity, vnodes });
      }
      for (const node of leavers) {
        await this.until(idle);
        await this.leave(node);
      }
    } catch (error) {
      if (!this.closed) this.failed = error instanceof Error ? error : new Error(String(error));
    }
    this.isBecoming = false;
    this.settle();
  }

  private settle(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }

  /** Nothing changes any more; resolves when nothing is being written. */
  async close(): Promise<void> {
    this.closed = true;
    this.intake.close();
    for (const resolve of this.waiting.splice(0)) resolve();
    await this.ring.close();
  }

  /** n of new buckets may not be one that a change does not look at. @throws RingletError RING_CHANGING */
  allowReplicas(n: number): void {
    const { newest } = this.ring;
    if (newest.change === undefined || newest.change.replicas.includes(n)) return;
    refuseSecond(newest);
  }
}

function closedError(): RingletError {
  return new RingletError('CLOSED', 'the store is closed');
}

function takenBackError(node: string): RingletError {
  return new RingletError('RING_CHANGING', `the join of ${node} was taken back`);
}
