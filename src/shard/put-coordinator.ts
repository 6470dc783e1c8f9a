import { copyWords, writeDouble } from '../base/memory.js';
import { LIMITS } from '../base/limits.js';
import {
  FRAME_HEADER_WORDS,
  OK,
  OUT_OVERLOADED,
  OUT_QUORUM,
  OUT_STALE_RING,
  PUT_REPLY,
  PUT_REPLY_WORDS,
  RECORD_AT,
  REPLICATE,
  writeHeader,
} from '../messaging/frames.js';
import type { Pipeline } from '../storage/pipeline.js';
import { ENTRY_WORDS, entriesAt, FIXED_WORDS, lengthAt } from '../storage/record.js';
import type { Completions } from './completions.js';
import { COUNT_COORDINATED, COUNT_REFUSED, type VnodeEnvironment } from './environment.js';
import { refuse, type Refusal } from './outcome.js';
import type { PutRequest } from './put-request.js';
import type { Applied, Replica } from './replica.js';

/** A put that was made here and waits for other replicas. */
interface InProgress {
  readonly caller: number;
  readonly request: number;
  readonly need: number;
  readonly deadlineMs: number;
  readonly vector: Int32Array;
  readonly total: number;
  acks: number;
  /** Owners that have not answered yet, this one included: each counts once, whatever arrives twice. */
  readonly open: number[];
  replied: boolean;
}

const NOTHING = new Int32Array(0);

/**
 * Puts at their coordinator (paper §4.5, §5): own copy first, then the whole resulting record to
 * the other owners; the caller hears of it when W of them have it at the asked level. All N are
 * followed up to the deadline, also when the caller is gone.
 */
export class PutCoordinator {
  private readonly env: VnodeEnvironment;
  private readonly pipeline: Pipeline;
  private readonly replica: Replica;
  private readonly completions: Completions;
  /** Travels with every copy and back: an acknowledgement meant for an earlier thread counts for nothing. */
  private readonly actor: number;
  private readonly inProgress = new Map<number, InProgress>();
  private nextId = 0;
  private nextSweepMs = 0;

  constructor(
    env: VnodeEnvironment,
    pipeline: Pipeline,
    replica: Replica,
    completions: Completions,
    actor: number,
  ) {
    this.actor = actor | 0;
    this.env = env;
    this.pipeline = pipeline;
    this.replica = replica;
    this.completions = completions;
  }

  get size(): number {
    return this.inProgress.size;
  }

  /** Why a put cannot begin; checked before it is claimed, so that a refusal leaves nothing behind. */
  obstacle(request: PutRequest): Refusal | undefined {
    if (!this.owns(request.partition, request.n)) return refuse(OUT_STALE_RING);
    const serving = this.servingOwners(request.partition, request.n);
    if (serving < request.w) return refuse(OUT_QUORUM, serving, request.w);
    if (this.inProgress.size >= LIMITS.coordinations)
      return refuse(OUT_OVERLOADED, this.inProgress.size, LIMITS.coordinations);
    return undefined;
  }

  servingOwners(partition: number, n: number): number {
    let serving = 0;
    for (let i = 0; i < n; i++) {
      const vnode = this.owner(partition, i);
      if (vnode === this.env.ordinal || this.env.isServing(vnode)) serving++;
    }
    return serving;
  }

  private owns(partition: number, n: number): boolean {
    for (let i = 0; i < n; i++) if (this.owner(partition, i) === this.env.ordinal) return true;
    return false;
  }

  owner(partition: number, i: number): number {
    const { ring } = this.env;
    return ring.preference[partition * ring.preferenceLength + i]!;
  }

  /** Executes a claimed put. `wait`: there is no room yet, try again later. */
  execute(from: number, request: PutRequest, id: number, deadlineMs: number): 'done' | 'wait' {
    const outcome = this.replica.coordinate(request);
    if (outcome === 'wait') return 'wait';
    if ('outcome' in outcome) {
      this.refuse(from, id, outcome);
      return 'done';
    }
    this.env.count(COUNT_COORDINATED, 1);
    const open = this.replicate(request, outcome, deadlineMs);
    const level = request.level;
    const own = this.nextId;
    const ownWaits = this.completions.awaitLevel(outcome.sequence, level, () =>
      this.acknowledge(own, this.env.ordinal, this.actor, true),
    );
    if (open.length === 0 && !ownWaits && request.w <= 1) {
      this.reply(from, id, OK, 1, request.w, this.pipeline.buffer.words, outcome.at, outcome.total);
      this.nextId = (this.nextId + 1) >>> 0;
      return 'done';
    }
    open.push(this.env.ordinal);
    const entry: InProgress = {
      caller: from,
      request: id,
      need: request.w,
      deadlineMs,
      vector: vectorOf(this.pipeline.buffer.words, outcome.at),
      total: outcome.total,
      acks: 0,
      open,
      replied: false,
    };
    this.inProgress.set(own, entry);
    this.nextId = (this.nextId + 1) >>> 0;
    if (!ownWaits) this.acknowledge(own, this.env.ordinal, this.actor, true);
    return 'done';
  }

