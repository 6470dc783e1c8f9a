import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { readDouble } from '../base/memory.js';
import { type Claims, SLOTS, slotOf } from '../messaging/claims.js';
import {
  ABSENT,
  FLAG_PARTIAL,
  frameFlags,
  frameIntact,
  frameRequest,
  frameType,
  GET_REPLY,
  IF_NOTHING,
  OK,
  OUT_CONDITION_UNAVAILABLE,
  OUT_CORRUPT,
  OUT_FULL,
  OUT_OVERLOADED,
  OUT_QUORUM,
  OUT_READ_ONLY,
  OUT_STALE_RING,
  PUT_REPLY,
  PUT_REPLY_WORDS,
  RECORD_AT,
  SCAN_RECORDS_AT,
  SCAN_REPLY,
} from '../messaging/frames.js';
import { Fifo } from '../messaging/fifo.js';
import type { Endpoint } from '../messaging/transport.js';
import { withLeaver } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import { decodeClock } from '../storage/record-codec.js';
import { keyAt, keyLengthAt, kindAt, lengthAt } from '../storage/record.js';
import type { Entry } from '../versions/dvvs.js';
import type { CallerRing } from './caller-ring.js';
import type { Contribution } from './merge.js';
import { errorOfOutcome } from './outcomes.js';
import { planRead, type ReadPlan, type ReadView, type Standing, type Unheard } from './read-plan.js';
import type { KeyRouter } from './key-router.js';
import { type FrameContext, writeGet, writePing, writePut, writeScan } from './request-frames.js';
import type { GetTask, PutTask, ScanTask, Task } from './request.js';
import { SILENT_MS, VnodeHealth } from './vnode-health.js';

/** Another owner is asked when one has not answered for so long. */
const HEDGE_MS = 50;
/** A question that was not answered may have been lost on the way: the same owner is asked again. */
const ASK_AGAIN_MS = 500;
/** A put that nobody has claimed after so long goes to another owner. */
const PATIENCE_MS = 1_000;
/** Whoever has taken a put and is suspected since is not waited for any longer: nobody knows what became of it. */
const LOST_MS = 900;
/** An older PING is not worth an answer. */
const PING_LIFETIME_MS = 5_000;

/** Refusals that are the fault of one disk: another owner may take the put. */
const DISK_REFUSALS: ReadonlyMap<number, string> = new Map([
  [OUT_READ_ONLY, 'read-only'],
  [OUT_FULL, 'full'],
  [OUT_CORRUPT, 'its copy is damaged'],
]);

interface Asked {
  readonly vnode: number;
  readonly incarnation: number;
  readonly atMs: number;
  answered: boolean;
}

/** A request under way. */
interface Active {
  readonly slot: number;
  request: number;
  readonly task: Task;
  asked: Asked[];
  readonly contributions: Contribution[];
  /** Owners that refused: their disk failed, or they reach too few others. */
  readonly refusers: number[];
  unheard: readonly Unheard[];
  /** Of a get: the ring that it was planned with, and the owners in it. */
  revision: number;
  owners: Int32Array;
}

const NOBODY = new Int32Array(0);
const NOTHING_UNHEARD: readonly Unheard[] = [];

export interface MachineWorld {
  readonly caller: number;
  /** As it is now. */
  readonly ring: Ring;
  /** Absent where the ring never changes. */
  readonly rings?: CallerRing;
  readonly router: KeyRouter;
  readonly endpoint: Endpoint;
  readonly claims: Claims;
  /** Any virtual node is asked, and coordinates (paper §6.4, Table 2); else this caller does. */
  readonly serverDriven?: boolean;
  isServing(vnode: number): boolean;
  /** Whether it has all that it must have: it serves, and is not being rebuilt. */
  isWhole(vnode: number): boolean;
  incarnation(vnode: number): number;
  /** Whether a virtual node may hold hints for another. */
  holdsHintsFor(holder: number, owner: number): boolean;
  /** For whoever looks from outside. */
  publishSuspicion(vnode: number, suspected: boolean): void;
}

/**
 * The life of a caller's requests: synchronous, without promises or timers. `submit` sends,
 * `poll` takes what has arrived, `tick` does what time demands; each request ends by exactly one
 * call of its `done`.
 */
