import { DURABLE } from '../storage/pipeline.js';
import type { Pipeline } from '../storage/pipeline.js';
import type { Completions } from './completions.js';
import type { VnodeEnvironment } from './environment.js';

/** What a virtual node must know that lost its data. */
export interface Loss {
  /** Buckets up to this number may have lost something here; later ones cannot. */
  readonly buckets: number;
  /** The operator has said that what no replica has shall count as gone. */
  readonly discarded: boolean;
}

/** The replica sets that a virtual node is in. */
export interface ReplicaSets {
  /**
   * Calls back with the ordinals of the owners of each set with more than one that buckets up to a
   * number have, this one included, until it returns false. Sets that it is about to join count, too.
   */
  everySet(buckets: number, visit: (owners: readonly number[]) => boolean): boolean;
}

/**
 * The way back of a virtual node that lost its data (paper §4.7): it takes writes like any other, and
 * its peers give it what they have. Until they have, what it lacks proves nothing: it contributes
 * versions, never an absence nor a count towards R.
 *
 * A peer has *proven* when an exchange of trees with it ended well while that peer was whole: then
 * everything that it had is here. This virtual node is whole once every owner of each of its replica
 * sets has proven or is being rebuilt itself, at least one of them has, and all of that is synced. Two that are
 * being rebuilt prove nothing to each other: where no whole owner is left, only the operator's word
 * ends it. Buckets that are newer than the loss have lost nothing, whatever their n.
 */
export class Rebuilding {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly completions: Completions;
  private readonly sets: ReplicaSets;
  private readonly loss: Loss | undefined;
  private readonly onWhole: () => void;
  private readonly proven = new Set<number>();
  private phase: 'proving' | 'syncing' | 'whole';

  constructor(parts: {
    readonly env: VnodeEnvironment;
    readonly pipeline: Pipeline;
    readonly completions: Completions;
    readonly sets: ReplicaSets;
    readonly loss: Loss | undefined;
    /** Everything is here again, and synced. Called once. */
    readonly onWhole: () => void;
  }) {
    this.env = parts.env;
    this.pipeline = parts.pipeline;
    this.completions = parts.completions;
    this.sets = parts.sets;
    this.loss = parts.loss;
    this.onWhole = parts.onWhole;
    this.phase = parts.loss === undefined ? 'whole' : 'proving';
  }

  /** What is not here may be elsewhere. */
  get partial(): boolean {
    return this.phase !== 'whole';
  }

  /** Whether an exchange with a peer is still needed. */
  needs(peer: number): boolean {
    return this.phase === 'proving' && !this.proven.has(peer);
  }

  /** Everything that a whole peer had is here now. */
  prove(peer: number): void {
    this.proven.add(peer);
  }

  /** Who proved something may have been a joiner then, without what it has now as an owner. */
  ringChanged(): void {
    this.proven.clear();
  }

  /** Ends it when it is time. */
  poll(): void {
    if (this.phase !== 'proving') return;
    if (!this.sets.everySet(this.loss!.buckets, (owners) => this.isProven(owners))) return;
    this.phase = 'syncing';
    const waits = this.completions.awaitLevel(this.pipeline.buffer.lastSequence, DURABLE, this.finish);
    if (!waits) this.finish();
  }

  private readonly finish = (): void => {
    this.phase = 'whole';
    this.onWhole();
  };

  private isProven(owners: readonly number[]): boolean {
    let proven = this.loss!.discarded;
    for (const owner of owners) {
      if (owner === this.env.ordinal) continue;
      if (this.proven.has(owner)) proven = true;
      else if (!this.env.isServing(owner) || this.env.isWhole(owner)) return false;
    }
    return proven;
  }
}
