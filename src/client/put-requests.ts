import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { readDouble } from '../base/memory.js';
import {
  IF_NOTHING,
  OK,
  OUT_CONDITION_UNAVAILABLE,
  OUT_CORRUPT,
  OUT_FULL,
  OUT_OVERLOADED,
  OUT_QUORUM,
  OUT_READ_ONLY,
  OUT_STALE_RING,
  PUT_REPLY_WORDS,
} from '../messaging/frames.js';
import type { Entry } from '../versions/dvvs.js';
import { errorOfOutcome, timeoutOf } from './outcomes.js';
import { writePut } from './request-frames.js';
import type { Active, Asked, RequestSlots } from './request-slots.js';
import type { PutTask } from './request.js';

/** A put that nobody has claimed after so long goes to another owner. */
const PATIENCE_MS = 1_000;
/** Whoever has taken a put and is suspected since is not waited for any longer: nobody knows what became of it. */
const LOST_MS = 900;

/**
 * What a long value may take on its way, and be worked on, in addition: its chunks and our questions share one
 * ordered path, so that until it has arrived its coordinator answers nothing and looks silent.
 */
const LEAST_BYTES_PER_MS = 4 << 10;
const LONGEST_WAY_MS = 4_000;

const NO_VALUES: readonly never[] = [];

/** Refusals that are the fault of one disk: another owner may take the put. */
const DISK_REFUSALS: ReadonlyMap<number, string> = new Map([
  [OUT_READ_ONLY, 'read-only'],
  [OUT_FULL, 'full'],
  [OUT_CORRUPT, 'its copy is damaged'],
]);

/**
 * The life of a put: one coordinator at a time, and another one only once it is certain that the first
 * will never execute it.
 */
export class PutRequests {
  private readonly slots: RequestSlots;
  /** The last refusal of a put that is still tried: what it fails with at its deadline. */
  private readonly refusals = new WeakMap<PutTask, RingletError>();

  constructor(slots: RequestSlots) {
    this.slots = slots;
  }

  /** Sends a put to the first owner that serves, and again to another only after it was cancelled for certain. */
  advance(active: Active, task: PutTask): void {
    const { world } = this.slots;
    const before = active.asked.at(-1);
    if (before !== undefined) {
      const alive = this.slots.alive(before);
      if (before.answered || (alive && !this.outOfPatience(before, task))) return;
      const next = this.coordinatorFor(active, task, alive ? before.vnode : -1);
      if (next < 0) return;
      if (!world.claims.cancel(world.caller, active.request)) {
        // It has taken the put: while its thread lives, the answer may still come.
        const silentMs = this.slots.nowMs - before.atMs;
        if (alive && !(this.slots.suspects(before.vnode) && silentMs >= LOST_MS + wayMs(task))) return;
        this.slots.finish(active, lost(task, world.rings.current.vnodes[before.vnode]!.id, alive));
        return;
      }
      active.request = world.claims.open(world.caller, active.slot);
      this.slots.note(task, 'retried', before.vnode, alive ? 'coordinator silent' : 'coordinator gone');
      this.sendPut(active, task, next);
      return;
    }
    // Conditions are the first owner's alone; what is tried again goes to owners.
    const any = this.slots.world.serverDriven === true && task.condition === IF_NOTHING;
    const vnode = any ? this.slots.anyVnode() : this.coordinatorFor(active, task);
    if (vnode >= 0) this.sendPut(active, task, vnode, any);
  }

  private outOfPatience(asked: Asked, task: PutTask): boolean {
    const silentMs = this.slots.nowMs - asked.atMs - wayMs(task);
    return (silentMs >= 0 && this.slots.doubts(asked.vnode)) || silentMs >= PATIENCE_MS;
  }

  private sendPut(active: Active, task: PutTask, vnode: number, any = false): void {
    const { world } = this.slots;
    if (world.endpoint.to(vnode).waitingBytes > LIMITS.outboxBytes) {
      world.claims.cancel(world.caller, active.request);
      this.slots.finish(
        active,
        errorOfOutcome(OUT_OVERLOADED, world.endpoint.to(vnode).waitingBytes, LIMITS.outboxBytes, false),
      );
      return;
    }
    writePut(this.slots.frames, vnode, active.request, task, any);
    this.slots.ask(active, vnode);
  }

  /**
   * The first owner that serves, or a fallback where all owners are down or suspected; an owner that is being
   * rebuilt only if no whole one serves, one that is doubted or suspected only if there is no other; −1 if none
   * serves. Conditions are decided by the first owner alone.
   *
   * @param without it has the put already: only somebody better will do
   */
  private coordinatorFor(active: Active, task: PutTask, without = -1): number {
    const { n, strict } = task.policy;
    const conditional = task.condition !== IF_NOTHING;
    const owners = conditional ? 1 : n;
    const most = conditional || strict ? owners : this.slots.world.rings.current.preferenceLength;
    let partial = -1;
    let doubted = -1;
    let suspected = -1;
    for (let i = 0, served = false; i < most && !(served && i >= owners); i++) {
      const vnode = this.owner(task, i);
      if (!this.slots.world.isServing(vnode)) continue;
      const isSuspected = this.slots.suspects(vnode);
      // While an owner may serve, a fallback refuses.
      served ||= !isSuspected;
      if (vnode === without || active.refusers.includes(vnode)) continue;
      if (isSuspected) suspected = suspected < 0 ? vnode : suspected;
      else if (this.slots.doubts(vnode)) doubted = doubted < 0 ? vnode : doubted;
      else if (i >= owners || this.slots.world.isWhole(vnode)) return vnode;
      else if (partial < 0) partial = vnode;
    }
    if (partial >= 0 || without >= 0) return partial;
    return doubted >= 0 ? doubted : suspected;
  }

