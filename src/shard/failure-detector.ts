import {
  frameDeadline,
  frameRequest,
  frameType,
  PING,
  PING_WORDS,
  PONG,
  writeHeader,
} from '../messaging/frames.js';
import { Pulse, type PulseLimits, withFloor } from '../messaging/pulse.js';
import type { VnodeEnvironment } from './environment.js';
import type { Service } from './service.js';

/** Quiet peers are asked at every multiple of this time, so that all are awake at once; more seldom where there are many. */
const QUIET_MS = 250;
const PEERS_PER_QUIET = 8;
/** So seldom others are asked as well, and the observed delay stays that of today. */
const SAMPLE_PERIODS = 4;
/** The question is repeated, since a link may lose it. */
const REPEAT_MS = 100;
/** An answer may take half a second more than it usually does. */
const LIMITS_OF_PEERS: PulseLimits = { floorMs: 500, ceilingMs: 10_000 };
/** Late by more than this, we were away ourselves: half of what is never held against anybody. */
const AWAY_MS = LIMITS_OF_PEERS.floorMs / 2;
/** A PING or PONG that is older tells nothing any more. */
const LIFETIME_MS = 10_000;

/**
 * Failure detection local to this virtual node (paper §4.8.3): any frame from a peer is a sign of
 * life; only a quiet peer is sent a PING. One that misses its answer is suspected until it is heard
 * again, and is asked on all the while.
 *
 * A link works when it works both ways. Who hears nothing of a peer says so in its PINGs: on a way
 * that is cut in one direction only this is how the other end learns of it, and suspects as well.
 */
export class FailureDetector implements Service {
  readonly frames = [PING, PONG];
  private readonly env: VnodeEnvironment;
  private readonly limits: PulseLimits;
  private readonly pulses: (Pulse | undefined)[] = [];
  /** Peers that say that they hear nothing of us. */
  private readonly deaf: boolean[] = [];
  private readonly published: boolean[] = [];
  /** Per peer what was to leave before the question that is open, and how much of it had when we looked last. */
  private readonly questionAt: number[] = [];
  private readonly seenLeft: number[] = [];
  private nextMs = Number.NEGATIVE_INFINITY;
  /** When we came back from being away. */
  private backMs = Number.NEGATIVE_INFINITY;

  /** @param silenceMs that is held against nobody; default: as above */
  constructor(env: VnodeEnvironment, silenceMs?: number) {
    this.env = env;
    this.limits = withFloor(LIMITS_OF_PEERS, silenceMs);
  }

  private get quietMs(): number {
    return QUIET_MS * Math.max(1, (this.env.ring.vnodes.length - 1) / PEERS_PER_QUIET);
  }

  /** Whether this virtual node does without that one for now. */
  suspects(vnode: number): boolean {
    return this.deaf[vnode] === true || this.pulses[vnode]?.missed === true;
  }

  /** Something has arrived from a party, whatever it was. */
  heard(party: number, nowMs: number): void {
    this.pulses[party]?.heard(nowMs);
  }

  readonly receive = (from: number, words: Int32Array, _bytes: Uint8Array, at: number): void => {
    const ping = frameType(words, at) === PING;
    if (from < this.env.ring.vnodes.length) {
      // Nobody heard us while we were away, and whoever said so then may hear us now.
      const sentMs = frameDeadline(words, at) - LIFETIME_MS;
      const fresh = sentMs >= this.backMs && !this.wasAway(this.env.clock.nowMs());
      this.deaf[from] = ping && words[at + 6] === 1 && fresh;
      this.publish(from);
    }
    if (ping) this.send(from, PONG, frameRequest(words, at), 0);
  };

  poll(nowMs: number): number {
    if (this.nextMs === Number.NEGATIVE_INFINITY) this.nextMs = nowMs;
    this.meetAll(nowMs);
    if (this.wasAway(nowMs)) {
      this.backMs = nowMs;
      this.grantAll(nowMs);
    }
    if (nowMs < this.nextMs) return this.nextMs;
    this.nextMs = nowMs + this.quietMs;
    for (let peer = 0; peer < this.pulses.length; peer++) {
      const pulse = this.pulses[peer];
      if (pulse !== undefined) this.nextMs = Math.min(this.nextMs, this.look(peer, pulse, nowMs));
    }
    return this.nextMs;
  }

