import {
  FLAG_ANY,
  frameDeadline,
  frameEpoch,
  frameFlags,
  frameIntact,
  frameRequest,
  frameType,
  GET,
  GET_REPLY,
  OK,
  PUT,
  RELAY,
  RELAYED_AT,
  REPLICATE,
  REPLICATE_ACK,
  SCAN,
} from '../messaging/frames.js';
import type { Acknowledgements } from './acknowledgements.js';
import { COUNT_DROPPED, type VnodeEnvironment } from './environment.js';
import type { FailureDetector } from './failure-detector.js';
import type { ReadAnswers } from './read-answers.js';
import type { ServedRequests } from './served-requests.js';
import type { Service } from './service.js';
import type { WriteIntake } from './write-intake.js';

/** Frames taken from each peer per turn, and at a time. */
const DRAIN_BUDGET = 128;
const SLICE = 16;

export interface InboxParts {
  readonly env: VnodeEnvironment;
  readonly detector: FailureDetector;
  readonly acknowledgements: Acknowledgements;
  readonly served: ServedRequests;
  readonly writes: WriteIntake;
  readonly reads: ReadAnswers;
  readonly services: readonly Service[];
  /** Takes over the newest state of the ring. */
  readonly followRing: () => void;
}

/**
 * What a virtual node is sent: each frame is checked and goes to whoever takes its type, those that are
 * damaged, past their deadline or nobody's are dropped and counted.
 */
export class Inbox {
  private readonly env: VnodeEnvironment;
  private readonly detector: FailureDetector;
  private readonly acknowledgements: Acknowledgements;
  private readonly served: ServedRequests;
  private readonly writes: WriteIntake;
  private readonly reads: ReadAnswers;
  private readonly serviceOf = new Map<number, Service>();
  private readonly followRing: () => void;
  private nowMs = 0;
  /** Requests among the frames that {@link take} took last. */
  requests = 0;
  /** Frames that services were ever handed, but for signs of life. */
  messages = 0;

  constructor({ env, detector, acknowledgements, served, writes, reads, services, followRing }: InboxParts) {
    this.env = env;
    this.detector = detector;
    this.acknowledgements = acknowledgements;
    this.served = served;
    this.writes = writes;
    this.reads = reads;
    this.followRing = followRing;
    for (const service of services) for (const type of service.frames) this.serviceOf.set(type, service);
  }

  /**
   * Takes what has come, up to a limit; true if there is more. Answers leave after each slice: whoever
   * waits for them works on them while this thread takes the next.
   */
  take(nowMs: number): boolean {
    this.nowMs = nowMs;
    this.requests = 0;
    const { endpoint } = this.env;
    for (let taken = 0; taken < DRAIN_BUDGET; taken += SLICE) {
      if (!endpoint.drain(SLICE, this.handle, this.arriving)) return false;
      endpoint.flush();
    }
    return true;
  }

  /** Whoever sends a long frame is not silent, and what it answers comes behind it. */
  private readonly arriving = (from: number): void => this.detector.heard(from, this.nowMs);

  private readonly handle = (from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    if (!frameIntact(words, at)) {
      this.env.count(COUNT_DROPPED, 1);
      return;
    }
    // Who sent it may know of a change that was published in this very turn.
    if (frameEpoch(words, at) !== this.env.ring.epoch) this.followRing();
    this.detector.heard(from, this.nowMs);
    const type = frameType(words, at);
    if (type === REPLICATE_ACK) {
      this.acknowledgements.take(frameRequest(words, at), from, words[at + 7]!, words[at + 6] === OK);
      return;
    }
    if (type === GET_REPLY) {
      if (!this.served.answered(from, words, at)) this.writes.answered(from, words, bytes, at);
      return;
    }
    const deadlineMs = frameDeadline(words, at);
    if (deadlineMs < this.nowMs) {
      this.env.count(COUNT_DROPPED, 1);
      return;
    }
    switch (type) {
      case PUT:
      case REPLICATE:
        this.requests++;
        if (!this.served.passOn(from, words, at)) this.writes.accept(from, words, bytes, at, deadlineMs);
        return;
      case RELAY:
        this.requests++;
        // As if the one that it came from had sent it here: it hears of the outcome.
        this.writes.accept(words[at + 6]!, words, bytes, at + RELAYED_AT, deadlineMs);
        return;
      case GET:
        this.requests++;
        if ((frameFlags(words, at) & FLAG_ANY) !== 0) this.served.get(from, words, bytes, at);
        else this.reads.get(from, words, bytes, at);
        return;
      case SCAN:
        this.reads.scan(from, words, bytes, at, deadlineMs);
        return;
      default: {
        const service = this.serviceOf.get(type);
        if (service === undefined) {
          this.env.count(COUNT_DROPPED, 1);
          return;
        }
        if (service !== this.detector) this.messages++;
        service.receive(from, words, bytes, at);
      }
    }
  };
}
