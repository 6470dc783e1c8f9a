import { Pulse, type PulseLimits } from '../messaging/pulse.js';

/** A virtual node that leaves a request open and is otherwise silent for so long is asked. */
export const SILENT_MS = 50;
const REPEAT_MS = 50;
/** While requests are made, all are asked now and then, those that are suspected more often. */
const SAMPLE_MS = 1_000;
const PROBE_MS = 250;
const PROBING_MS = 2_000;
/** A caller that was not called for so long was away itself. */
const AWAY_MS = 125;
const LIMITS_OF_VNODES: PulseLimits = { floorMs: 250, ceilingMs: 5_000 };

export interface HealthWorld {
  /** How many there are; more may come. */
  readonly vnodes: number;
  /** What its state word says. */
  isServing(vnode: number): boolean;
  ping(vnode: number): void;
  /** For whoever looks from outside. */
  publish(vnode: number, suspected: boolean): void;
}

/**
 * Which virtual nodes a caller does without for now: those that leave requests and PINGs unanswered
 * while others answer. A slow request is no sign: only who is silent altogether is asked, and
 * a PING is answered whatever the disk does. Suspicion ends with the first frame that arrives.
 */
export class VnodeHealth {
  private readonly world: HealthWorld;
  private readonly pulses: Pulse[] = [];
  private readonly published: boolean[] = [];
  /** Requests are made, somebody is suspected, or a question is open. */
  private watching = false;
  private lastMs = 0;
  private wantedMs = Number.NEGATIVE_INFINITY;

  constructor(world: HealthWorld) {
    this.world = world;
    this.meetAll(0);
  }

  private meetAll(nowMs: number): void {
    while (this.pulses.length < this.world.vnodes) this.pulses.push(new Pulse(LIMITS_OF_VNODES, nowMs));
  }

  suspects(vnode: number): boolean {
    return this.pulses[vnode]?.suspected === true;
  }

  heard(vnode: number, nowMs: number): void {
    this.pulses[vnode]?.heard(nowMs);
  }

  /** A request is made, to whomever. */
  used(nowMs: number): void {
    this.wantedMs = nowMs;
    this.watching = true;
  }

  /** Whether answers to our questions may be on their way. */
  get asking(): boolean {
    return this.watching;
  }

  /** A virtual node has left a request open for longer than {@link SILENT_MS}. */
  missed(vnode: number, nowMs: number): void {
    this.meetAll(nowMs);
    const pulse = this.pulses[vnode]!;
    if (nowMs - pulse.heardMs < SILENT_MS || nowMs - pulse.askedMs < REPEAT_MS) return;
    // All are asked: only where others answer is silence the fault of the one.
    for (let other = 0; other < this.pulses.length; other++) {
      if (nowMs - this.pulses[other]!.heardMs >= SILENT_MS) this.ask(other, nowMs, REPEAT_MS);
    }
  }

  private ask(vnode: number, nowMs: number, everyMs: number): void {
    const pulse = this.pulses[vnode]!;
    if (nowMs - pulse.askedMs < everyMs || !this.world.isServing(vnode)) return;
    pulse.asked(nowMs);
    this.watching = true;
    this.world.ping(vnode);
  }

  /** Judges; every few milliseconds, after what has arrived was taken. */
  tick(nowMs: number): void {
    const wasAway = nowMs - this.lastMs > AWAY_MS;
    this.lastMs = nowMs;
    if (!this.watching) return;
    this.meetAll(nowMs);
    this.watching = nowMs - this.wantedMs < PROBING_MS;
    this.pulses.forEach((pulse, vnode) => this.judge(vnode, pulse, nowMs, wasAway));
  }

  private judge(vnode: number, pulse: Pulse, nowMs: number, wasAway: boolean): void {
    if (!this.world.isServing(vnode)) pulse.forget(nowMs);
    else if (wasAway || (nowMs >= pulse.endMs && !this.othersAnswered(vnode, pulse.openMs)))
      pulse.grant(nowMs);
    if (nowMs - this.wantedMs < PROBING_MS) this.ask(vnode, nowMs, pulse.judge(nowMs) ? PROBE_MS : SAMPLE_MS);
    // An open question without a request is forgotten in time: nobody wants to know.
    if (pulse.open && !pulse.suspected && nowMs - this.wantedMs >= PROBING_MS) pulse.forget(nowMs);
    if (pulse.open || pulse.suspected) this.watching = true;
    if ((this.published[vnode] ?? false) === pulse.suspected) return;
    this.published[vnode] = pulse.suspected;
    this.world.publish(vnode, pulse.suspected);
  }

  private othersAnswered(vnode: number, sinceMs: number): boolean {
    return this.pulses.some((pulse, other) => other !== vnode && pulse.heardMs >= sinceMs);
  }
}
