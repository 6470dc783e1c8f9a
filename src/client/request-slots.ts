import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { type Claims, SLOTS } from '../messaging/claims.js';
import { Fifo } from '../messaging/fifo.js';
import type { Endpoint } from '../messaging/transport.js';
import type { CallerRings } from './caller-ring.js';
import type { KeyRouter } from './key-router.js';
import type { Contribution } from './merge.js';
import type { Unheard } from './read-plan.js';
import { type FrameContext, writePing } from './request-frames.js';
import type { GetTask, PutTask, Task } from './request.js';
import { VnodeHealth } from './vnode-health.js';

/** An older PING is not worth an answer. */
const PING_LIFETIME_MS = 5_000;

export interface Asked {
  readonly vnode: number;
  readonly incarnation: number;
  readonly atMs: number;
  answered: boolean;
}

/** A request under way. */
export interface Active {
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
export const NOTHING_UNHEARD: readonly Unheard[] = [];

export interface MachineWorld {
  readonly caller: number;
  readonly rings: CallerRings;
  readonly router: KeyRouter;
  readonly endpoint: Endpoint;
  readonly claims: Claims;
  /** Any virtual node is asked, and coordinates (paper §6.4, Table 2); else this caller does. */
  readonly serverDriven?: boolean;
  /** Silence that is held against no virtual node; default: as in vnode-health.ts. */
  readonly silenceMs?: number | undefined;
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
 * The requests of a caller that are under way: a slot and a claim word each, whom they have asked, and
 * the time. What a request does next, its kind decides (get-requests.ts, put-requests.ts, scan-requests.ts).
 */
export class RequestSlots {
  readonly world: MachineWorld;
  readonly frames: FrameContext;
  readonly health: VnodeHealth;
  private readonly active: (Active | undefined)[] = [];
  /** First in, first out: the later a slot is used again, the later its use count wraps. */
  private readonly freeSlots = new Fifo<number>();
  /** Slots that were ever used. */
  used = 0;
  pending = 0;
  nowMs = 0;
  /** By virtual node: when a part of a long answer came last. */
  readonly arrivingMs: number[] = [];
  private turn = 0;

  constructor(world: MachineWorld) {
    this.world = world;
    this.frames = {
      endpoint: world.endpoint,
      rings: world.rings,
      caller: world.caller,
      router: world.router,
    };
    this.health = new VnodeHealth({
      silenceMs: world.silenceMs,
      vnodes: () => world.rings.current.vnodes.length,
      isServing: (vnode) => world.isServing(vnode),
      ping: (vnode) => writePing(this.frames, vnode, this.nowMs + PING_LIFETIME_MS),
      publish: (vnode, suspected) => world.publishSuspicion(vnode, suspected),
    });
  }

  /** @throws RingletError OVERLOADED */
  open(task: Task, contributions: Contribution[]): Active {
    const slot = this.freeSlots.shift() ?? (this.used < SLOTS ? this.used++ : -1);
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
    if (this.pending++ === 0) this.world.rings.enter();
    else this.world.rings.follow();
    return active;
  }

  at(slot: number): Active | undefined {
    return this.active[slot];
  }

  finish(active: Active, error: RingletError): void {
    this.release(active);
    active.task.done(error);
  }

  release(active: Active): void {
    this.active[active.slot] = undefined;
    this.freeSlots.push(active.slot);
    if (--this.pending === 0) this.world.rings.leave();
  }

  /** Whether a put is certain never to be executed. Reads always are. */
  cancelled(active: Active): boolean {
    return active.task.kind !== 'put' || this.world.claims.cancel(this.world.caller, active.request);
  }

  /** Under another number, so that no frame of an earlier attempt can be claimed. */
  startAnew(active: Active): void {
    active.asked = [];
    active.request = this.world.claims.open(this.world.caller, active.slot);
  }

  ask(active: Active, vnode: number): void {
    const { task } = active;
    const again = active.asked.findIndex((asked) => asked.vnode === vnode);
    if (again >= 0) active.asked.splice(again, 1);
    const asked = {
      vnode,
      incarnation: this.world.incarnation(vnode),
      atMs: this.nowMs,
      answered: false,
    };
    // Mostly it stays the only one; `push` would make room for sixteen more.
    if (active.asked.length === 0) active.asked = [asked];
    else active.asked.push(asked);
    if (task.kind !== 'scan') this.note(task, 'sent', vnode);
  }

  alive(asked: Asked): boolean {
    return this.world.isServing(asked.vnode) && this.world.incarnation(asked.vnode) === asked.incarnation;
  }

  note(
    task: GetTask | PutTask,
    event: 'sent' | 'answered' | 'retried',
    vnode: number,
    outcome?: string,
  ): void {
    task.timeline?.push({
      atUs: Math.round((this.nowMs - task.startedMs) * 1000),
      event,
      vnode: this.world.rings.current.vnodes[vnode]!.id,
      ...(outcome === undefined ? {} : { outcome }),
    });
  }

  /** Whether nothing is expected of a virtual node for now; it is still asked where no other is left. */
  suspects(vnode: number): boolean {
    return this.health.suspects(vnode);
  }

  /** Whether another is preferred to a virtual node for now, since it is silent. */
  doubts(vnode: number): boolean {
    return this.health.doubts(vnode);
  }

  /** In turns, as a load balancer does that knows nothing of keys; −1: none serves. */
  anyVnode(): number {
    const { world } = this;
    const count = world.rings.current.vnodes.length;
    let doubted = -1;
    for (let i = 0; i < count; i++) {
      const vnode = this.turn++ % count;
      if (!world.isServing(vnode)) continue;
      if (!this.doubts(vnode)) return vnode;
      doubted = vnode;
    }
    return doubted;
  }
}
