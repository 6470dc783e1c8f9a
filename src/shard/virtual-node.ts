import { copyWords } from '../base/memory.js';
import { LIMITS } from '../base/limits.js';
import {
  ABSENT,
  frameDeadline,
  frameEpoch,
  frameFlags,
  frameIntact,
  frameRequest,
  frameType,
  FLAG_ANY,
  FLAG_HINT,
  FLAG_PARTIAL,
  FLAG_REPAIR,
  FLAG_SETTLED,
  GET,
  GET_FIXED_WORDS,
  GET_REPLY,
  IF_NOTHING,
  NO_CALLER,
  OK,
  OUT_CORRUPT,
  OUT_FULL,
  OUT_OVERLOADED,
  OUT_STALE_RING,
  PUT,
  RECORD_AT,
  RELAY,
  RELAYED_AT,
  REPLICATE,
  REPLICATE_ACK,
  SCAN,
  writeHeader,
} from '../messaging/frames.js';
import { keepsCopies, ringOfState } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import type { Engine } from '../storage/engine.js';
import { ONE_DURABLE, type Level, type Pipeline } from '../storage/pipeline.js';
import { bucketAt, lengthAt, partitionAt, W_KEY_HASH } from '../storage/record.js';
import { Completions } from './completions.js';
import { bytesOf, ConditionalPuts } from './conditional-puts.js';
import {
  COUNT_CORRUPT,
  COUNT_DROPPED,
  COUNT_READS,
  COUNT_REPAIRED,
  COUNT_REPLICATED,
  GAUGE_ACTORS_MAX,
  GAUGE_ENGINE_KEYS,
  GAUGE_BACKGROUND_SHARE,
  GAUGE_FOREGROUND_P99_US,
  GAUGE_SIBLINGS_MAX,
  GAUGE_SLICES,
  GAUGE_SLICES_HELD,
  type VnodeEnvironment,
} from './environment.js';
import { Expiry } from './expiry/expiry.js';
import { FailureDetector, judgedBy } from './failure-detector.js';
import { Gossip } from './gossip.js';
import { holdsRecord } from './frame-record.js';
import { GuestActor, OwnActor } from './guest-actor.js';
import { type HandoffParts, HintHandoff } from './hint-handoff.js';
import { HintLoader } from './hint-loader.js';
import { nameIn } from './hint-record.js';
import { Hints, type Taken } from './hints.js';
import { OldCopies } from './old-copies.js';
import { PutCoordinator, type PutParts } from './put-coordinator.js';
import { readPut } from './put-request.js';
import { type Loss, Rebuilding } from './rebuilding.js';
import { Reaper } from './reaping/reaper.js';
import type { StandParts } from './reaping/witness-stand.js';
import { Replica } from './replica.js';
import { Scanner } from './scanner.js';
import { Scrub, type ScrubPace } from './scrub.js';
import { ServedRequests } from './served-requests.js';
import type { Service } from './service.js';
import { Transfer, type TransferParts } from './transfer.js';
import { AntiEntropy } from './trees/anti-entropy.js';
import { type Lister, StorageWalk } from './storage-walk.js';
import { Trees } from './trees/trees.js';

/** Frames taken from each peer per turn, and at a time. */
const DRAIN_BUDGET = 128;
const SLICE = 16;
const SWEEP_MS = 50;

/** A frame that waits for room in the log. */
interface Parked {
  readonly from: number;
  readonly words: Int32Array;
  /** A put that was claimed already. */
  readonly claimed: boolean;
  readonly deadlineMs: number;
}

export interface VirtualNodeParts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly completions: Completions;
  readonly engine: Engine | undefined;
  readonly actor: number;
  /** The greatest dot that the same actor had forgotten before a clean stop. */
  readonly dotFloor?: number;
  readonly maxRecordBytes: number;
  /** How fast what is stored is read again; default: as in LIMITS. */
  readonly scrub?: ScrubPace | undefined;
  /** It lost its data and is to be rebuilt from its peers; `onWhole` is called when it is. */
  readonly loss?: Loss | undefined;
  readonly onWhole?: () => void;
}

