import { RingletError } from '../base/errors.js';
import { threadClock } from '../base/thread-clock.js';
import type { Clock } from '../base/time.js';
import { Claims } from '../messaging/claims.js';
import { ExpiryClock } from '../messaging/expiry-clock.js';
import { FaultTable } from '../messaging/fault-table.js';
import { FaultyEndpoint } from '../messaging/faults.js';
import {
  CALLER_SUSPECTS,
  SharedLayout,
  STATE_SERVING,
  STORE_OPEN,
  STORE_STATE,
  takesRequests,
  VNODE_HINTED,
  VNODE_INCARNATION,
  VNODE_STATE,
} from '../messaging/layout.js';
import { LeaseTable } from '../messaging/lease-table.js';
import { RingTable } from '../messaging/ring-table.js';
import { RingEndpoint } from '../messaging/ring-endpoint.js';
import type { Endpoint } from '../messaging/transport.js';
import { hasVnodeBit, setVnodeBit } from '../messaging/vnode-bits.js';
import { AnswerWatch } from './answer-watch.js';
import { CallerRing } from './caller-ring.js';
import { DirectReader } from './direct-reader.js';
import type { GetOrSetFlight } from './get-or-set.js';
import { KeyRouter } from './key-router.js';
import { LatencyRecorder } from './latencies.js';
import { RequestMachine } from './request-machine.js';
import type { FrameContext } from './request-frames.js';
import type { Task } from './request.js';
import type { StoreView } from './view.js';

const TICK_MS = 10;
/** So many requests of one turn leave together: virtual nodes begin while the caller writes the next. */
const SLICE = 16;

type WaitAsync = (
  words: Int32Array,
  index: number,
  value: number,
) => { async: false } | { async: true; value: Promise<string> };
const waitAsync = (Atomics as unknown as { waitAsync: WaitAsync }).waitAsync;

/**
 * One caller slot in one thread: drives the request machine from the thread's event loop. Frames
 * are published once per turn; answers wake the thread through its doorbell.
 */
export class Connection {
  readonly view: StoreView;
  readonly clock: Clock = threadClock();
  /** By which values expire. */
  readonly expiry: ExpiryClock;
  readonly router: KeyRouter;
  readonly direct: DirectReader;
  readonly machine: RequestMachine;
  readonly frames: FrameContext;
  readonly rings: CallerRing;
  readonly latencies: LatencyRecorder;
  readonly caller: number;
  /** Keys that are loaded: by any thread, and by this one. */
  readonly leases: LeaseTable;
  readonly flights = new Map<string, GetOrSetFlight>();
  private readonly endpoint: Endpoint;
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  private readonly bell: number;
  private readonly timer: NodeJS.Timeout;
  private readonly watch = new AnswerWatch();
  private flushing = false;
  /** Requests written since the last flush. */
  private unflushed = 0;
  /** A `waitAsync` is pending. */
  private listening = false;
  /** A poll is scheduled. */
  private polling = false;
  private ticking = false;
  private closed = false;
  private draining = false;

  constructor(given: StoreView, caller: number) {
    const view = { ...given };
    this.view = view;
    this.caller = caller;
    this.leases = new LeaseTable(view.shared.leases);
    this.layout = new SharedLayout(view.shared.shape);
    this.control = new Int32Array(view.shared.control);
    const party = this.layout.callerParty(caller);
    this.bell = this.layout.doorbellWord(party);
    const endpoint = new RingEndpoint(view.shared, party, view.ring.vnodes.length);
    endpoint.skipAll();
    this.expiry = new ExpiryClock(view.shared.control, this.clock.wallMs);
    this.endpoint = breakable(endpoint, view, this.clock);
    const table = new RingTable(view.shared.control, view.shared.topology);
    const rings = new CallerRing(view.ring, this.control, this.layout, caller, table, (ring) => {
      view.ring = ring;
      endpoint.grow(ring.vnodes.length);
    });
    this.rings = rings;
    this.router = new KeyRouter(view.ring);
    this.direct = new DirectReader(view, caller, rings);
    this.latencies = new LatencyRecorder(view, caller);
    const state = (vnode: number, word: number): number =>
      Atomics.load(this.control, this.layout.vnodeWord(vnode) + word);
    this.frames = {
      endpoint: this.endpoint,
      rings,
      caller,
      router: this.router,
    };
    this.machine = new RequestMachine({
      caller,
      rings,
      router: this.router,
      endpoint: this.endpoint,
      claims: new Claims(this.control, this.layout),
      serverDriven: view.coordination === 'server',
      silenceMs: view.silenceMs,
      isServing: (vnode) => takesRequests(state(vnode, VNODE_STATE)),
      isWhole: (vnode) => state(vnode, VNODE_STATE) === STATE_SERVING,
      incarnation: (vnode) => state(vnode, VNODE_INCARNATION),
      holdsHintsFor: (holder, owner) =>
        hasVnodeBit(this.control, this.layout.vnodeWord(owner) + VNODE_HINTED, holder),
      publishSuspicion: (vnode, suspected) => {
        setVnodeBit(this.control, this.layout.callerWord(caller) + CALLER_SUSPECTS, vnode, suspected);
      },
    });
    this.timer = setInterval(this.tick, TICK_MS);
    this.timer.unref();
  }

  /** What this thread knows by itself: enough for a read, which looks at the store's state in another way. @throws RingletError CLOSED */
  assertUsable(): void {
    if (this.draining || this.closed) throw closedError();
  }

