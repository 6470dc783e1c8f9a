import { RingletError } from '../base/errors.js';
import { mergeContributions, resultOf } from '../client/merge.js';
import type { TimelineEvent } from '../client/api.js';
import {
  IF_ABSENT,
  IF_MATCH,
  IF_NOTHING,
  OP_DELETE,
  OP_INCREMENT,
  OP_PUT,
  RULE_LWW,
} from '../messaging/frames.js';
import { encodeContentType } from '../storage/record-codec.js';
import { type Clock, type Entry, join } from '../versions/dvvs.js';
import type { SimCaller } from './caller.js';
import { nameOf, seenBy, SimKey, valueOf, type Write } from './history.js';
import { checkCondition } from './condition-check.js';
import { Deadlines } from './deadlines.js';
import { checkAcknowledgement, checkKept } from './running-checks.js';
import type { World } from './world.js';

/** Keys of a bucket that are in use at a time, and how long. Older ones stay, and are checked at the end. */
const KEYS = 40;
const KEYS_FOR_MS = 150_000;
const SESSIONS = 24;
/** When it is looked again whether an acknowledged write is kept, on average. */
const KEPT_MS = 250;
const TEXT = encodeContentType('text/plain;charset=utf-8').code;
const NOTHING = new Uint8Array(0);
const NO_CONTEXT: Clock<never> = [];
/** Refusals that say nothing about the health of the store. */
const SEMANTIC = new Set(['CONDITION_FAILED', 'TOO_MANY_SIBLINGS']);

/** Clients that read, write, delete and count at random, and what they remember. */
export class Workload {
  private readonly world: World;
  /** Per session the contexts it was given. */
  private readonly sessions: Map<string, Clock<never>>[];
  /** Requests that were made. */
  operations = 0;
  readonly deadlines: Deadlines;

  constructor(world: World) {
    this.world = world;
    this.sessions = Array.from({ length: SESSIONS }, () => new Map());
    this.deadlines = new Deadlines(world);
  }

  /** Some client reads or writes; nothing while the process is down. */
  step(): void {
    const { random, process } = this.world;
    if (!process.isOpen) return;
    const caller = random.pick(process.callers);
    if (caller === undefined) return;
    const session = random.pick(this.sessions);
    const key = this.drawKey(caller);
    if (random.chance(0.45)) this.read(caller, key, session);
    else this.write(caller, key, session);
  }

  private drawKey(caller: SimCaller): SimKey {
    const { random, focus, profile, scheduler } = this.world;
    // At any time one key gets much of the load.
    const moves = scheduler.nowMs >= focus.keptUntilMs && random.chance(1 / profile.hotFor);
    if (focus.key === undefined || moves) focus.key = this.drawOne(caller);
    return random.chance(profile.hot) ? focus.key : this.drawOne(caller);
  }

  private drawOne(caller: SimCaller): SimKey {
    const { random, scheduler, buckets, history } = this.world;
    const bucket = random.pick(buckets);
    const age = Math.floor(scheduler.nowMs / KEYS_FOR_MS);
    // Few keys get much of the load.
    const index = Math.floor(KEYS * random.unit() * random.unit());
    const name = `b${bucket.number}-${age}-${index}`;
    let key = history.keys.get(name);
    if (key === undefined) {
      key = new SimKey(name, bucket, caller.router);
      history.keys.set(name, key);
    }
    return key;
  }

  private timeoutMs(): number {
    const { random } = this.world;
    return random.chance(0.2) ? random.between(20, 200) : random.between(300, 2_000);
  }

  private read(caller: SimCaller, key: SimKey, session: Map<string, Clock<never>>): void {
    this.get(caller, key, key.bucket.r, (clock) => {
      if (clock === undefined) return;
      session.set(key.name, clock);
      if (session.size > 200) session.delete(session.keys().next().value!);
    });
  }

