import type { StoreView } from '../client/view.js';
import type { Pace, VnodeDisk, VnodeTask } from '../shard/worker-protocol.js';

/** For tests and for faults that are asked for; nothing of it is public. */
export interface Internals {
  /** The threads obey a {@link FaultySupervisor}. */
  readonly faults?: boolean;
  /** Heap of a virtual node's thread. */
  readonly heapMiB?: number;
  readonly hungMs?: number;
  /** How often it is looked for threads that hang and files that are gone. */
  readonly watchMs?: number;
  /** Ends of a thread after which its data counts as damaged (endings.ts); those that are asked for count too. */
  readonly hopelessEnds?: number;
  readonly pace?: Pace;
  /** Silence that neither a caller nor a virtual node holds against another, where the machine may stall. */
  readonly silenceMs?: number;
  /** Called with what all threads share, before the first of them starts. */
  readonly prepare?: (view: StoreView) => void;
}

/** What stays the same through all threads that serve a virtual node, and the disk of the first. */
export interface Assignment {
  readonly base: Omit<VnodeTask, 'port' | 'actor' | 'freshActors' | 'disk' | 'faults' | 'pace' | 'silenceMs'>;
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