/**
 * A virtual node: drains its inbox, does what is due, says when to be called next. It runs the
 * same under a worker thread and under a simulator; whatever it needs comes with `parts`.
 */
export class VirtualNode {
  private readonly env: VnodeEnvironment;
  /** What was given, with the ring as it is now. */
  private readonly world: { -readonly [K in keyof VnodeEnvironment]: VnodeEnvironment[K] };
  private readonly own: OwnActor;
  private readonly guest: GuestActor;
  /** For whoever compares them with what is stored. */
  readonly trees: Trees;
  private readonly repair: AntiEntropy;
  private readonly lifetimes: readonly Lister[];
  private readonly transfer: Transfer | undefined;
  private readonly pipeline: Pipeline;
  private readonly engine: Engine | undefined;
  private readonly completions: Completions;
  private readonly replica: Replica;
  private readonly hints: Hints;
  private readonly puts: PutCoordinator;
  private readonly conditional: ConditionalPuts;
  private readonly served: ServedRequests;
  private readonly scanner: Scanner;
  private readonly detector: FailureDetector;
  private readonly rebuilding: Rebuilding;
  private readonly services: readonly Service[];
  private readonly serviceOf = new Map<number, Service>();
  private readonly parked: Parked[] = [];
  private parkedBytes = 0;
  /** Acknowledgements that came while the journal was broken: nothing is acknowledged before it is whole again. */
  private held: (() => void)[] = [];
  private nowMs = 0;
  /** Requests in this turn: the last of them waited as long as it lasted. */
  private requests = 0;
  private nextSweepMs = 0;

  constructor(parts: VirtualNodeParts) {
    const { pipeline, completions, engine, actor } = parts;
    this.world = { ...parts.env };
    this.detector = new FailureDetector(this.world);
    const env = judgedBy(this.detector, this.world);
    this.env = env;
    this.own = new OwnActor(actor, () => env.freshActor(), parts.dotFloor);
    this.pipeline = pipeline;
    this.engine = engine;
    this.completions = completions;
    const trees = this.makeTrees(env, parts);
    const { loss, onWhole = () => undefined } = parts;
    this.rebuilding = new Rebuilding({ env, pipeline, completions, sets: trees.set, loss, onWhole });
    const replica = this.makeReplica(parts, trees, this.own);
    const guest = this.makeGuestActor(() => env.freshActor());
    this.guest = guest;
    const hints = new Hints(env, pipeline, replica, guest);
    const loader = new HintLoader(env, pipeline, engine, hints);
    this.trees = trees;
    this.replica = replica;
    this.hints = hints;
    this.puts = this.makePuts({
      env,
      pipeline,
      replica,
      completions,
      hints,
      guest,
      own: this.own,
      actor,
    });
    this.conditional = new ConditionalPuts(env, this.puts, actor, () => this.rebuilding.partial);
    this.served = new ServedRequests(env, replica, this.puts, actor, () => this.rebuilding.partial);
    this.scanner = new Scanner(env, pipeline, engine);
    this.repair = new AntiEntropy(env, pipeline, engine, completions, replica, trees, this.rebuilding);
    const partial = (): boolean => this.rebuilding.partial;
    const lifetimes = {
      env,
      pipeline,
      completions,
      replica,
      hints,
      loader,
      trees,
      own: this.own,
      partial,
    };
    const reaper = this.makeReaper(lifetimes);
    const expiry = new Expiry(lifetimes);
    this.lifetimes = [reaper, expiry];
    const services: Service[] = [
      this.detector,
      new Gossip(this.world),
      this.makeHandoff({ env, pipeline, replica, completions, hints, loader, actor }),
      this.repair,
      reaper,
      expiry,
      new StorageWalk(lifetimes, engine, this.lifetimes),
    ];
    const source = env.ringSource;
    if (source !== undefined) {
      const { rebuilding, repair } = this;
      this.transfer = this.makeTransfer({ env, source, pipeline, completions, trees, repair, rebuilding });
      services.push(this.transfer);
      services.push(new OldCopies({ env, source, pipeline, engine, completions, hints, loader }));
      if (env.ring.cleaning !== undefined) this.own.renew();
      source.announce(env.ring.revision);
    }
    if (engine !== undefined) {
      const onPass = (): void => trees.doubt();
      const { damage } = trees;
      services.push(new Scrub({ env, pipeline, engine, damage, pace: parts.scrub, onPass }));
    }
    this.services = services;
    for (const service of this.services) for (const type of service.frames) this.serviceOf.set(type, service);
  }