export class RequestMachine {
  private readonly world: MachineWorld;
  private readonly frames: FrameContext;
  private readonly health: VnodeHealth;
  private readonly active: (Active | undefined)[] = [];
  /** First in, first out: the later a slot is used again, the later its use count wraps. */
  private readonly freeSlots = new Fifo<number>();
  private nextSlot = 0;
  pending = 0;
  private nowMs = 0;

  constructor(world: MachineWorld) {
    this.world = world;
    this.frames = {
      endpoint: world.endpoint,
      get epoch() {
        return world.ring.epoch;
      },
      caller: world.caller,
      router: world.router,
    };
    this.health = new VnodeHealth({
      get vnodes() {
        return world.ring.vnodes.length;
      },
      isServing: (vnode) => world.isServing(vnode),
      ping: (vnode) => writePing(this.frames, vnode, this.nowMs + PING_LIFETIME_MS),
      publish: (vnode, suspected) => world.publishSuspicion(vnode, suspected),
    });
  }

  /** @throws RingletError OVERLOADED */
  submit(task: Task, nowMs: number, contributions: Contribution[] = []): number {
    this.nowMs = nowMs;
    const slot = this.freeSlots.shift() ?? (this.nextSlot < SLOTS ? this.nextSlot++ : -1);
    if (slot < 0) {
      throw new RingletError('OVERLOADED', `${LIMITS.inFlight} requests of this thread are in flight`, {
        inFlight: this.pending,
        limit: LIMITS.inFlight,
      });
    }
    const request = this.world.claims.open(this.world.caller, slot);
    const active: Active = {
      slot,
      request,
      task,
      asked: [],
      contributions,
      refusers: [],
      unheard: NOTHING_UNHEARD,
      revision: -1,
      owners: NOBODY,
    };
    this.active[slot] = active;
    if (this.pending++ === 0) this.world.rings?.enter();
    else this.world.rings?.follow();
    this.health.used(nowMs);
    this.advance(active);
    return slot;
  }

  /** Takes what has arrived; true if there may be more. */
  poll(nowMs: number): boolean {
    this.nowMs = nowMs;
    this.world.rings?.follow();
    return this.world.endpoint.drain(256, this.handle);
  }

  /** Deadlines, dead virtual nodes, and slow ones. */
  tick(nowMs: number): void {
    this.nowMs = nowMs;
    this.world.rings?.follow();
    this.health.tick(nowMs);
    if (this.pending === 0) return;
    for (let slot = 0; slot < this.nextSlot; slot++) {
      const active = this.active[slot];
      if (active === undefined) continue;
      if (nowMs >= active.task.deadlineMs) this.expire(active);
      else {
        this.noticeSilence(active);
        this.advance(active);
      }
    }
  }

  /** Whether a virtual node is done without for now; it is still asked where no other is left. */
  suspects(vnode: number): boolean {
    return this.health.suspects(vnode);
  }

  /** Whether something may arrive although no request is pending. */
  get asking(): boolean {
    return this.health.asking;
  }

  private noticeSilence(active: Active): void {
    for (const { vnode, atMs, answered } of active.asked) {
      if (!answered && this.nowMs - atMs >= SILENT_MS) this.health.missed(vnode, this.nowMs);
    }
  }

  /** Ends a request from outside: an AbortSignal, or the end of the store. */
  abort(slot: number, task: Task, error: (maybeApplied: boolean) => RingletError): void {
    const active = this.active[slot];
    if (active?.task === task) this.finish(active, error(!this.cancelled(active)));
  }

  abortAll(error: (maybeApplied: boolean) => RingletError): void {
    for (const active of this.active) {
      if (active !== undefined) this.finish(active, error(!this.cancelled(active)));
    }
  }

  /** Whether a put is certain never to be executed. Reads always are. */
  private cancelled(active: Active): boolean {
    return active.task.kind !== 'put' || this.world.claims.cancel(this.world.caller, active.request);
  }

  /** The one place that decides what a request does next. */
  private advance(active: Active): void {
    switch (active.task.kind) {
      case 'get':
        this.advanceGet(active, active.task);
        return;
      case 'put':
        this.advancePut(active, active.task);
        return;
      case 'scan':
        this.advanceScan(active, active.task);
        return;
    }
  }

