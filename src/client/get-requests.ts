import type { RingletError } from '../base/errors.js';
import {
  ABSENT,
  FLAG_PARTIAL,
  frameFlags,
  OK,
  OUT_CORRUPT,
  OUT_QUORUM,
  RECORD_AT,
} from '../messaging/frames.js';
import { withHolders } from '../ring/live-ring.js';
import { decodeClock } from '../storage/record-codec.js';
import { kindAt, lengthAt } from '../storage/record.js';
import { errorOfOutcome } from './outcomes.js';
import { answeredOwners, type ReadPlan, type ReadView, type Standing } from './read-plan.js';
import { writeGet } from './request-frames.js';
import { type Active, NOTHING_UNHEARD, type RequestSlots } from './request-slots.js';
import type { GetTask } from './request.js';

/** Another owner is asked when one has not answered for so long. */
const HEDGE_MS = 50;
/** A question that was not answered may have been lost on the way: the same owner is asked again. */
const ASK_AGAIN_MS = 500;

/** The life of a get: whom it asks next, what was answered, and when that is enough. */
export class GetRequests {
  private readonly slots: RequestSlots;
  private readonly plan: (view: ReadView) => ReadPlan;
  /** Why the copy of somebody is none: what a get fails with at its deadline. */
  private readonly refusals = new WeakMap<GetTask, RingletError>();

  constructor(slots: RequestSlots, plan: (view: ReadView) => ReadPlan) {
    this.slots = slots;
    this.plan = plan;
  }

  advance(active: Active, task: GetTask): void {
    if (this.slots.world.serverDriven === true) {
      this.advanceServed(active, task);
      return;
    }
    if (active.revision !== this.slots.world.rings.current.revision) this.ringChanged(active, task);
    const { ask, unheard, end } = this.plan(this.viewOf(active, task));
    if (unheard.length > 0) active.unheard = [...active.unheard, ...unheard];
    for (const vnode of ask) {
      writeGet(this.slots.frames, vnode, active.request, task);
      this.slots.ask(active, vnode);
    }
    if (end !== 'wait') this.answer(active, task, end === 'degraded');
  }

  /**
   * What was answered counts for what its giver was then: who was no owner may have had nothing, rightly,
   * and its absence must not count when it has become one. Other owners are asked from the beginning.
   */
  private ringChanged(active: Active, { key, policy }: GetTask): void {
    const { preference, preferenceLength, revision } = this.slots.world.rings.current;
    const first = key.partition * preferenceLength;
    const owners = preference.slice(first, first + policy.n);
    const isFirst = active.revision < 0;
    const isSame = owners.length === active.owners.length && owners.every((v, i) => v === active.owners[i]);
    active.revision = revision;
    active.owners = owners;
    if (isFirst || isSame) return;
    active.contributions.length = 0;
    active.unheard = NOTHING_UNHEARD;
    this.slots.startAnew(active);
  }

  private advanceServed(active: Active, task: GetTask): void {
    const before = active.asked.at(-1);
    if (active.contributions.length > 0) {
      this.answer(active, task, false);
    } else if (before?.answered === true) {
      this.slots.finish(active, errorOfOutcome(OUT_QUORUM, 0, task.policy.r, false));
    } else if (
      before === undefined ||
      !this.slots.alive(before) ||
      this.slots.nowMs - before.atMs >= ASK_AGAIN_MS
    ) {
      this.askServed(active, task, this.slots.anyVnode());
    } else if (this.slots.doubts(before.vnode)) {
      const other = this.slots.anyVnode();
      if (!this.slots.doubts(other)) this.askServed(active, task, other);
    }
  }

  private askServed(active: Active, task: GetTask, vnode: number): void {
    if (vnode < 0) return;
    writeGet(this.slots.frames, vnode, active.request, task, true);
    this.slots.ask(active, vnode);
  }

  private viewOf(active: Active, task: GetTask): ReadView {
    const { world } = this.slots;
    const { n, r, strict, sloppyPuts } = task.policy;
    const { preference, preferenceLength } = world.rings.current;
    const first = task.key.partition * preferenceLength;
    const holdsHintsFor = (holder: number, owner: number): boolean => world.holdsHintsFor(holder, owner);
    return {
      n,
      r,
      strict,
      sloppyPuts,
      list: withHolders(
        world.rings.current,
        preference.subarray(first, first + preferenceLength),
        n,
        holdsHintsFor,
      ),
      versions: active.contributions.some(({ clock }) => clock !== undefined),
      isServing: (vnode) => world.isServing(vnode),
      isWhole: (vnode) => world.isWhole(vnode),
      suspects: (vnode) => this.slots.suspects(vnode),
      doubts: (vnode) => this.slots.doubts(vnode),
      standing: (vnode) => this.standing(active, vnode),
      holdsHintsFor,
      unheard: active.unheard,
      hasVersions: (vnode) =>
        active.contributions.some((one) => one.vnode === vnode && one.clock !== undefined),
    };
  }

  private standing(active: Active, vnode: number): Standing {
    const given = active.contributions.find((contribution) => contribution.vnode === vnode);
    if (given !== undefined) return given.partial === true ? 'partial' : 'answered';
    const asked = active.asked.findLast((one) => one.vnode === vnode);
    if (asked === undefined || !this.slots.alive(asked)) return 'unasked';
    if (asked.answered) return 'refused';
    const silentMs = this.slots.nowMs - asked.atMs;
    // Asked again while its answer comes in parts, it would send a long value once more.
    if (Math.min(silentMs, this.partlySilentMs(vnode)) >= ASK_AGAIN_MS) return 'unasked';
    if (this.slots.suspects(vnode)) return 'suspected';
    return silentMs < HEDGE_MS && !this.slots.doubts(vnode) ? 'asked' : 'slow';
  }

  private partlySilentMs(vnode: number): number {
    return this.slots.nowMs - (this.slots.arrivingMs[vnode] ?? Number.NEGATIVE_INFINITY);
  }

  private answer(active: Active, task: GetTask, degraded: boolean): void {
    this.slots.release(active);
    task.done({ contributions: active.contributions, degraded });
  }

  answered(active: Active, task: GetTask, from: number, words: Int32Array, at: number): void {
    const outcome = words[at + 6]!;
    const asked = active.asked.find((one) => one.vnode === from && !one.answered);
    if (asked === undefined) return;
    asked.answered = true;
    // A thread that took over answers what its predecessor was asked, and then what it was asked
    // itself: one owner, which counts once towards R.
    if (active.contributions.some(({ vnode }) => vnode === from)) return;
    this.slots.note(
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
    this.advance(active, task);
  }

  /** What is known by now is a degraded answer; nothing known, or a strict get, is none. */
  expire(active: Active, task: GetTask): void {
    const refused = this.refusals.get(task);
    if (refused !== undefined) {
      this.slots.finish(active, refused);
      return;
    }
    const view = this.viewOf(active, task);
    const { r, strict, versions } = view;
    const owners = answeredOwners(view);
    if (owners >= r) this.answer(active, task, false);
    else if (!strict && (owners > 0 || versions)) this.answer(active, task, true);
    else this.slots.finish(active, errorOfOutcome(OUT_QUORUM, owners, r, false));
  }
}
