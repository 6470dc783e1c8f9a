import type { RingletError } from '../base/errors.js';
import { slotOf } from '../messaging/claims.js';
import {
  frameIntact,
  frameRequest,
  frameType,
  GET_REPLY,
  PUT_REPLY,
  SCAN_REPLY,
} from '../messaging/frames.js';
import { GetRequests } from './get-requests.js';
import type { Contribution } from './merge.js';
import { PutRequests } from './put-requests.js';
import { planRead, type ReadPlan, type ReadView } from './read-plan.js';
import { type Active, type MachineWorld, RequestSlots } from './request-slots.js';
import type { Task } from './request.js';
import { ScanRequests } from './scan-requests.js';
import { SILENT_MS } from './vnode-health.js';

/**
 * The life of a caller's requests: synchronous, without promises or timers. `submit` sends,
 * `poll` takes what has arrived, `tick` does what time demands; each request ends by exactly one
 * call of its `done`.
 */
export class RequestMachine {
  private readonly world: MachineWorld;
  private readonly slots: RequestSlots;
  private readonly gets: GetRequests;
  private readonly puts: PutRequests;
  private readonly scans: ScanRequests;

  constructor(world: MachineWorld) {
    this.world = world;
    this.slots = new RequestSlots(world);
    this.gets = new GetRequests(this.slots, (view) => this.plan(view));
    this.puts = new PutRequests(this.slots);
    this.scans = new ScanRequests(this.slots);
  }

  /** A test puts something else in. */
  protected plan(view: ReadView): ReadPlan {
    return planRead(view);
  }

  get pending(): number {
    return this.slots.pending;
  }

  /** @throws RingletError OVERLOADED */
  submit(task: Task, nowMs: number, contributions: Contribution[] = []): number {
    this.slots.nowMs = nowMs;
    const active = this.slots.open(task, contributions);
    this.slots.health.used(nowMs);
    this.advance(active);
    return active.slot;
  }

  /** Takes what has arrived; true if there may be more. */
  poll(nowMs: number): boolean {
    this.slots.nowMs = nowMs;
    this.world.rings.follow();
    return this.world.endpoint.drain(256, this.handle, this.arriving);
  }

  /** Deadlines, dead virtual nodes, and slow ones. */
  tick(nowMs: number): void {
    const { slots } = this;
    slots.nowMs = nowMs;
    this.world.rings.follow();
    slots.health.tick(nowMs);
    if (slots.pending === 0) return;
    for (let slot = 0; slot < slots.used; slot++) {
      const active = slots.at(slot);
      if (active === undefined) continue;
      if (nowMs >= active.task.deadlineMs) this.expire(active);
      else {
        this.noticeSilence(active, nowMs);
        this.advance(active);
      }
    }
  }

  /** Whether a virtual node is done without for now; it is still asked where no other is left. */
  suspects(vnode: number): boolean {
    return this.slots.suspects(vnode);
  }

  /** Whether something may arrive although no request is pending. */
  get asking(): boolean {
    return this.slots.health.asking;
  }

  private noticeSilence(active: Active, nowMs: number): void {
    for (const { vnode, atMs, answered } of active.asked) {
      if (!answered && nowMs - atMs >= SILENT_MS) this.slots.health.missed(vnode, nowMs);
    }
  }

  /** Ends a request from outside: an AbortSignal, or the end of the store. */
  abort(slot: number, task: Task, error: (maybeApplied: boolean) => RingletError): void {
    const active = this.slots.at(slot);
    if (active?.task === task) this.slots.finish(active, error(!this.slots.cancelled(active)));
  }

  abortAll(error: (maybeApplied: boolean) => RingletError): void {
    for (let slot = 0; slot < this.slots.used; slot++) {
      const active = this.slots.at(slot);
      if (active !== undefined) this.slots.finish(active, error(!this.slots.cancelled(active)));
    }
  }

  /** Whatever has changed: its kind decides what a request does next. */
  private advance(active: Active): void {
    switch (active.task.kind) {
      case 'get':
        this.gets.advance(active, active.task);
        return;
      case 'put':
        this.puts.advance(active, active.task);
        return;
      case 'scan':
        this.scans.advance(active, active.task);
        return;
    }
  }

  private readonly handle = (from: number, words: Int32Array, _bytes: Uint8Array, at: number): void => {
    if (!frameIntact(words, at)) return;
    const { slots } = this;
    slots.health.heard(from, slots.nowMs);
    const request = frameRequest(words, at);
    const active = slots.at(slotOf(request));
    if (active === undefined || active.request !== request) return;
    const type = frameType(words, at);
    const { task } = active;
    if (type === PUT_REPLY && task.kind === 'put') this.puts.answered(active, task, from, words, at);
    else if (type === GET_REPLY && task.kind === 'get') this.gets.answered(active, task, from, words, at);
    else if (type === SCAN_REPLY && task.kind === 'scan') this.scans.answered(active, task, words, at);
  };

  /** Whoever sends a long answer is not silent, and whatever it says next comes behind it. */
  private readonly arriving = (from: number): void => {
    this.slots.health.heard(from, this.slots.nowMs);
    this.slots.arrivingMs[from] = this.slots.nowMs;
  };

  private expire(active: Active): void {
    switch (active.task.kind) {
      case 'get':
        this.gets.expire(active, active.task);
        return;
      case 'put':
        this.puts.expire(active, active.task);
        return;
      case 'scan':
        this.scans.expire(active, active.task);
        return;
    }
  }
}