  private advanceGet(active: Active, task: GetTask): void {
    if (this.world.serverDriven === true) {
      this.advanceServed(active, task);
      return;
    }
    if (active.revision !== this.world.ring.revision) this.ringChanged(active, task);
    const { ask, unheard, end } = this.plan(this.viewOf(active, task));
    if (unheard.length > 0) active.unheard = [...active.unheard, ...unheard];
    for (const vnode of ask) {
      writeGet(this.frames, vnode, active.request, task);
      this.ask(active, vnode);
    }
    if (end !== 'wait') this.answer(active, task, end === 'degraded');
  }

  /**
   * What was answered counts for what its giver was then: who was no owner may have had nothing, rightly,
   * and its absence must not count when it has become one. Other owners are asked from the beginning.
   */
  private ringChanged(active: Active, { key, policy }: GetTask): void {
    const { preference, preferenceLength, revision } = this.world.ring;
    const first = key.partition * preferenceLength;
    const owners = preference.slice(first, first + policy.n);
    const isFirst = active.revision < 0;
    const isSame = owners.length === active.owners.length && owners.every((v, i) => v === active.owners[i]);
    active.revision = revision;
    active.owners = owners;
    if (isFirst || isSame) return;
    active.contributions.length = 0;
    active.unheard = NOTHING_UNHEARD;
    this.startAnew(active);
  }

  /** A test puts something else in. */
  protected plan(view: ReadView): ReadPlan {
    return planRead(view);
  }

  private advanceServed(active: Active, task: GetTask): void {
    const before = active.asked.at(-1);
    if (active.contributions.length > 0) {
      this.answer(active, task, false);
    } else if (before?.answered === true) {
      this.finish(active, errorOfOutcome(OUT_QUORUM, 0, task.policy.r, false));
    } else if (before === undefined || !this.alive(before) || this.nowMs - before.atMs >= ASK_AGAIN_MS) {
      const vnode = this.anyVnode();
      if (vnode < 0) return;
      writeGet(this.frames, vnode, active.request, task, true);
      this.ask(active, vnode);
    }
  }

  /** In turns, as a load balancer does that knows nothing of keys; −1: none serves. */
  private anyVnode(): number {
    const { world } = this;
    const count = world.ring.vnodes.length;
    let doubted = -1;
    for (let i = 0; i < count; i++) {
      const vnode = this.turn++ % count;
      if (!world.isServing(vnode)) continue;
      if (!this.suspects(vnode)) return vnode;
      doubted = vnode;
    }
    return doubted;
  }
  private turn = 0;

  private viewOf(active: Active, task: GetTask): ReadView {
    const { world } = this;
    const { n, r, strict } = task.policy;
    const { preference, preferenceLength } = world.ring;
    const first = task.key.partition * preferenceLength;
    return {
      n,
      r,
      strict,
      list: withLeaver(world.ring, preference.subarray(first, first + preferenceLength)),
      versions: active.contributions.some(({ clock }) => clock !== undefined),
      isServing: (vnode) => world.isServing(vnode),
      isWhole: (vnode) => world.isWhole(vnode),
      suspects: (vnode) => this.suspects(vnode),
      standing: (vnode) => this.standing(active, vnode),
      holdsHintsFor: (holder, owner) => world.holdsHintsFor(holder, owner),
      unheard: active.unheard,
      hasVersions: (vnode) =>
        active.contributions.some((one) => one.vnode === vnode && one.clock !== undefined),
    };
  }

  private standing(active: Active, vnode: number): Standing {
    const given = active.contributions.find((contribution) => contribution.vnode === vnode);
    if (given !== undefined) return given.partial === true ? 'partial' : 'answered';
    const asked = active.asked.findLast((one) => one.vnode === vnode);
    if (asked === undefined || !this.alive(asked)) return 'unasked';
    if (asked.answered) return 'refused';
    const silentMs = this.nowMs - asked.atMs;
    if (silentMs >= ASK_AGAIN_MS) return 'unasked';
    if (this.suspects(vnode)) return 'doubted';
    return silentMs < HEDGE_MS ? 'asked' : 'slow';
  }

