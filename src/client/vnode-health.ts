import { Pulse, type PulseLimits, withFloor } from '../messaging/pulse.js';

/** A virtual node that leaves a request open and is otherwise silent for so long is asked. */
export const SILENT_MS = 10;
const REPEAT_MS = 20;
/** While requests are made, all are asked now and then, those that are suspected more often. */
const SAMPLE_MS = 1_000;
const PROBE_MS = 250;
const PROBING_MS = 2_000;
/** A caller that was not called for so long was away itself. */
const AWAY_MS = 125;
/** Doubt costs nothing when it is wrong, so it comes early; and it is never far away, whatever was observed. */
const DOUBT_LIMITS: PulseLimits = { floorMs: 15, ceilingMs: 100 };
const SUSPICION_LIMITS: PulseLimits = { floorMs: 250, ceilingMs: 5_000 };

/** The same questions and answers, judged by two measures. */
interface Pulses {
  readonly doubt: Pulse;
  readonly suspicion: Pulse;
}

export interface HealthWorld {
  /** Silence that is held against nobody; default: as above. */
  readonly silenceMs?: number | undefined;
  /** How many there are; more may come. */
  vnodes(): number;
  /** What its state word says. */
  isServing(vnode: number): boolean;
  ping(vnode: number): void;
  /** For whoever looks from outside. */
  publish(vnode: number, suspected: boolean): void;
}

/**
 * Which virtual nodes a caller does without for now: those that leave requests and PINGs unanswered
 * while others answer. A slow request is no sign: only who is silent altogether is asked, and
 * a PING is answered whatever the disk does. Who is silent for longer than answers take is *doubted*:
 * new requests pass it over where another can take them, and what it has certainly not begun goes elsewhere.
 * Who goes on being silent is *suspected*: nothing is expected of it any more. Either ends with the first
 * frame that arrives.
 */
export class VnodeHealth {
  private readonly world: HealthWorld;
  private readonly vnodes: Pulses[] = [];
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
    while (this.vnodes.length < this.world.vnodes())
      this.vnodes.push({
        doubt: new Pulse(withFloor(DOUBT_LIMITS, this.world.silenceMs), nowMs),
        suspicion: new Pulse(withFloor(SUSPICION_LIMITS, this.world.silenceMs), nowMs),
      });
  }

  suspects(vnode: number): boolean {
    return this.vnodes[vnode]?.suspicion.missed === true;
  }

  /** Whoever is suspected is doubted as well. */
  doubts(vnode: number): boolean {
    return this.suspects(vnode) || this.vnodes[vnode]?.doubt.missed === true;
  }

  heard(vnode: number, nowMs: number): void {
    const pulses = this.vnodes[vnode];
    pulses?.doubt.heard(nowMs);
    pulses?.suspicion.heard(nowMs);
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
    const { heardMs, askedMs } = this.vnodes[vnode]!.suspicion;
    if (nowMs - heardMs < SILENT_MS || nowMs - askedMs < REPEAT_MS) return;
    this.ask(vnode, nowMs, REPEAT_MS);
    // Only where others answer is silence the fault of the one.
    const witness = this.heardLast(vnode);
    if (witness >= 0) this.ask(witness, nowMs, SILENT_MS);
  }

  /** Of the others that serve; −1: none does. */
  private heardLast(vnode: number): number {
    let last = -1;
    let lastMs = Number.NEGATIVE_INFINITY;
    for (let other = 0; other < this.vnodes.length; other++) {
      const { heardMs } = this.vnodes[other]!.suspicion;
      if (other === vnode || heardMs <= lastMs || !this.world.isServing(other)) continue;
      last = other;
      lastMs = heardMs;
    }
    return last;
  }

  private ask(vnode: number, nowMs: number, everyMs: number): void {
    const { doubt, suspicion } = this.vnodes[vnode]!;
    if (nowMs - suspicion.askedMs < everyMs || !this.world.isServing(vnode)) return;
    doubt.asked(nowMs);
    suspicion.asked(nowMs);
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
    for (let vnode = 0; vnode < this.vnodes.length; vnode++) {
      const { doubt, suspicion } = this.vnodes[vnode]!;
      this.judge(vnode, doubt, nowMs, wasAway);
      this.judge(vnode, suspicion, nowMs, wasAway);
      if (nowMs - this.wantedMs < PROBING_MS) this.ask(vnode, nowMs, everyMs(this.vnodes[vnode]!));
      if (suspicion.open || suspicion.missed) this.watching = true;
      this.publish(vnode, suspicion.missed);
    }
  }

  private judge(vnode: number, pulse: Pulse, nowMs: number, wasAway: boolean): void {
    if (!this.world.isServing(vnode)) pulse.forget(nowMs);
    else if (wasAway || (nowMs >= pulse.endMs && !this.othersAnswered(vnode, pulse.openMs)))
      pulse.grant(nowMs);
    const suspected = pulse.judge(nowMs);
    // An open question without a request is forgotten in time: nobody wants to know.
    if (pulse.open && !suspected && nowMs - this.wantedMs >= PROBING_MS) pulse.forget(nowMs);
  }

  private othersAnswered(vnode: number, sinceMs: number): boolean {
    return this.vnodes.some(({ suspicion }, other) => other !== vnode && suspicion.heardMs >= sinceMs);
  }

  private publish(vnode: number, suspected: boolean): void {
    if ((this.published[vnode] ?? false) === suspected) return;
    this.published[vnode] = suspected;
    this.world.publish(vnode, suspected);
  }
}

function everyMs({ doubt, suspicion }: Pulses): number {
  if (suspicion.missed) return PROBE_MS;
  return doubt.missed ? REPEAT_MS : SAMPLE_MS;
}