  /** These are called once each, by the constructor: a test puts something else in. */
  protected makeReplica(
    { env, pipeline, maxRecordBytes }: VirtualNodeParts,
    trees: Trees,
    own: OwnActor,
  ): Replica {
    return new Replica(
      pipeline,
      () => env.tick(),
      maxRecordBytes,
      trees,
      own,
      () => env.expiryMs(),
    );
  }
  protected makeReaper(parts: StandParts): Service & Lister {
    return new Reaper(parts);
  }
  protected makeTrees(env: VnodeEnvironment, { pipeline, engine, completions }: VirtualNodeParts): Trees {
    return new Trees(env, pipeline, engine, completions);
  }
  protected makeGuestActor(fresh: () => number | undefined): GuestActor {
    return new GuestActor(fresh);
  }
  protected makeHandoff(parts: HandoffParts): HintHandoff {
    return new HintHandoff(parts);
  }
  protected makePuts(parts: PutParts): PutCoordinator {
    return new PutCoordinator(parts);
  }
  protected makeTransfer(parts: TransferParts): Transfer {
    return new Transfer(parts);
  }

  /** Takes over the newest state of the ring, if it is another one. */
  private followRing(): void {
    const source = this.world.ringSource;
    if (source === undefined || source.revision === this.world.ring.revision) return;
    const ring = ringOfState(source.read());
    this.world.ring = ring;
    this.env.endpoint.grow(ring.vnodes.length);
    this.hints.ringChanged();
    if (this.trees.ringChanged() || ring.cleaning?.slots.includes(this.env.ordinal) === true) {
      this.own.renew();
      // Copies that it made as a fallback stay here when it becomes an owner, and go with the others later.
      this.guest.renew();
    }
    this.rebuilding.ringChanged();
    this.repair.ringChanged();
    for (const lister of this.lifetimes) lister.ringChanged();
    this.puts.ringChanged();
    this.conditional.ringChanged();
    this.served.ringChanged();
    this.transfer?.ringChanged();
    source.announce(ring.revision);
  }

  /** As it knows it. */
  get ring(): Ring {
    return this.world.ring;
  }

  /** The actor of its dots, if it has one at the moment that has forgotten nothing. */
  get actor(): number | undefined {
    return this.replica.forgotClock ? undefined : this.own.inUse;
  }

  /** One turn. Returns the monotonic time of the next one, at the latest; a message may come first. */
  poll(nowMs: number): number {
    this.nowMs = nowMs;
    this.followRing();
    this.requests = 0;
    this.pipeline.admission.turn(nowMs);
    this.pipeline.begin(nowMs);
    if (this.held.length > 0 && !this.pipeline.rehoming) this.takeHeld();
    this.retryParked();
    const more = this.takeFrames();
    this.scanner.step(nowMs);
    let serviceMs = Number.POSITIVE_INFINITY;
    for (const service of this.services) serviceMs = Math.min(serviceMs, service.poll(nowMs));
    this.pipeline.end(nowMs);
    if (nowMs >= this.nextSweepMs) this.sweep(nowMs);
    this.env.endpoint.flush();
    if (this.requests > 0) this.pipeline.admission.waited(this.env.clock.nowMs() - nowMs);
    if (more || this.scanner.busy) return nowMs;
    const next = Math.min(
      this.pipeline.nextMs(nowMs),
      serviceMs,
      this.parked.length > 0 ? nowMs + 1 : Infinity,
    );
    return this.waiting ? Math.min(next, this.nextSweepMs) : next;
  }