  private answer(active: Active, task: GetTask, degraded: boolean): void {
    this.release(active);
    task.done({ contributions: active.contributions, degraded });
  }

  /** Sends a put to the first owner that serves, and again to another only after it was cancelled for certain. */
  private advancePut(active: Active, task: PutTask): void {
    const { world } = this;
    const before = active.asked.at(-1);
    if (before !== undefined) {
      const alive = this.alive(before);
      if (before.answered || (alive && !this.outOfPatience(before))) return;
      const next = this.coordinatorFor(active, task, alive ? before.vnode : -1);
      if (next < 0) return;
      if (!world.claims.cancel(world.caller, active.request)) {
        // It has taken the put: while its thread lives, the answer may still come.
        const silentMs = this.nowMs - before.atMs;
        if (alive && !(this.suspects(before.vnode) && silentMs >= LOST_MS)) return;
        this.finish(active, lost(task, world.ring.vnodes[before.vnode]!.id, alive));
        return;
      }
      active.request = world.claims.open(world.caller, active.slot);
      this.note(task, 'retried', before.vnode, alive ? 'coordinator silent' : 'coordinator gone');
      this.sendPut(active, task, next);
      return;
    }
    // Conditions are the first owner's alone; what is tried again goes to owners.
    const any = this.world.serverDriven === true && task.condition === IF_NOTHING;
    const vnode = any ? this.anyVnode() : this.coordinatorFor(active, task);
    if (vnode >= 0) this.sendPut(active, task, vnode, any);
  }

  private outOfPatience(asked: Asked): boolean {
    return this.suspects(asked.vnode) || this.nowMs - asked.atMs >= PATIENCE_MS;
  }

  private sendPut(active: Active, task: PutTask, vnode: number, any = false): void {
    const { world } = this;
    if (world.endpoint.to(vnode).waitingBytes > LIMITS.outboxBytes) {
      world.claims.cancel(world.caller, active.request);
      this.finish(
        active,
        errorOfOutcome(OUT_OVERLOADED, world.endpoint.to(vnode).waitingBytes, LIMITS.outboxBytes, false),
      );
      return;
    }
    writePut(this.frames, vnode, active.request, task, any);
    this.ask(active, vnode);
  }

  /**
   * The first owner that serves, or a fallback where none does; an owner that is being rebuilt only if
   * no whole one serves, one that is suspected only if there is no other; −1 if none serves. Conditions are decided by the first owner alone.
   */
  private coordinatorFor(active: Active, task: PutTask, without = -1): number {
    const { n, strict } = task.policy;
    const conditional = task.condition !== IF_NOTHING;
    const owners = conditional ? 1 : n;
    const most = conditional || strict ? owners : this.world.ring.preferenceLength;
    let suspected = -1;
    let partial = -1;
    for (let i = 0, served = false; i < most && !(served && i >= owners); i++) {
      const vnode = this.owner(task, i);
      if (vnode === without || !this.world.isServing(vnode)) continue;
      if (this.suspects(vnode)) {
        if (suspected < 0 && !active.refusers.includes(vnode)) suspected = vnode;
        continue;
      }
      served = true;
      if (active.refusers.includes(vnode)) continue;
      if (i >= owners || this.world.isWhole(vnode)) return vnode;
      if (partial < 0) partial = vnode;
    }
    return partial < 0 && without < 0 ? suspected : partial;
  }

  private advanceScan(active: Active, task: ScanTask): void {
    const before = active.asked.at(-1);
    if (before !== undefined && this.alive(before)) return;
    // A page of one that is being rebuilt would lack what it lacks.
    if (!this.world.isWhole(task.vnode)) return;
    writeScan(this.frames, active.request, task);
    this.ask(active, task.vnode);
  }

  private owner(task: GetTask | PutTask, i: number): number {
    const { ring } = this.world;
    return ring.preference[task.key.partition * ring.preferenceLength + i]!;
  }

  private ask(active: Active, vnode: number): void {
    const { task } = active;
    const again = active.asked.findIndex((asked) => asked.vnode === vnode);
    if (again >= 0) active.asked.splice(again, 1);
    active.asked.push({
      vnode,
      incarnation: this.world.incarnation(vnode),
      atMs: this.nowMs,
      answered: false,
    });
    if (task.kind !== 'scan') this.note(task, 'sent', vnode);
  }