  private owner(task: PutTask, i: number): number {
    const ring = this.slots.world.rings.current;
    return ring.preference[task.key.partition * ring.preferenceLength + i]!;
  }

  answered(active: Active, task: PutTask, from: number, words: Int32Array, at: number): void {
    const outcome = words[at + 6]!;
    const entries = words[at + 9]!;
    this.slots.note(task, 'answered', from, outcome === OK ? 'ok' : `outcome ${outcome}`);
    if (outcome !== OK) {
      const made = entries > 0;
      // Refused before it was claimed (no vector): another attempt may find more owners.
      if (
        !made &&
        (outcome === OUT_QUORUM || outcome === OUT_STALE_RING) &&
        this.slots.nowMs < task.deadlineMs
      ) {
        // A copy of the frame, or of an earlier attempt's refusal, may have come after it: what was claimed is not tried again.
        if (!this.slots.cancelled(active)) return;
        this.refusals.set(task, refusalOf(task, words, at, false));
        // What one owner reaches says little of what another does. After the last of them, from the start, at the next tick.
        if (this.tryElsewhere(active, task, from, 'refused')) return;
        active.refusers.length = 0;
        this.slots.startAnew(active);
        return;
      }
      const why = made ? undefined : DISK_REFUSALS.get(outcome);
      if (why !== undefined && this.tryElsewhere(active, task, from, why)) return;
      // Another copy of the frame may still be decided, or be executed by now: its answer counts.
      if (outcome === OUT_CONDITION_UNAVAILABLE && !this.slots.cancelled(active)) return;
      // Overloaded it is mostly before the claim; if it was claimed, by whatever copy, nobody knows.
      const maybe = made || (outcome === OUT_OVERLOADED && !this.slots.cancelled(active));
      this.slots.finish(active, refusalOf(task, words, at, maybe));
      return;
    }
    const vector: Entry<never>[] = [];
    for (let i = 0; i < entries; i++) {
      const entry = at + PUT_REPLY_WORDS + i * 2;
      vector.push({ actor: words[entry]! >>> 0, n: words[entry + 1]! >>> 0, values: NO_VALUES });
    }
    this.slots.release(active);
    task.done({ vector, total: readDouble(words, at + 10) });
  }

  /** The coordinator executed nothing and never will: its peers take over. */
  private tryElsewhere(active: Active, task: PutTask, refuser: number, why: string): boolean {
    active.refusers.push(refuser);
    if (this.coordinatorFor(active, task) < 0) return false;
    this.slots.note(task, 'retried', refuser, why);
    this.slots.startAnew(active);
    this.advance(active, task);
    return true;
  }

  expire(active: Active, task: PutTask): void {
    const certain = this.slots.cancelled(active);
    const refused = this.refusals.get(task);
    if (refused !== undefined && certain) {
      this.slots.finish(active, refused);
    } else if (certain && active.asked.length === 0) {
      const conditional = task.condition !== IF_NOTHING;
      this.slots.finish(
        active,
        errorOfOutcome(conditional ? OUT_CONDITION_UNAVAILABLE : OUT_QUORUM, 0, task.policy.w, false),
      );
    } else {
      const text = certain ? '; it was not executed' : '; it may have been executed';
      this.slots.finish(active, timeoutOf(this.slots.nowMs - task.startedMs, text, !certain));
    }
  }
}

function wayMs({ valueBytes }: PutTask): number {
  return Math.min(Math.floor(valueBytes / LEAST_BYTES_PER_MS), LONGEST_WAY_MS);
}

function refusalOf(task: PutTask, words: Int32Array, at: number, maybe: boolean): RingletError {
  const outcome = words[at + 6]!;
  // Who leaves a put to the owners says nothing of a condition: too few were there to take it.
  if (outcome === OUT_STALE_RING && task.condition === IF_NOTHING)
    return errorOfOutcome(OUT_QUORUM, 0, task.policy.w, maybe);
  return errorOfOutcome(outcome, words[at + 7]!, words[at + 8]!, maybe);
}

function lost(task: PutTask, vnode: string, silent: boolean): RingletError {
  return new RingletError(
    'COORDINATOR_LOST',
    `virtual node ${vnode} ${silent ? 'fell silent' : 'stopped'} after it had taken the put; it may have been executed`,
    { vnode, w: task.policy.w },
    { maybeApplied: true },
  );
}