  /** A get through the product's request machine, merge and read repair. */
  get(caller: SimCaller, key: SimKey, r: number, then: (context: Clock<never> | undefined) => void): void {
    const { scheduler, history } = this.world;
    const startedMs = scheduler.nowMs;
    const policy = { ...key.bucket, r };
    const acknowledged = [...key.acknowledged];
    const located = caller.locate(key.name);
    const deadlineMs = startedMs + this.timeoutMs();
    const waiting = this.deadlines.begin(`a get of ${key.name}`, caller, deadlineMs);
    this.submit(caller, {
      kind: 'get',
      key: located,
      policy,
      startedMs,
      deadlineMs,
      timeline: undefined,
      done: (outcome) => {
        this.deadlines.answered(waiting);
        this.world.count(
          `get ${outcome instanceof RingletError ? outcome.code : outcome.degraded ? 'degraded' : 'ok'}`,
        );
        if (outcome instanceof RingletError) {
          this.world.note(`get ${key.name}: ${outcome.code}`);
          this.world.failed('get', outcome);
          then(undefined);
          return;
        }
        const { contributions, degraded } = outcome;
        history.observe(key, contributions);
        const merged = mergeContributions(contributions, policy.rule);
        // As client/gets.ts: a fallback need not have everything.
        const owners = this.world.owners(key);
        const stale = merged.stale.filter((vnode) => owners.includes(vnode));
        if (merged.clock !== undefined && stale.length > 0) {
          caller.repairs.later(located, policy, merged.clock, merged.kind, stale, startedMs);
          this.world.note(`get ${key.name}: ${stale.length} stale copies, repair`);
        }
        const { siblings } = resultOf(merged.clock, merged.kind, degraded, caller.expiry);
        for (const { expiresAtMs = Infinity } of siblings) {
          if (expiresAtMs <= caller.expiry.nowMs())
            this.world.violation(`a get of ${key.name} returns a value whose time is over`);
        }
        const context = merged.clock === undefined ? undefined : join(merged.clock);
        key.see(context ?? NO_CONTEXT);
        if (degraded) this.degraded(key);
        else this.checkQuorumRead(key, acknowledged, context ?? NO_CONTEXT, `a get of ${key.name}`);
        if (key.bucket.counter && siblings.length === 1) this.checkCounter(key, siblings[0]!.value);
        then(context);
      },
    });
  }

  /** An answer below R owners says so: it may lack anything, but there must be a reason. */
  private degraded(key: SimKey): void {
    this.world.note(`get ${key.name}: degraded`);
    if (key.bucket.strict) this.world.violation(`a strict get of ${key.name} was answered below R owners`);
    if (this.world.mustSucceed) this.world.violation(`after healing a get of ${key.name} is degraded`);
  }

  /** R+W>N: whatever was acknowledged before the read began is part of its answer. */
  private checkQuorumRead(
    key: SimKey,
    acknowledged: readonly [number, number][],
    context: Clock<never>,
    reader: string,
  ): void {
    const { n: owners, r, w } = key.bucket;
    if (r + w <= owners) return;
    for (const [actor, n] of acknowledged) {
      if (seenBy(context, actor) >= n || (key.acknowledged.get(actor) ?? 0) < n) continue;
      const write = key.made.get(`${actor}:${n}`);
      this.world.violation(
        `${reader} with R+W>N does not see ${write === undefined ? 'a put' : nameOf(write)}, acknowledged before it began`,
      );
    }
  }

  private checkCounter(key: SimKey, value: Uint8Array): void {
    const sum = Number(Buffer.from(value).toString('latin1'));
    if (sum <= key.attempted) return;
    this.world.violation(`counter ${key.name} reads ${sum}, only ${key.attempted} was ever added`);
  }

  private write(caller: SimCaller, key: SimKey, session: Map<string, Clock<never>>): void {
    const { random, profile } = this.world;
    if (key.bucket.counter) {
      this.put(caller, key, session, OP_INCREMENT, IF_NOTHING, NO_CONTEXT, 1 + random.below(9));
      return;
    }
    const known = session.get(key.name);
    const dice = random.below(100);
    if (dice < 6) this.put(caller, key, session, OP_PUT, IF_ABSENT, NO_CONTEXT, 0);
    else if (dice < 12 && known !== undefined) this.put(caller, key, session, OP_PUT, IF_MATCH, known, 0);
    else if (dice < 20 && known !== undefined)
      this.put(caller, key, session, OP_DELETE, IF_NOTHING, known, 0);
    else if (dice < 22) this.put(caller, key, session, OP_DELETE, IF_NOTHING, NO_CONTEXT, 0);
    else if (random.chance(profile.blind)) this.put(caller, key, session, OP_PUT, IF_NOTHING, NO_CONTEXT, 0);
    else if (known !== undefined) this.put(caller, key, session, OP_PUT, IF_NOTHING, known, 0);
    else {
      // As an application does: read, change, write.
      this.get(caller, key, key.bucket.r, (context) => {
        if (caller.dead || this.world.ended) return;
        this.put(caller, key, session, OP_PUT, IF_NOTHING, context ?? NO_CONTEXT, 0);
      });
    }
  }