  private alive(asked: Asked): boolean {
    return this.world.isServing(asked.vnode) && this.world.incarnation(asked.vnode) === asked.incarnation;
  }

  private note(
    task: GetTask | PutTask,
    event: 'sent' | 'answered' | 'retried',
    vnode: number,
    outcome?: string,
  ): void {
    task.timeline?.push({
      atUs: Math.round((this.nowMs - task.startedMs) * 1000),
      event,
      vnode: this.world.ring.vnodes[vnode]!.id,
      ...(outcome === undefined ? {} : { outcome }),
    });
  }

  private readonly handle = (from: number, words: Int32Array, _bytes: Uint8Array, at: number): void => {
    if (!frameIntact(words, at)) return;
    this.health.heard(from, this.nowMs);
    const request = frameRequest(words, at);
    const active = this.active[slotOf(request)];
    if (active === undefined || active.request !== request) return;
    const type = frameType(words, at);
    const { task } = active;
    if (type === PUT_REPLY && task.kind === 'put') this.putReply(active, task, from, words, at);
    else if (type === GET_REPLY && task.kind === 'get') this.getReply(active, task, from, words, at);
    else if (type === SCAN_REPLY && task.kind === 'scan') this.scanReply(active, task, words, at);
  };

  private putReply(active: Active, task: PutTask, from: number, words: Int32Array, at: number): void {
    const outcome = words[at + 6]!;
    const entries = words[at + 9]!;
    this.note(task, 'answered', from, outcome === OK ? 'ok' : `outcome ${outcome}`);
    if (outcome !== OK) {
      const made = entries > 0;
      // Refused before it was claimed (no vector): another attempt may find more owners.
      if (!made && (outcome === OUT_QUORUM || outcome === OUT_STALE_RING) && this.nowMs < task.deadlineMs) {
        // A copy of the frame, or of an earlier attempt's refusal, may have come after it: what was claimed is not tried again.
        if (!this.cancelled(active)) return;
        this.refusals.set(task, errorOfOutcome(outcome, words[at + 7]!, words[at + 8]!, false));
        // What one owner reaches says little of what another does. After the last of them, from the start, at the next tick.
        if (this.tryElsewhere(active, task, from, 'refused')) return;
        active.refusers.length = 0;
        this.startAnew(active);
        return;
      }
      const why = made ? undefined : DISK_REFUSALS.get(outcome);
      if (why !== undefined && this.tryElsewhere(active, task, from, why)) return;
      // Overloaded it is mostly before the claim; if it was claimed, by whatever copy, nobody knows.
      const maybe = made || (outcome === OUT_OVERLOADED && !this.cancelled(active));
      this.finish(active, errorOfOutcome(outcome, words[at + 7]!, words[at + 8]!, maybe));
      return;
    }
    const vector: Entry<never>[] = [];
    for (let i = 0; i < entries; i++) {
      const entry = at + PUT_REPLY_WORDS + i * 2;
      vector.push({ actor: words[entry]! >>> 0, n: words[entry + 1]! >>> 0, values: [] });
    }
    this.release(active);
    task.done({ vector, total: readDouble(words, at + 10) });
  }

  /** The coordinator executed nothing and never will: its peers take over. */
  private tryElsewhere(active: Active, task: PutTask, refuser: number, why: string): boolean {
    active.refusers.push(refuser);
    if (this.coordinatorFor(active, task) < 0) return false;
    this.note(task, 'retried', refuser, why);
    this.startAnew(active);
    this.advance(active);
    return true;
  }

  /** Under another number, so that no frame of an earlier attempt can be claimed. */
  private startAnew(active: Active): void {
    active.asked = [];
    active.request = this.world.claims.open(this.world.caller, active.slot);
  }

  /** The last refusal of a put that is still tried: what it fails with at its deadline. */
  private readonly refusals = new WeakMap<Task, RingletError>();

