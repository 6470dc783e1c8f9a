import { copyWords } from '../base/memory.js';
import { LIMITS } from '../base/limits.js';
import {
  ABSENT,
  frameDeadline,
  frameFlags,
  frameIntact,
  frameRequest,
  frameType,
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
  PUT,
  RECORD_AT,
  REPLICATE,
  REPLICATE_ACK,
  SCAN,
  writeHeader,
} from '../messaging/frames.js';
import type { Engine } from '../storage/engine.js';
import type { Level, Pipeline } from '../storage/pipeline.js';
import { lengthAt, shapeIntact } from '../storage/record.js';
import { Completions } from './completions.js';
import { bytesOf, ConditionalPuts } from './conditional-puts.js';
import {
  COUNT_CORRUPT,
  COUNT_DROPPED,
  COUNT_READS,
  COUNT_REPAIRED,
  COUNT_REPLICATED,
  GAUGE_ACTORS_MAX,
  GAUGE_SIBLINGS_MAX,
  type VnodeEnvironment,
} from './environment.js';
import { PutCoordinator } from './put-coordinator.js';
import { readPut } from './put-request.js';
import { Replica } from './replica.js';
import { Scanner } from './scanner.js';
import type { Service } from './service.js';

/** Frames taken from each peer per turn. */
const DRAIN_BUDGET = 128;
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
  readonly maxRecordBytes: number;
}

/**
 * A virtual node: drains its inbox, does what is due, says when to be called next. It runs the
 * same under a worker thread and under a simulator; whatever it needs comes with `parts`.
 */
export class VirtualNode {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly completions: Completions;
  private readonly replica: Replica;
  private readonly puts: PutCoordinator;
  private readonly conditional: ConditionalPuts;
  private readonly scanner: Scanner;
  private readonly services: readonly Service[];
  private readonly serviceOf = new Map<number, Service>();
  private readonly parked: Parked[] = [];
  private parkedBytes = 0;
  /** Acknowledgements that came while the journal was broken: nothing is acknowledged before it is whole again. */
  private held: (() => void)[] = [];
  private nowMs = 0;
  private nextSweepMs = 0;

  constructor(parts: VirtualNodeParts) {
    const { env, pipeline, completions, engine, actor } = parts;
    this.env = env;
    this.pipeline = pipeline;
    this.completions = completions;
    this.replica = this.makeReplica(parts);
    this.puts = new PutCoordinator(env, pipeline, this.replica, completions, actor);
    this.conditional = new ConditionalPuts(env, this.puts, actor);
    this.scanner = new Scanner(env, pipeline, engine);
    this.services = [];
    for (const service of this.services) for (const type of service.frames) this.serviceOf.set(type, service);
  }

  /** Called once, by the constructor. */
  protected makeReplica({ env, pipeline, actor, maxRecordBytes }: VirtualNodeParts): Replica {
    return new Replica(pipeline, actor, () => env.tick(), maxRecordBytes);
  }

  /** One turn. Returns the monotonic time of the next one, at the latest; a message may come first. */
  poll(nowMs: number): number {
    this.nowMs = nowMs;
    this.pipeline.begin(nowMs);
    if (this.held.length > 0 && !this.pipeline.rehoming) this.takeHeld();
    this.retryParked();
    const more = this.env.endpoint.drain(DRAIN_BUDGET, this.handle);
    this.scanner.step(nowMs);
    let serviceMs = Number.POSITIVE_INFINITY;
    for (const service of this.services) serviceMs = Math.min(serviceMs, service.poll(nowMs));
    this.pipeline.end(nowMs);
    if (nowMs >= this.nextSweepMs) this.sweep(nowMs);
    this.env.endpoint.flush();
    if (more || this.scanner.busy) return nowMs;
    const next = Math.min(
      this.pipeline.nextMs(nowMs),
      serviceMs,
      this.parked.length > 0 ? nowMs + 1 : Infinity,
    );
    return this.waiting ? Math.min(next, this.nextSweepMs) : next;
  }

  private takeHeld(): void {
    const held = this.held;
    this.held = [];
    // Once the journal has failed for good, what it owes cannot be acknowledged: the deadline answers.
    if (this.pipeline.journalWhole) for (const take of held) take();
  }

  /**
   * A record that this thread could not read was replaced by a peer's: dots of ours may be
   * forgotten, and the next one must be made under a fresh actor (versions.md, trap 3).
   */
  get forgotClock(): boolean {
    return this.replica.forgotClock;
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
    this.env.gauge(GAUGE_SIBLINGS_MAX, this.replica.siblingsMax);
    this.env.gauge(GAUGE_ACTORS_MAX, this.replica.actorsMax);
  }

  private readonly handle = (from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    if (!frameIntact(words, at)) {
      this.env.count(COUNT_DROPPED, 1);
      return;
    }
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
        if (this.parked.length > 0)
          this.park(from, words.slice(at, at + (words[at]! >>> 2)), false, deadlineMs);
        else this.write(from, words, bytes, at, false, deadlineMs);
        return;
      case GET:
        this.get(from, words, bytes, at);
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

  private holdsRecord(words: Int32Array, at: number): boolean {
    const record = at + RECORD_AT;
    const end = record + (lengthAt(words, record) >>> 2);
    return end <= at + (words[at]! >>> 2) && shapeIntact(words, record, end);
  }

  private replicate(from: number, words: Int32Array, bytes: Uint8Array, at: number): boolean {
    const id = frameRequest(words, at);
    const record = at + RECORD_AT;
    if (!this.holdsRecord(words, at)) {
      this.env.count(COUNT_DROPPED, 1);
      return true;
    }
    const level = (words[at + 6]! & 0xff) as Level;
    const rule = (words[at + 6]! >>> 8) & 0xff;
    const repair = (frameFlags(words, at) & FLAG_REPAIR) !== 0;
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
    if (!this.completions.awaitLevel(outcome.sequence, level, reached)) reached();
    return true;
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
    const length = record < 0 ? 0 : lengthAt(source, record);
    const request = frameRequest(words, at);
    const reply = outbox.begin(RECORD_AT * 4 + length);
    writeHeader(outbox.words, reply, GET_REPLY, 0, request, this.env.ring.epoch, 0);
    outbox.words[reply + 6] = outcome;
    outbox.words[reply + 7] = words[at + 6]!;
    copyWords(source, record, outbox.words, reply + RECORD_AT, length >>> 2);
    outbox.end();
  }

  private mergeAnswer(from: number, words: Int32Array, bytes: Uint8Array, at: number): void {
    const id = frameRequest(words, at);
    const rule = this.conditional.ruleOf(id, words[at + 7]!);
    if (rule === undefined) return;
    const outcome = words[at + 6]!;
    let good = outcome === ABSENT;
    if (outcome === OK && this.holdsRecord(words, at)) {
      const merged = this.replica.apply(words, bytes, at + RECORD_AT, rule);
      good = typeof merged === 'object' && 'sequence' in merged;
    }
    const ready = this.conditional.answered(id, from, good);
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
    const afterBytes = words[at + 9]! & 0xffff;
    const start = (at + GET_FIXED_WORDS) * 4;
    const request = {
      from,
      id: frameRequest(words, at),
      partition: words[at + 8]! >>> 16,
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
