import { CallerRing } from '../client/caller-ring.js';
import { KeyRouter } from '../client/key-router.js';
import type { Repairs } from '../client/repairs.js';
import type { RequestMachine } from '../client/request-machine.js';
import type { LocatedKey, Task } from '../client/request.js';
import type { ExpiryClock } from '../messaging/expiry-clock.js';
import { CALLER_READER_EPOCH, CALLER_RING_REVISION } from '../messaging/layout.js';
import type { Ring } from '../ring/ring.js';
import { RingTable } from '../messaging/ring-table.js';
import { RingEndpoint } from '../messaging/ring-endpoint.js';
import { type Network, SimEndpoint } from './network.js';
import type { Parts } from './parts.js';
import type { ProcessMemory } from './process-memory.js';
import type { Scheduler } from './scheduler.js';

const TICK_MS = 10;

/** What a caller needs of its process. */
export interface CallerProcess {
  readonly parts: Parts;
  readonly memory: ProcessMemory;
  readonly network: Network;
  readonly scheduler: Scheduler;
  /** As it is published. */
  readonly ring: Ring;
  /** A party has published. */
  ended(party: number): void;
}

/** The simulated thread of a caller: what client/connection.ts does, on the virtual clock. */
export class SimCaller {
  readonly slot: number;
  readonly party: number;
  readonly machine: RequestMachine;
  readonly repairs: Repairs;
  readonly endpoint: SimEndpoint;
  readonly router: KeyRouter;
  readonly expiry: ExpiryClock;
  private readonly process: CallerProcess;
  private ticking = false;
  dead = false;

  constructor(process: CallerProcess, slot: number) {
    const { memory, ring } = process;
    const { shared, control, layout, claims } = memory;
    this.process = process;
    this.slot = slot;
    this.expiry = memory.expiry;
    this.party = layout.callerParty(slot);
    const endpoint = new RingEndpoint(shared, this.party, ring.vnodes.length);
    endpoint.skipAll();
    this.endpoint = new SimEndpoint(endpoint, process.network);
    const table = new RingTable(shared.control, shared.topology);
    const rings = new CallerRing(ring, control, layout, slot, table, ({ vnodes }) =>
      endpoint.grow(vnodes.length),
    );
    this.router = new KeyRouter(ring);
    this.machine = process.parts.machine({
      caller: slot,
      rings,
      router: this.router,
      endpoint: this.endpoint,
      claims,
      isServing: (vnode) => memory.isServing(vnode),
      isWhole: (vnode) => memory.isWhole(vnode),
      incarnation: (vnode) => memory.incarnation(vnode),
      publishSuspicion: () => undefined,
      holdsHintsFor: (holder, owner) => memory.holdsHintsFor(holder, owner),
    });
    this.repairs = process.parts.repairs({
      frames: {
        endpoint: this.endpoint,
        rings,
        caller: slot,
        router: this.router,
      },
      isServing: (vnode) => memory.isServing(vnode),
      nowMs: () => process.scheduler.nowMs,
      after: (milliseconds, action) => {
        process.scheduler.after(milliseconds, () => this.dead || action());
      },
      flush: () => this.flush(),
    });
  }

  locate(key: string): LocatedKey {
    this.router.locate(key);
    return { source: key, hash: this.router.hash, partition: this.router.partition };
  }

  /** @throws RingletError OVERLOADED */
  submit(task: Task): void {
    this.machine.submit(task, this.process.scheduler.nowMs);
    this.flush();
    this.keepTicking();
  }

  turn(nowMs: number): number {
    const more = this.machine.poll(nowMs);
    this.endpoint.flush();
    return more ? nowMs : Number.POSITIVE_INFINITY;
  }

  private flush(): void {
    if (this.dead) return;
    this.endpoint.flush();
    this.process.ended(this.party);
  }

  private keepTicking(): void {
    if (this.ticking || this.machine.pending === 0) return;
    this.ticking = true;
    this.process.scheduler.after(TICK_MS, () => {
      this.ticking = false;
      if (this.dead) return;
      this.machine.tick(this.process.scheduler.nowMs);
      this.flush();
      this.keepTicking();
    });
  }

  /** The thread is gone; the host gives its slot back (host/handles.ts). */
  die(): void {
    this.dead = true;
  }

  release(): void {
    const { memory, network } = this.process;
    const { control, layout, shared } = memory;
    Atomics.store(control, layout.callerWord(this.slot) + CALLER_READER_EPOCH, 0);
    Atomics.store(control, layout.callerWord(this.slot) + CALLER_RING_REVISION, 0);
    Atomics.store(control, layout.doorbellWord(this.party), 0);
    new RingEndpoint(shared, this.party, this.process.ring.vnodes.length).skipAll();
    network.clearFor(this.party);
  }
}