  /** Peers that are new: all of them at the start, later those that join. */
  private meetAll(nowMs: number): void {
    const { length } = this.env.ring.vnodes;
    for (let peer = this.pulses.length; peer < length; peer++)
      this.pulses[peer] = peer === this.env.ordinal ? undefined : new Pulse(this.limits, nowMs);
  }

  /** Asks and judges one peer; when to look again. */
  private look(peer: number, pulse: Pulse, nowMs: number): number {
    if (!this.env.isServing(peer)) {
      // Its state word says so already. When it serves again, it begins without a past.
      pulse.forget(nowMs);
      this.deaf[peer] = false;
      this.publish(peer);
      return nowMs + this.quietMs;
    }
    if (pulse.open && this.questionMoves(peer)) pulse.grant(nowMs);
    pulse.judge(nowMs);
    this.publish(peer);
    const suspected = this.suspects(peer);
    const askMs = pulse.open && !suspected ? pulse.askedMs + REPEAT_MS : this.turnAfter(pulse, suspected);
    if (nowMs < askMs) return Math.min(askMs, pulse.endMs);
    const first = !pulse.open;
    pulse.asked(nowMs);
    this.send(peer, PING, 0, pulse.missed ? 1 : 0);
    if (first) this.noteQuestion(peer);
    return Math.min(suspected ? this.turnAfter(pulse, suspected) : nowMs + REPEAT_MS, pulse.endMs);
  }

  private noteQuestion(peer: number): void {
    const { queuedBytes = 0, leftBytes = 0 } = this.env.endpoint.to(peer);
    this.questionAt[peer] = queuedBytes;
    this.seenLeft[peer] = leftBytes;
  }

  /**
   * A question waits behind a long frame of which the peer has taken something since we looked last: it lives, and
   * cannot have answered yet. What it goes on taking behind the question is no answer: the way back may be cut.
   */
  private questionMoves(peer: number): boolean {
    const { leftBytes = 0 } = this.env.endpoint.to(peer);
    const seen = this.seenLeft[peer] ?? 0;
    this.seenLeft[peer] = leftBytes;
    return seen < (this.questionAt[peer] ?? 0) && leftBytes > seen;
  }

  /** The next common turn to ask at: of a peer that was quiet for half a period by then, or was not asked for long. */
  private turnAfter(pulse: Pulse, suspected: boolean): number {
    const { quietMs } = this;
    const periods = suspected ? 1 : SAMPLE_PERIODS;
    const asked = pulse.askedMs + (periods - 0.5) * quietMs;
    const quiet = suspected ? asked : pulse.heardMs + quietMs / 2;
    return Math.ceil(Math.min(asked, quiet) / quietMs) * quietMs;
  }

  /** A stalled event loop, a long collection, a process that slept. */
  private wasAway(nowMs: number): boolean {
    return nowMs - this.nextMs > AWAY_MS;
  }

  /** What was not heard while we were away proves nothing: everybody gets a new period. */
  private grantAll(nowMs: number): void {
    for (const pulse of this.pulses) pulse?.grant(nowMs);
  }

  private publish(peer: number): void {
    const suspected = this.suspects(peer);
    if ((this.published[peer] ?? false) === suspected) return;
    this.published[peer] = suspected;
    this.env.publishSuspicion(peer, suspected);
  }

  private send(to: number, type: number, request: number, deaf: number): void {
    const outbox = this.env.endpoint.to(to);
    const at = outbox.begin(PING_WORDS * 4);
    writeHeader(
      outbox.words,
      at,
      type,
      0,
      request,
      this.env.ring.epoch,
      this.env.clock.nowMs() + LIFETIME_MS,
    );
    outbox.words[at + 6] = deaf;
    outbox.words[at + 7] = 0;
    outbox.end();
  }
}

/**
 * The environment as a virtual node sees it: a peer serves if its state word says so and it is not suspected.
 * Without accessors: with one, V8 keeps so large an object as a hash table, and each request looks up dozens.
 */
export function judgedBy(detector: FailureDetector, env: VnodeEnvironment): VnodeEnvironment {
  return { ...env, isServing: (vnode) => env.isServing(vnode) && !detector.suspects(vnode) };
}