  /** @throws RingletError CLOSED */
  assertOpen(): void {
    if (!this.draining && !this.closed && Atomics.load(this.control, STORE_STATE) === STORE_OPEN) return;
    throw closedError();
  }

  /** Sends a request; its `done` is called in this thread. @throws RingletError OVERLOADED */
  submit(task: Task, contributions?: Parameters<RequestMachine['submit']>[2]): number {
    const slot = this.machine.submit(task, task.startedMs, contributions);
    this.scheduleFlush();
    return slot;
  }

  /**
   * The same for a request among many that come off sockets: it leaves once everything is read that
   * is readable now. To wake a virtual node costs about as much as the request itself.
   */
  submitTogether(task: Task): number {
    const slot = this.machine.submit(task, task.startedMs);
    if (!this.together) {
      this.together = true;
      setImmediate(this.flushTogether);
    }
    return slot;
  }
  private together = false;
  private readonly flushTogether = (): void => {
    this.together = false;
    this.flush();
  };

  /** Publishes what was written into the rings at the end of this turn. */
  scheduleFlush(): void {
    if (++this.unflushed >= SLICE) {
      this.unflushed = 0;
      this.endpoint.flush();
    }
    if (this.flushing) return;
    this.flushing = true;
    queueMicrotask(this.flush);
  }

  private readonly flush = (): void => {
    this.flushing = false;
    this.unflushed = 0;
    if (this.closed) return;
    this.endpoint.flush();
    this.wait();
  };

  private readonly poll = (): void => {
    this.polling = false;
    if (this.closed) return;
    const nowMs = this.clock.nowMs();
    if (this.endpoint.idle()) {
      if (this.watch.goOn(nowMs)) this.pollSoon();
      else if (this.stayAlive()) this.listen();
      return;
    }
    this.watch.answered(nowMs);
    Atomics.store(this.control, this.bell, 0);
    const more = this.machine.poll(nowMs);
    this.endpoint.flush();
    if (more) this.pollSoon();
    else this.wait();
  };

  private readonly tick = (): void => {
    if (!this.closed && Atomics.load(this.control, STORE_STATE) !== STORE_OPEN && this.machine.pending > 0) {
      this.machine.abortAll((maybeApplied) => closedError(maybeApplied));
    }
    this.latencies.tick();
    const nowMs = this.clock.nowMs();
    // What has arrived comes first: after a long turn of this thread nothing is late that is here.
    if (this.machine.pending > 0 || this.machine.asking) this.machine.poll(nowMs);
    this.machine.tick(nowMs);
    this.endpoint.flush();
    if (this.stayAlive()) this.listen();
  };

  /** Few answers are worth looking for; for others the doorbell rings. */
  private wait(): void {
    if (!this.stayAlive()) return;
    if (this.watch.begin(this.machine.pending, this.clock.nowMs())) this.pollSoon();
    else this.listen();
  }

  /** The timer, and with it the process, stays alive exactly while requests are in flight. */
  private stayAlive(): boolean {
    const busy = this.machine.pending > 0 || this.endpoint.blocked;
    if (busy !== this.ticking) {
      this.ticking = busy;
      if (busy) this.timer.ref();
      else this.timer.unref();
    }
    return busy;
  }

  /**
   * Arms the doorbell. A `waitAsync` cannot be cancelled, so one that is still pending is kept; the
   * word is set to 1 again all the same, or nobody would ring.
   */
  private listen(): void {
    Atomics.store(this.control, this.bell, 1);
    if (!this.endpoint.idle()) {
      this.pollSoon();
      return;
    }
    if (this.listening) return;
    const wait = waitAsync(this.control, this.bell, 1);
    if (!wait.async) {
      this.pollSoon();
      return;
    }
    this.listening = true;
    void wait.value.then(this.heard);
  }

  private pollSoon(): void {
    if (this.polling) return;
    this.polling = true;
    setImmediate(this.poll);
  }

  private readonly heard = (): void => {
    this.listening = false;
    this.poll();
  };

  /** Waits until no request of this thread is in flight; new ones are refused from now on. */
  async drain(milliseconds: number): Promise<void> {
    this.draining = true;
    const until = this.clock.nowMs() + milliseconds;
    while (this.machine.pending > 0 && this.clock.nowMs() < until) {
      await new Promise((resolve) => {
        setTimeout(resolve, 1);
      });
    }
  }

  /** From here on the slot may be another thread's: nothing of it is touched any more. */
  get isClosed(): boolean {
    return this.closed;
  }

  close(): void {
    if (this.closed) return;
    this.machine.abortAll((maybeApplied) => closedError(maybeApplied));
    this.closed = true;
    clearInterval(this.timer);
    Atomics.store(this.control, this.bell, 0);
    Atomics.notify(this.control, this.bell);
    // A load may go on for ever. Not before the requests that were just ended have told how far they came.
    setImmediate(() => {
      for (const flight of this.flights.values()) flight.fail(closedError());
    });
  }
}

/** The endpoint itself, unless the store was opened with faults allowed. */
function breakable(rings: Endpoint, { shared }: StoreView, clock: Clock): Endpoint {
  if (shared.faults === undefined) return rings;
  const table = new FaultTable(shared.faults, shared.shape.vnodes);
  return new FaultyEndpoint(rings, { table, nowMs: clock.nowMs, random: Math.random });
}

function closedError(maybeApplied = false): RingletError {
  return new RingletError('CLOSED', 'the store is closed', {}, { maybeApplied });
}