  /** Sends the record to the other owners that serve; returns which. */
  private replicate(request: PutRequest, applied: Applied, deadlineMs: number): number[] {
    const sent: number[] = [];
    for (let i = 0; i < request.n; i++) {
      const vnode = this.owner(request.partition, i);
      if (vnode === this.env.ordinal || !this.env.isServing(vnode)) continue;
      const outbox = this.env.endpoint.to(vnode);
      if (outbox.waitingBytes > LIMITS.outboxBytes) continue;
      const { words } = this.pipeline.buffer;
      const bytes = lengthAt(words, applied.at);
      const at = outbox.begin(RECORD_AT * 4 + bytes);
      writeHeader(outbox.words, at, REPLICATE, 0, this.nextId, this.env.ring.epoch, deadlineMs);
      outbox.words[at + FRAME_HEADER_WORDS] = request.level | (request.rule << 8);
      outbox.words[at + 7] = this.actor;
      copyWords(words, applied.at, outbox.words, at + RECORD_AT, bytes >>> 2);
      outbox.end();
      sent.push(vnode);
    }
    return sent;
  }

  /** An owner has the record at the asked level, or says that it cannot take it. */
  acknowledge(id: number, from: number, actor: number, good: boolean): void {
    const entry = actor === this.actor ? this.inProgress.get(id) : undefined;
    const at = entry?.open.indexOf(from) ?? -1;
    if (entry === undefined || at < 0) return;
    entry.open.splice(at, 1);
    if (good) entry.acks++;
    if (!entry.replied && entry.acks >= entry.need) this.finish(entry, OK);
    else if (!entry.replied && entry.acks + entry.open.length < entry.need) this.finish(entry, OUT_QUORUM);
    if (entry.open.length === 0) this.inProgress.delete(id);
  }

  /** Gives up what is past its deadline. Once in a while: this walks the whole map. */
  sweep(nowMs: number): void {
    if (nowMs < this.nextSweepMs) return;
    this.nextSweepMs = nowMs + 50;
    for (const [id, entry] of this.inProgress) {
      if (nowMs < entry.deadlineMs) continue;
      if (!entry.replied) this.finish(entry, OUT_QUORUM);
      this.inProgress.delete(id);
    }
  }

  private finish(entry: InProgress, outcome: number): void {
    entry.replied = true;
    this.replyWith(entry.caller, entry.request, outcome, entry.acks, entry.need, entry.total, entry.vector);
  }

  refuse(to: number, request: number, refusal: Refusal): void {
    this.env.count(COUNT_REFUSED, 1);
    this.replyWith(to, request, refusal.outcome, refusal.got, refusal.need, 0, NOTHING);
  }

  private reply(
    to: number,
    request: number,
    outcome: number,
    got: number,
    need: number,
    words: Int32Array,
    record: number,
    total: number,
  ): void {
    this.replyWith(to, request, outcome, got, need, total, vectorOf(words, record));
  }

  private replyWith(
    to: number,
    request: number,
    outcome: number,
    got: number,
    need: number,
    total: number,
    vector: Int32Array,
  ): void {
    const outbox = this.env.endpoint.to(to);
    const at = outbox.begin((PUT_REPLY_WORDS + vector.length) * 4);
    const { words } = outbox;
    writeHeader(words, at, PUT_REPLY, 0, request, this.env.ring.epoch, 0);
    words[at + 6] = outcome;
    words[at + 7] = got;
    words[at + 8] = need;
    words[at + 9] = vector.length >>> 1;
    writeDouble(words, at + 10, total);
    for (let i = 0; i < vector.length; i++) words[at + PUT_REPLY_WORDS + i] = vector[i]!;
    outbox.end();
  }
}

/** The pairs (actor, n) of a record. */
function vectorOf(words: Int32Array, record: number): Int32Array {
  const entries = entriesAt(words, record);
  const vector = new Int32Array(entries * 2);
  for (let i = 0; i < entries; i++) {
    const entry = record + FIXED_WORDS + i * ENTRY_WORDS;
    vector[2 * i] = words[entry]!;
    vector[2 * i + 1] = words[entry + 1]!;
  }
  return vector;
}
