import type { ErrorFields } from '../base/errors.js';
import type { SharedBuffers } from '../messaging/layout.js';
import type { RingFact } from '../ring/state.js';
import type { Loss } from './rebuilding.js';
import type { ScrubPace } from './scrub.js';
import type { FaultPlace, ThreadFault } from './thread-faults.js';
import type { BufferShape } from '../storage/buffer-layout.js';

/** What a thread needs to serve a virtual node; everything in it can be cloned to another thread. */
export interface VnodeTask {
  readonly ordinal: number;
  readonly id: string;
  readonly shared: SharedBuffers;
  readonly buffer: SharedArrayBuffer;
  readonly bufferShape: BufferShape;
  readonly maxRecordBytes: number;
  /** What all caches may have in this virtual node. */
  readonly cacheBytes: number;
  readonly flushMs: number;
  /** Of the admission of background work; infinite: none is held back. */
  readonly foregroundP99Ms: number;
  readonly actor: number;
  /** Further numbers that nobody has had; more of them are asked for. */
  readonly freshActors: readonly number[];
  readonly disk: VnodeDisk | undefined;
  readonly pace: Pace;
  /** Silence that is held against no peer; absent: as in failure-detector.ts. */
  readonly silenceMs: number | undefined;
  /** Whether it obeys `fault`, `hang` and `corrupt` messages. */
  readonly faults: boolean;
  /** Control messages; closes when the thread is gone. */
  readonly port: import('node:worker_threads').MessagePort;
}

/** How often work is done that nobody waits for; what is absent has its ordinary pace. */
export interface Pace {
  readonly scrub?: ScrubPace | undefined;
  /** Between two tree exchanges of a virtual node, on average. */
  readonly exchangeMs?: number | undefined;
  /** Between two checkpoints, at most. */
  readonly checkpointMs?: number | undefined;
}

export interface VnodeDisk {
  readonly directory: string;
  readonly storeId: string;
  readonly nodeId: string;
  readonly mayCreate: boolean;
  /** Numbering continues from a clean shutdown; otherwise the journal is replayed. */
  readonly clean:
    | { readonly generation: number; readonly nextSequence: number; readonly dotFloor?: number }
    | undefined;
  readonly sameBoot: boolean;
  /** A new thread of the same process: the object buffer holds what the last one left. */
  readonly restarted: boolean;
  /** Its data was lost: it begins with an empty directory, and its peers give it what they have. */
  readonly loss: Loss | undefined;
  /** The object buffer still has what belonged to a directory that is gone. */
  readonly emptyBuffer: boolean;
}

export type ToVnode =
  | { readonly type: 'stop' }
  | { readonly type: 'actors'; readonly actors: readonly number[] }
  | { readonly type: 'fault'; readonly fault: ThreadFault; readonly place: FaultPlace }
  /** Its files are gone, and nobody else has what is in them: it may be read, and takes nothing more. */
  | { readonly type: 'fence'; readonly reason: string }
  | { readonly type: 'hang'; readonly forMs: number }
  /** Damages what it has on its disk. */
  | { readonly type: 'corrupt' };

export type FromVnode =
  | {
      readonly type: 'ready';
      readonly recoveredRecords: number;
      readonly recoveryMs: number;
    }
  /** What it is certain of in a ring change, to be made durable. */
  | { readonly type: 'facts'; readonly facts: readonly RingFact[] }
  /** It was rebuilt: everything that it lost is there again, and synced. */
  | { readonly type: 'whole' }
  /** It needs fresh actor numbers. */
  | { readonly type: 'actors' }
  | { readonly type: 'failed'; readonly error: ErrorFields }
  | { readonly type: 'stopped'; readonly mark: CleanState | undefined };

export interface CleanState {
  /** It has been used without a gap, so the next start goes on with it. */
  readonly actor: number;
  readonly generation: number;
  readonly count: number;
  readonly root: number;
  readonly nextSequence: number;
  /** What the actor has forgotten (guest-actor.ts). */
  readonly dotFloor: number;
}