  /** Answers leave after each slice: whoever waits for them works on them while this thread takes the next. */
  private takeFrames(): boolean {
    const { endpoint } = this.env;
    for (let taken = 0; taken < DRAIN_BUDGET; taken += SLICE) {
      if (!endpoint.drain(SLICE, this.handle)) return false;
      endpoint.flush();
    }
    return true;
  }

  private takeHeld(): void {
    const held = this.held;
    this.held = [];
    // Once the journal has failed for good, what it owes cannot be acknowledged: the deadline answers.
    if (this.pipeline.journalWhole) for (const take of held) take();
  }

  /** For a successor that goes on with the same actor; see {@link VirtualNodeParts}. */
  get dotFloor(): number {
    return this.own.floor;
  }

  /** Keys whose copy here must still go to an owner. */
  get hintsWaiting(): number {
    return this.hints.count;
  }

  /** Whether anything is under way that a graceful stop waits for. */
  get waiting(): boolean {
    return (
      this.puts.size > 0 || this.conditional.size > 0 || this.parked.length > 0 || this.completions.size > 0
    );
  }

  private sweep(nowMs: number): void {
    this.nextSweepMs = nowMs + SWEEP_MS;
    this.puts.sweep(nowMs);
    this.conditional.sweep(nowMs);
    this.served.sweep(nowMs);
    this.env.gauge(GAUGE_SIBLINGS_MAX, this.replica.siblingsMax);
    this.env.gauge(GAUGE_ACTORS_MAX, this.replica.actorsMax);
    this.env.gauge(GAUGE_ENGINE_KEYS, this.engine?.state.count ?? 0);
    const { admission } = this.pipeline;
    this.env.gauge(GAUGE_BACKGROUND_SHARE, Math.round(admission.share * 1_000));
    this.env.gauge(
      GAUGE_FOREGROUND_P99_US,
      Math.min(0x7fffffff, Math.round(admission.foregroundP99Ms * 1_000)),
    );
    this.env.gauge(GAUGE_SLICES, admission.slices | 0);
    this.env.gauge(GAUGE_SLICES_HELD, admission.refusals | 0);
  }

  private readonly handle = (from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    if (!frameIntact(words, at)) {
      this.env.count(COUNT_DROPPED, 1);
      return;
    }
    // Who sent it may know of a change that was published in this very turn.
    if (frameEpoch(words, at) !== this.env.ring.epoch) this.followRing();
    this.detector.heard(from, this.nowMs);
    const type = frameType(words, at);
    if (type === REPLICATE_ACK) {
      this.acknowledged(frameRequest(words, at), from, words[at + 7]!, words[at + 6] === OK);
      return;
    }
    if (type === GET_REPLY) {
      this.mergeAnswer(from, words, bytes, at);
      return;
    }
    const deadlineMs = frameDeadline(words, at);
    if (deadlineMs < this.nowMs) {
      this.env.count(COUNT_DROPPED, 1);
      return;
    }
    switch (type) {
      case PUT:
      case REPLICATE:
        this.requests++;
        if (!this.served.passOn(from, words, at)) this.accept(from, words, bytes, at, deadlineMs);
        return;
      case RELAY:
        this.requests++;
        // As if the one that it came from had sent it here: it hears of the outcome.
        this.accept(words[at + 6]!, words, bytes, at + RELAYED_AT, deadlineMs);
        return;
      case GET:
        this.requests++;
        if ((frameFlags(words, at) & FLAG_ANY) !== 0) this.served.get(from, words, bytes, at);
        else this.get(from, words, bytes, at);
        return;
      case SCAN:
        this.scan(from, words, bytes, at, deadlineMs);
        return;
      default: {
        const service = this.serviceOf.get(type);
        if (service === undefined) this.env.count(COUNT_DROPPED, 1);
        else service.receive(from, words, bytes, at);
      }
    }
  };