  private getReply(active: Active, task: GetTask, from: number, words: Int32Array, at: number): void {
    const outcome = words[at + 6]!;
    const asked = active.asked.find((one) => one.vnode === from && !one.answered);
    if (asked === undefined) return;
    asked.answered = true;
    // A thread that took over answers what its predecessor was asked, and then what it was asked
    // itself: one owner, which counts once towards R.
    if (active.contributions.some(({ vnode }) => vnode === from)) return;
    this.note(
      task,
      'answered',
      from,
      outcome === OK ? 'found' : outcome === ABSENT ? 'absent' : `outcome ${outcome}`,
    );
    const partial = (frameFlags(words, at) & FLAG_PARTIAL) !== 0;
    if (outcome === OK) {
      const record = words.slice(at + RECORD_AT, at + RECORD_AT + (lengthAt(words, at + RECORD_AT) >>> 2));
      const clock = decodeClock(record, new Uint8Array(record.buffer), 0);
      active.contributions.push({ vnode: from, clock, kind: kindAt(record, 0), partial });
    } else if (outcome === ABSENT && !partial) {
      active.contributions.push({ vnode: from, clock: undefined, kind: 0 });
    } else if (outcome === OUT_CORRUPT) {
      this.refusals.set(task, errorOfOutcome(outcome, 0, 0, false));
    }
    this.advance(active);
  }

  private scanReply(active: Active, task: ScanTask, words: Int32Array, at: number): void {
    if (words[at + 6] !== OK) {
      this.finish(active, errorOfOutcome(words[at + 6]!, 0, 0, false));
      return;
    }
    const records = [];
    let word = at + SCAN_RECORDS_AT;
    for (let i = 0; i < words[at + 7]!; i++) {
      const record = words.slice(word, word + (lengthAt(words, word) >>> 2));
      const own = new Uint8Array(record.buffer);
      const key = keyAt(record, 0) * 4;
      records.push({
        key: own.subarray(key, key + keyLengthAt(record, 0)),
        clock: decodeClock(record, own, 0),
        kind: kindAt(record, 0),
      });
      word += record.length;
    }
    this.release(active);
    task.done({ records, more: words[at + 8] === 0 });
  }

  private expire(active: Active): void {
    const { task } = active;
    const tookMs = Math.round(this.nowMs - task.startedMs);
    const certain = this.cancelled(active);
    const refused = this.refusals.get(task);
    if (refused !== undefined && certain) {
      this.finish(active, refused);
    } else if (task.kind === 'get') {
      this.expireGet(active, task);
    } else if (task.kind === 'put' && certain && active.asked.length === 0) {
      const conditional = task.condition !== IF_NOTHING;
      this.finish(
        active,
        errorOfOutcome(conditional ? OUT_CONDITION_UNAVAILABLE : OUT_QUORUM, 0, task.policy.w, false),
      );
    } else {
      const text = certain ? 'it was not executed' : 'it may have been executed';
      this.finish(
        active,
        new RingletError(
          'TIMEOUT',
          `no answer after ${tookMs} ms${task.kind === 'put' ? `; ${text}` : ''}`,
          { tookMs },
          { maybeApplied: !certain },
        ),
      );
    }
  }

  /** What is known by now is a degraded answer; nothing known, or a strict get, is none. */
  private expireGet(active: Active, task: GetTask): void {
    const { n, r, strict, list, versions } = this.viewOf(active, task);
    let owners = 0;
    for (let i = 0; i < n; i++) if (this.standing(active, list[i]!) === 'answered') owners++;
    if (owners >= r) this.answer(active, task, false);
    else if (!strict && (owners > 0 || versions)) this.answer(active, task, true);
    else this.finish(active, errorOfOutcome(OUT_QUORUM, owners, r, false));
  }

  private finish(active: Active, error: RingletError): void {
    this.release(active);
    active.task.done(error);
  }

  private release(active: Active): void {
    this.active[active.slot] = undefined;
    this.freeSlots.push(active.slot);
    if (--this.pending === 0) this.world.rings?.leave();
  }
}

function lost(task: PutTask, vnode: string, silent: boolean): RingletError {
  return new RingletError(
    'COORDINATOR_LOST',
    `virtual node ${vnode} ${silent ? 'fell silent' : 'stopped'} after it had taken the put; it may have been executed`,
    { vnode, w: task.policy.w },
    { maybeApplied: true },
  );
}
