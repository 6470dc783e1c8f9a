import type { DiskFault, LinkFault } from '../messaging/fault-table.js';

/** Breaking the store on purpose: the public types. */

export interface FaultControl {
  /** @throws RingletError FAULTS_OFF, BAD_REQUEST */
  inject(fault: Fault): void;
  /** Heals all links and disks and starts what is stopped; threads that hang go on when their time is over. */
  clear(): void;
}

/** `at` names a virtual node ("n1.0") or a node ("n1"): all of its virtual nodes. */
export type Fault =
  | CrashRequest
  | HangRequest
  | StopRequest
  | LinkFaultRequest
  | DiskFaultRequest
  | CorruptRequest
  | DeleteRequest;

/** The thread ends and is replaced at once. */
export interface CrashRequest {
  readonly kind: 'crash';
  readonly at: string;
  /** By an exception (default) or by `process.exit`. */
  readonly how?: 'throw' | 'exit';
}

/** The thread runs in a loop and does nothing else. */
export interface HangRequest {
  readonly kind: 'hang';
  readonly at: string;
  /** Without it for ever; but after 10 s such a thread is replaced. */
  readonly forMs?: number;
}

/** The thread is ended and replaced only after `forMs`. */
export interface StopRequest {
  readonly kind: 'stop';
  readonly at: string;
  readonly forMs: number;
}

/** The disk suffers. A second request for a virtual node replaces the first. */
export interface DiskFaultRequest {
  readonly kind: 'disk';
  readonly at: string;
  /** Every sync, read, allocation and commit takes so much longer. */
  readonly slowMs?: number;
  /** There is no room left. */
  readonly full?: boolean;
  /** Every sync fails. */
  readonly failSync?: boolean;
  /** Heals by itself after so long. */
  readonly forMs?: number;
}

/** Bytes of its files are changed in place: up to 16 records in LMDB, and the journal. */
export interface CorruptRequest {
  readonly kind: 'corrupt';
  readonly at: string;
}

/** Its directory is deleted under the thread that has it open. */
export interface DeleteRequest {
  readonly kind: 'delete';
  readonly at: string;
}

/** Messages between two sides suffer. A second request for a link replaces the first. */
export interface LinkFaultRequest {
  readonly kind: 'link';
  /** A node, a virtual node, "callers" (all of them), or "all". */
  readonly from: string;
  readonly to: string;
  /** Only messages on the way from `from` to `to`; else both ways. */
  readonly oneWay?: boolean;
  /** Nothing arrives. */
  readonly cut?: boolean;
  /** Probabilities, 0 to 1, of each message. */
  readonly drop?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
  readonly delayMs?: number;
  /** Up to so much more delay, at random. */
  readonly jitterMs?: number;
  /** Heals by itself after so long. */
  readonly forMs?: number;
}

/** A link that is broken now, one way. Sides are virtual nodes, or "callers". */
export interface ArmedLink extends LinkFault {
  readonly from: string;
  readonly to: string;
}

/** A virtual node whose disk is made to fail now. */
export interface ArmedDisk extends DiskFault {
  readonly at: string;
}