  private accept(from: number, words: Int32Array, bytes: Uint8Array, at: number, deadlineMs: number): void {
    if (this.parked.length > 0) this.park(from, words.slice(at, at + (words[at]! >>> 2)), false, deadlineMs);
    else this.write(from, words, bytes, at, false, deadlineMs);
  }

  private write(
    from: number,
    words: Int32Array,
    bytes: Uint8Array,
    at: number,
    claimed: boolean,
    deadlineMs: number,
  ): boolean {
    const done =
      frameType(words, at) === PUT
        ? this.put(from, words, bytes, at, claimed, deadlineMs)
        : this.replicate(from, words, bytes, at);
    if (!done) {
      const wasPut = frameType(words, at) === PUT;
      this.park(from, words.slice(at, at + (words[at]! >>> 2)), wasPut, deadlineMs);
    }
    return done;
  }

  /** Returns false if it must be tried again when there is room. */
  private put(
    from: number,
    words: Int32Array,
    bytes: Uint8Array,
    at: number,
    claimed: boolean,
    deadlineMs: number,
  ): boolean {
    const request = readPut(words, bytes, at);
    const id = frameRequest(words, at);
    if (!claimed) {
      const refusal = this.puts.obstacle(request);
      if (refusal !== undefined) {
        this.puts.refuse(from, id, refusal);
        return true;
      }
      if (request.condition !== IF_NOTHING) {
        const begun = this.conditional.begin(from, words, at, request, deadlineMs);
        if (begun === undefined) return true;
        if (begun !== 'ready') {
          this.puts.refuse(from, id, begun);
          return true;
        }
      }
      if (!this.claim(request.caller, id)) return true;
    }
    return this.puts.execute(from, request, id, deadlineMs) === 'done';
  }

  private claim(caller: number, id: number): boolean {
    if (caller === NO_CALLER || this.env.claims.claim(caller, id)) return true;
    this.env.count(COUNT_DROPPED, 1);
    return false;
  }

  private replicate(from: number, words: Int32Array, bytes: Uint8Array, at: number): boolean {
    const id = frameRequest(words, at);
    const record = at + RECORD_AT;
    if (!holdsRecord(words, at)) {
      this.env.count(COUNT_DROPPED, 1);
      return true;
    }
    const level = (words[at + 6]! & 0xff) as Level;
    const rule = (words[at + 6]! >>> 8) & 0xff;
    const repair = (frameFlags(words, at) & FLAG_REPAIR) !== 0;
    const isHinted = (frameFlags(words, at) & FLAG_HINT) !== 0;
    if (!isHinted && !this.keeps(words, record)) {
      if (!repair) this.acknowledge(from, id, words[at + 7]!, OUT_STALE_RING);
      return true;
    }
    let hinted = 0;
    if (isHinted) {
      const taken = this.takeHint(words, bytes, at, rule);
      if (taken === 'wait') return false;
      if (taken !== 'kept') {
        this.acknowledge(from, id, words[at + 7]!, OUT_OVERLOADED);
        return true;
      }
      // A copy that is here already says nothing of its hint.
      hinted = this.pipeline.buffer.lastSequence;
    }
    const outcome = this.replica.apply(words, bytes, record, rule);
    if (outcome === 'wait') return false;
    this.env.count(repair ? COUNT_REPAIRED : COUNT_REPLICATED, 1);
    if (repair) return true;
    const actor = words[at + 7]!;
    if ('outcome' in outcome) {
      this.acknowledge(from, id, actor, outcome.outcome);
      return true;
    }
    const reached = (): void => this.acknowledge(from, id, actor, OK);
    const sequence = Math.max(outcome.sequence, hinted);
    if (level === ONE_DURABLE) this.pipeline.hasten(sequence);
    if (!this.completions.awaitLevel(sequence, level, reached)) reached();
    return true;
  }