  private put(
    caller: SimCaller,
    key: SimKey,
    session: Map<string, Clock<never>>,
    operation: number,
    condition: number,
    context: Clock<never>,
    by: number,
  ): void {
    const { scheduler, history, random } = this.world;
    const startedMs = scheduler.nowMs;
    const acknowledged = [...key.acknowledged];
    const { movesSince } = this.world;
    const expires = operation === OP_PUT && random.chance(0.08);
    const isDelete = operation === OP_DELETE;
    const write = history.begin(key, { startedMs, movesSince }, { isDelete, expires, by }, context);
    const timeline: TimelineEvent[] = [];
    const expiresAtMs = expires ? caller.expiry.nowMs() + Math.floor(random.between(500, 40_000)) : 0;
    const length = random.chance(0.005) ? 9_000 : 8 + random.below(this.world.profile.valueBytes);
    const value = operation === OP_PUT ? Buffer.from(valueOf(write.id, length), 'latin1') : NOTHING;
    const deadlineMs = startedMs + this.timeoutMs();
    const waiting = this.deadlines.begin(nameOf(write), caller, deadlineMs);
    this.submit(caller, {
      kind: 'put',
      key: caller.locate(key.name),
      policy: key.bucket,
      startedMs,
      deadlineMs,
      timeline,
      operation,
      condition,
      context,
      value,
      valueAt: 0,
      valueBytes: value.length,
      contentTypeCode: TEXT,
      contentType: undefined,
      by: operation === OP_PUT ? expiresAtMs : by,
      done: (outcome) => {
        this.deadlines.answered(waiting);
        if (outcome instanceof RingletError) {
          this.world.count(`put ${outcome.code}`);
          this.world.note(
            `${nameOf(write)}: ${outcome.code}${outcome.maybeApplied ? ', maybe applied' : ''}`,
          );
          history.refuse(write, scheduler.nowMs, outcome.maybeApplied);
          if (!SEMANTIC.has(outcome.code)) this.world.failed('put', outcome);
          return;
        }
        this.world.count('put ok');
        this.acknowledged(write, outcome.vector, timeline, condition !== IF_NOTHING);
        if (condition !== IF_NOTHING) {
          // Decided on what R owners have.
          this.checkQuorumRead(key, acknowledged, outcome.vector, nameOf(write));
          checkCondition(this.world, write, condition, outcome.vector);
        }
        // Only a put that saw everything may go on from its own vector.
        if (key.bucket.rule === RULE_LWW && random.chance(0.3)) session.set(key.name, outcome.vector);
      },
    });
  }

  private acknowledged(
    write: Write,
    vector: Clock<never>,
    timeline: readonly TimelineEvent[],
    conditional: boolean,
  ): void {
    const { world } = this;
    const id = timeline.findLast(({ event }) => event === 'answered')!.vnode;
    const coordinator = world.ring.vnodes.findLast((vnode) => vnode.id === id)!.ordinal;
    const own = this.dotOf(write, vector, coordinator);
    write.key.see(vector);
    if (own === undefined) {
      world.violation(`${nameOf(write)} was acknowledged by ${id} without a dot of it`);
      return;
    }
    world.note(`${nameOf(write)}: acknowledged by ${id} as ${own.actor}:${own.n}`);
    world.history.acknowledge(write, world.scheduler.nowMs, own.actor, own.n);
    checkAcknowledgement(world, write, vector, conditional);
    world.scheduler.after(world.random.interval(KEPT_MS), () => checkKept(world, write));
  }

  /**
   * Which dot of its coordinator a write was made under. One that was a fallback before it became an
   * owner has several actors in use: what was seen before is not it, nor, where there is another, what an actor made
   * whose dots were let go (a put that nobody heard of), and an owner's own goes first.
   */
  private dotOf(write: Write, vector: Clock<never>, coordinator: number): Entry<never> | undefined {
    const { machine, process, history } = this.world;
    const { key } = write;
    // A look at the copies has met its value already.
    const met = vector.find(({ actor, n }) => write.n > 0 && actor === write.actor && n >= write.n);
    if (met !== undefined) return { ...met, n: write.n };
    const mine = vector.filter(({ actor }) => machine.ownerOf(actor) === coordinator);
    const free = mine.filter(({ actor, n }) => !key.made.has(`${actor}:${n}`));
    const unseen = free.filter(({ actor, n }) => n > (key.seen.get(actor) ?? 0));
    const own = process.threads[coordinator]?.node?.actor;
    const remembered = ({ actor }: Entry<never>): boolean => !history.forgotten.has(actor);
    for (const candidates of [unseen.filter(remembered), free.filter(remembered), unseen, free]) {
      const found = candidates.find(({ actor }) => actor === own) ?? candidates.at(-1);
      if (found !== undefined) return found;
    }
    return mine.at(-1);
  }

  private submit(caller: SimCaller, task: Parameters<SimCaller['submit']>[0]): void {
    this.operations++;
    try {
      caller.submit(task);
    } catch (error) {
      if (!(error instanceof RingletError)) throw error;
      task.done(error);
    }
  }
}
