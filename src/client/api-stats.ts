import type { ArmedDisk, ArmedLink } from './api-faults.js';
import type { RingProgress } from './ring-api.js';

/** What the store tells of itself: the public types. */

export interface StartupReport {
  readonly fresh: boolean;
  readonly cleanShutdown: boolean;
  /** Milliseconds spent on recovery (journal replay, verification); 0 when there was nothing to do. */
  readonly recoveryMs: number;
  readonly recoveredRecords: number;
  readonly totalMs: number;
  /** Virtual nodes whose data was lost or damaged: they are being rebuilt from their peers. */
  readonly rebuilding: readonly { readonly vnode: string; readonly reason: string }[];
}

export interface RingDescription {
  readonly partitions: number;
  readonly epoch: number;
  /** While the ring changes: partitions that move, how many new owners serve, and who still lets copies go. */
  readonly change?: Pick<RingProgress, 'phase' | 'partitions' | 'handed' | 'compared' | 'cleaning'>;
  readonly nodes: readonly {
    readonly id: string;
    readonly capacity: number;
    readonly vnodes: readonly {
      readonly id: string;
      readonly state: VnodeState;
      /** Number of the thread that serves it, from 1. */
      readonly incarnation: number;
      readonly partitions: number;
      /** Virtual nodes, and callers such as "caller 0", that miss its answers and do without it for now. */
      readonly suspectedBy: readonly string[];
    }[];
  }[];
  /** Per partition the virtual nodes in order of preference: owners (N of the default bucket) first. */
  readonly preferenceLists: readonly (readonly string[])[];
}

/** `rebuilding`: it lost its data, and takes requests while its peers give it theirs. */
export type VnodeState =
  | 'starting'
  | 'recovering'
  | 'serving'
  | 'fenced'
  | 'stopped'
  | 'faulted'
  | 'rebuilding';

export interface VnodeStats {
  readonly id: string;
  readonly state: VnodeState;
  readonly incarnation: number;
  /** Requests served since the start: reads by message, direct reads (of this process), coordinated and replicated writes. */
  readonly reads: number;
  readonly directReads: number;
  readonly coordinated: number;
  readonly replicated: number;
  readonly keys: number;
  readonly siblingsMax: number;
  readonly actorsMax: number;
  readonly readRepairs: number;
  readonly bufferBytes: number;
  readonly bufferCapacityBytes: number;
  /** Records appended, and how many of them are written, synced and in the engine. */
  readonly appendedRecords: number;
  readonly writtenRecords: number;
  readonly syncedRecords: number;
  readonly engineRecords: number;
  /** What a crash of the process now would lose, and a power cut. */
  readonly unwrittenRecords: number;
  readonly unwrittenBytes: number;
  readonly unsyncedRecords: number;
  readonly unsyncedBytes: number;
  readonly oldestUnwrittenMs: number;
  /** Merkle trees; they are rebuilt after each start, and compared with peers once they are usable. */
  readonly trees: 'none' | 'rebuilding' | 'usable';
  /** ms since all replica peers have been found equal, each at its own time; null: one never was since the start. */
  readonly inSyncMs: number | null;
  /** Tree exchanges that this virtual node began and ended, those that failed, and bytes of all their frames. */
  readonly exchanges: number;
  readonly exchangesFailed: number;
  readonly exchangeBytes: number;
  /** Records sent to peers because trees differed. */
  readonly repairKeysSent: number;
  readonly repairBytesSent: number;
  /** Tombstones that this virtual node, as their first owner, waits to reap; those it has let go since the start. */
  readonly tombstones: number;
  readonly reaped: number;
  /** Copies of values whose time was over that have left the storage since the start. */
  readonly expired: number;
  /** Of cache buckets: entries and bytes of their records, and how many have been evicted. */
  readonly cached: { readonly entries: number; readonly bytes: number; readonly evicted: number };
  readonly journalFailures: number;
  /** The scrub reads everything again and again, slowly. */
  readonly scrub: ScrubStats;
  readonly restarts: number;
  /** Bytes that wait in its inbox, the rings from all others together. */
  readonly inboxBytes: number;
  /** Of its thread: the longest turn of the last half minute, and collections of garbage since the store was opened. */
  readonly longestTurnMs: number;
  readonly gcs: number;
  readonly gcMs: number;
  /** Keys whose newest version must still go to an owner that did not serve. */
  readonly hints: HintStats;
  /** Virtual nodes that this one does without for now. */
  readonly suspects: readonly string[];
  /** Digest of the membership as it knows it: the same at all, some seconds after a change. */
  readonly membership: number;
  readonly background: BackgroundStats;
}

/** How background work (handing over, trees, engine writes) is held back for requests (paper §6.5). */
export interface BackgroundStats {
  /** Of the thread's time that it may take: 1 as long as requests fare well. */
  readonly share: number;
  /** What requests waited or took in the last moment that had any, in milliseconds, good to a fifth. */
  readonly foregroundP99Ms: number;
  /** What it shall be at most, as the store was opened (`foregroundP99Ms`); null: background work is never held back. */
  readonly targetMs: number | null;
  /** Slices granted, and how often one was asked for in vain, by this thread; both modulo 2^32. */
  readonly slices: number;
  readonly held: number;
}

export interface ScrubStats {
  /** Since the start: records that were read, and what was found to be damaged (records, and pieces of the journal). */
  readonly records: number;
  readonly damaged: number;
  /** ms since everything was last read; null: not yet since the start. */
  readonly lastPassMs: number | null;
}

export interface HintStats {
  readonly waiting: number;
  /** Of the records, when their hints were made; in steps of 1 KiB. */
  readonly bytes: number;
  readonly oldestMs: number;
  /** Virtual nodes for which hints wait here. */
  readonly owners: readonly string[];
  /** Since the start: hints that an owner has taken, and those not kept because there were too many. */
  readonly delivered: number;
  readonly dropped: number;
}

export interface Latency {
  readonly operation: 'get' | 'put' | 'delete' | 'increment';
  /** The first 31 buckets each, the rest as "(others)". */
  readonly bucket: string;
  /** `miss`: a get without a live value. */
  readonly outcome: 'ok' | 'miss' | 'error';
  readonly count: number;
  readonly sumUs: number;
  /** Requests by duration: 0 to 7 µs each, then four cells per power of two, up to 134 s. */
  readonly cells: readonly number[];
}

export interface StoreStats {
  readonly uptimeMs: number;
  readonly callers: number;
  readonly maxCallers: number;
  readonly vnodes: readonly VnodeStats[];
  readonly faults: {
    /** Whether the store was opened with `allowFaults`. */
    readonly allowed: boolean;
    readonly links: readonly ArmedLink[];
    readonly disks: readonly ArmedDisk[];
  };
  /** The sums over all virtual nodes. */
  readonly atRisk: {
    readonly processCrash: { readonly records: number; readonly bytes: number; readonly oldestMs: number };
    readonly powerCut: { readonly records: number; readonly bytes: number };
  };
}