  /** Whether this virtual node is among those who keep copies of a record. */
  private keeps(words: Int32Array, record: number): boolean {
    const n = this.env.replicasOf(bucketAt(words, record));
    return keepsCopies(this.env.ring, partitionAt(words, record), n, this.env.ordinal);
  }

  /** Before the copy that a fallback keeps for an owner: which owner that is. */
  private takeHint(words: Int32Array, bytes: Uint8Array, at: number, rule: number): Taken {
    const record = at + RECORD_AT;
    const owner = (words[at + 6]! >>> 16) & 0xff;
    if (owner === this.env.ordinal) return 'kept';
    if (owner >= this.env.ring.vnodes.length) return 'failed';
    const key = { bucket: bucketAt(words, record), key: nameIn(words, bytes, record) };
    return this.hints.take(owner, key, {
      hash: words[record + W_KEY_HASH]!,
      partition: partitionAt(words, record),
      n: Math.min(words[at + 6]! >>> 24, this.env.ring.preferenceLength),
      rule,
      bytes: lengthAt(words, record),
    });
  }

  private acknowledged(id: number, from: number, actor: number, good: boolean): void {
    const take = (): void => this.puts.acknowledge(id, from, actor, good);
    if (this.pipeline.journalWhole) take();
    else this.held.push(take);
  }

  private acknowledge(to: number, request: number, actor: number, outcome: number): void {
    const outbox = this.env.endpoint.to(to);
    const at = outbox.begin(RECORD_AT * 4);
    writeHeader(outbox.words, at, REPLICATE_ACK, 0, request, this.env.ring.epoch, 0);
    outbox.words[at + 6] = outcome;
    outbox.words[at + 7] = actor;
    outbox.end();
  }

  private get(from: number, words: Int32Array, bytes: Uint8Array, at: number): void {
    this.env.count(COUNT_READS, 1);
    const keyBytes = words[at + 9]! & 0xffff;
    const keyAt = at + GET_FIXED_WORDS;
    const key = bytes.subarray(keyAt * 4, keyAt * 4 + keyBytes);
    const keyWords = words.subarray(keyAt, keyAt + ((keyBytes + 3) >>> 2));
    const outbox = this.env.endpoint.to(from);
    let record = -1;
    let outcome = ABSENT;
    if (outbox.waitingBytes > LIMITS.outboxBytes) {
      outcome = OUT_OVERLOADED;
    } else {
      try {
        record = this.replica.read(
          words[at + 7]!,
          words[at + 8]! >>> 16,
          words[at + 8]! & 0xffff,
          keyWords,
          key,
        );
        if (record >= 0) outcome = OK;
      } catch {
        this.env.count(COUNT_CORRUPT, 1);
        outcome = OUT_CORRUPT;
      }
    }
    const source = record < 0 ? words : this.replica.wordsOf(record);
    const flags = this.rebuilding.partial ? FLAG_PARTIAL : 0;
    const length = record < 0 ? 0 : lengthAt(source, record);
    const request = frameRequest(words, at);
    const reply = outbox.begin(RECORD_AT * 4 + length);
    writeHeader(outbox.words, reply, GET_REPLY, flags, request, this.env.ring.epoch, 0);
    outbox.words[reply + 6] = outcome;
    outbox.words[reply + 7] = words[at + 6]!;
    copyWords(source, record, outbox.words, reply + RECORD_AT, length >>> 2);
    outbox.end();
  }

  private mergeAnswer(from: number, words: Int32Array, bytes: Uint8Array, at: number): void {
    if (this.served.answered(from, words, at)) return;
    const id = frameRequest(words, at);
    const rule = this.conditional.ruleOf(id, words[at + 7]!);
    if (rule === undefined) return;
    const outcome = words[at + 6]!;
    let good = outcome === ABSENT;
    if (outcome === OK && holdsRecord(words, at)) {
      const merged = this.replica.apply(words, bytes, at + RECORD_AT, rule);
      good = typeof merged === 'object' && 'sequence' in merged;
    }
    const partial = (frameFlags(words, at) & FLAG_PARTIAL) !== 0;
    const ready = this.conditional.answered(id, from, good, partial);
    if (ready === undefined) return;
    const request = readPut(ready.words, bytesOf(ready.words), 0);
    const put = frameRequest(ready.words, 0);
    if (!this.claim(request.caller, put)) return;
    const deadlineMs = frameDeadline(ready.words, 0);
    if (this.puts.execute(ready.from, request, put, deadlineMs) === 'wait') {
      this.park(ready.from, ready.words, true, deadlineMs);
    }
  }

  private scan(from: number, words: Int32Array, bytes: Uint8Array, at: number, deadlineMs: number): void {
    // It was asked of an earlier thread, which had everything; the caller asks again.
    if (this.rebuilding.partial) {
      this.env.count(COUNT_DROPPED, 1);
      return;
    }
    const afterBytes = words[at + 9]! & 0xffff;
    const start = (at + GET_FIXED_WORDS) * 4;
    const partition = words[at + 8]! >>> 16;
    const n = this.env.replicasOf(words[at + 8]! & 0xffff);
    if (!keepsCopies(this.env.ring, partition, n, this.env.ordinal)) {
      this.scanner.refuse(from, frameRequest(words, at), OUT_STALE_RING);
      return;
    }
    const request = {
      from,
      id: frameRequest(words, at),
      partition,
      bucket: words[at + 8]! & 0xffff,
      limit: Math.min(words[at + 6]!, LIMITS.scanPage),
      maxBytes: words[at + 7]!,
      after: bytes.slice(start, start + afterBytes),
      deadlineMs,
    };
    const settled = (frameFlags(words, at) & FLAG_SETTLED) !== 0;
    if (settled || !this.completions.awaitEngine(() => this.scanner.begin(request)))
      this.scanner.begin(request);
  }

  private park(from: number, words: Int32Array, claimed: boolean, deadlineMs: number): void {
    const room = this.parked.length === 0 || this.parkedBytes + words.byteLength <= LIMITS.outboxBytes;
    if (room && this.parked.length < LIMITS.coordinations) {
      this.parked.push({ from, words, claimed, deadlineMs });
      this.parkedBytes += words.byteLength;
      return;
    }
    const id = frameRequest(words, 0);
    if (frameType(words, 0) === REPLICATE) this.acknowledge(from, id, words[7]!, OUT_OVERLOADED);
    else
      this.puts.refuse(from, id, {
        outcome: OUT_OVERLOADED,
        got: this.parked.length,
        need: LIMITS.coordinations,
      });
  }

  /** In order of arrival, as long as there is room; what is past its deadline is refused. */
  private retryParked(): void {
    while (this.parked.length > 0) {
      const { from, words, claimed, deadlineMs } = this.parked[0]!;
      const bytes = bytesOf(words);
      const isPut = frameType(words, 0) === PUT;
      if (deadlineMs < this.nowMs) {
        // Claimed or not, it was not executed: say so, the caller need not wonder.
        if (isPut) this.puts.refuse(from, frameRequest(words, 0), { outcome: OUT_FULL, got: 0, need: 0 });
        this.unpark();
        continue;
      }
      const done = isPut
        ? this.put(from, words, bytes, 0, claimed, deadlineMs)
        : this.replicate(from, words, bytes, 0);
      if (!done) {
        if (isPut && !claimed) this.parked[0] = { from, words, claimed: true, deadlineMs };
        return;
      }
      this.unpark();
    }
  }

  private unpark(): void {
    this.parkedBytes -= this.parked.shift()!.words.byteLength;
  }
}
