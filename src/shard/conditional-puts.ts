import { LIMITS } from '../base/limits.js';
import {
  frameRequest,
  GET,
  GET_FIXED_WORDS,
  OUT_CONDITION_UNAVAILABLE,
  OUT_OVERLOADED,
  OUT_STALE_RING,
  writeHeader,
} from '../messaging/frames.js';
import type { VnodeEnvironment } from './environment.js';
import { refuse, type Refusal } from './outcome.js';
import { type PutRequest, readPut } from './put-request.js';
import type { PutCoordinator } from './put-coordinator.js';

/** A conditional put that waits for the other owners' copies. */
interface Reading {
  readonly from: number;
  /** A copy of the frame: the ring's own bytes are gone by the time the answers arrive. */
  readonly words: Int32Array;
  readonly deadlineMs: number;
  /** The partition's owners when it began. */
  readonly listed: readonly number[];
  /** What is answered later was read too long ago to be merged. */
  readonly answersUntilMs: number;
  /** Who was asked and has not answered: each counts once, whatever arrives twice. */
  open: readonly number[];
  missing: number;
  /** Owners to be asked once all holders of hints have answered, and how many of them are needed. */
  rest: { readonly owners: readonly number[]; readonly need: number } | undefined;
}

/** Whose copies a condition is decided on. */
interface Sources {
  /** Owners whose copies count; this one may be among them. */
  readonly owners: readonly number[];
  /** Who may have copies that wait for one of these owners. */
  readonly holders: readonly number[];
}

/**
 * Conditions go to the partition's first owner only. It reads until it has R owners' copies
 * (itself included), merges them into its own, and then tests and writes in one step.
 *
 * An owner for which hints wait lacks what was acknowledged in its place. Whoever holds them is
 * asked first, as in client/read-plan.ts; where one cannot be asked, that owner does not count.
 */
export class ConditionalPuts {
  private readonly env: VnodeEnvironment;
  private readonly puts: PutCoordinator;
  private readonly readings = new Map<number, Reading>();
  /** Of their frames. */
  private bytes = 0;
  /** Travels with every question and back: answers meant for an earlier thread count for nothing. */
  private readonly actor: number;
  private next = 1;
  private readonly partial: () => boolean;

  /** @param partial this virtual node is being rebuilt: its own copy counts for nothing */
  constructor(env: VnodeEnvironment, puts: PutCoordinator, actor: number, partial: () => boolean) {
    this.actor = actor | 0;
    this.partial = partial;
    this.env = env;
    this.puts = puts;
  }

  /** Starts reading; undefined when it has begun, `ready` when there is nothing to wait for. */
  begin(
    from: number,
    frame: Int32Array,
    at: number,
    request: PutRequest,
    deadlineMs: number,
  ): Refusal | 'ready' | undefined {
    const { env, puts } = this;
    if (!this.decides(request)) return refuse(OUT_STALE_RING);
    const serving = puts.servingOwners(request.partition, request.n);
    const need = Math.max(request.r, request.w);
    if (serving < need) return refuse(OUT_CONDITION_UNAVAILABLE, serving, need);
    const { owners, holders } = this.sourcesOf(request);
    if (owners.length < request.r) return refuse(OUT_CONDITION_UNAVAILABLE, owners.length, need);
    const others = owners.filter((vnode) => vnode !== env.ordinal);
    const missing = request.r - (owners.length - others.length);
    if (holders.length === 0 && missing <= 0) return 'ready';
    if (this.readings.size >= LIMITS.coordinations) {
      return refuse(OUT_OVERLOADED, this.readings.size, LIMITS.coordinations);
    }
    const frameBytes = frame[at]!;
    if (this.readings.size > 0 && this.bytes + frameBytes > LIMITS.conditionalBytes) {
      return refuse(OUT_OVERLOADED, this.bytes, LIMITS.conditionalBytes);
    }
    const reading: Reading = {
      from,
      words: frame.slice(at, at + (frameBytes >>> 2)),
      deadlineMs,
      listed: puts.listOf(request.partition).slice(0, request.n),
      answersUntilMs: env.clock.nowMs() + LIMITS.replicaFrameMs,
      open: [],
      missing: 0,
      rest: { owners: others, need: missing },
    };
    if (holders.length === 0) this.askOwners(reading);
    else this.askAll(reading, holders, holders.length);
    return undefined;
  }

  /** Whether this virtual node is the first owner. */
  decides({ partition }: Pick<PutRequest, 'partition'>): boolean {
    return this.puts.owner(partition, 0) === this.env.ordinal;
  }

  private sourcesOf({ partition, n }: PutRequest): Sources {
    const { env, puts } = this;
    const list = puts.listOf(partition);
    const owners: number[] = [];
    const holders = new Set<number>();
    for (const owner of list.slice(0, n)) {
      // What has lost its data and is being rebuilt does not count.
      const whole = owner === env.ordinal ? !this.partial() : env.isServing(owner) && env.isWhole(owner);
      if (!whole) continue;
      const waiting = list.filter((other) => other !== env.ordinal && env.hasHintsFor(other, owner));
      if (!waiting.every((holder) => env.isServing(holder))) continue;
      owners.push(owner);
      for (const holder of waiting) holders.add(holder);
    }
    return { owners, holders: [...holders] };
  }

  private askOwners(reading: Reading): void {
    const { owners, need } = reading.rest!;
    reading.rest = undefined;
    this.askAll(reading, owners, need);
  }

  /** Under a number of its own: what was asked before is answered no more. */
  private askAll(reading: Reading, vnodes: readonly number[], need: number): void {
    const id = this.next;
    // A word of the frame carries it: it counts round.
    this.next = (id + 1) >>> 0;
    this.readings.set(id, reading);
    this.bytes += reading.words.byteLength;
    reading.open = vnodes;
    reading.missing = need;
    const request = readPut(reading.words, bytesOf(reading.words), 0);
    for (const vnode of vnodes) this.ask(vnode, id, request, reading.deadlineMs);
  }

  private end(id: number, reading: Reading): void {
    this.readings.delete(id);
    this.bytes -= reading.words.byteLength;
  }

  private ask(vnode: number, id: number, request: PutRequest, deadlineMs: number): void {
    const outbox = this.env.endpoint.to(vnode);
    const at = outbox.begin((GET_FIXED_WORDS + request.keyWords.length) * 4);
    const { words } = outbox;
    writeHeader(words, at, GET, 0, id, this.env.ring.epoch, deadlineMs);
    words[at + 6] = this.actor;
    words[at + 7] = request.hash;
    words[at + 8] = request.bucket | (request.partition << 16);
    words[at + 9] = request.key.length;
    words.set(request.keyWords, at + GET_FIXED_WORDS);
    outbox.end();
  }

  /**
   * A peer's copy is merged by now. Returns the frame that can go on, once enough have come.
   * @param partial it is being rebuilt: what it lacks proves nothing
   */
  answered(
    id: number,
    from: number,
    good: boolean,
    partial = false,
  ): { from: number; words: Int32Array } | undefined {
    const reading = this.readings.get(id);
    if (reading === undefined || !reading.open.includes(from)) return undefined;
    reading.open = reading.open.filter((vnode) => vnode !== from);
    const counts = good && !(partial && reading.rest === undefined);
    if (!counts || --reading.missing > 0) return undefined;
    this.end(id, reading);
    if (reading.rest === undefined || reading.rest.need <= 0) return reading;
    this.askOwners(reading);
    return undefined;
  }

  ruleOf(id: number, actor: number): number | undefined {
    const reading = actor === this.actor ? this.readings.get(id) : undefined;
    if (reading === undefined || this.env.clock.nowMs() > reading.answersUntilMs) return undefined;
    return readPut(reading.words, bytesOf(reading.words), 0).rule;
  }

  /** Others decide by now, or what was asked of owners would be told by who is none: the caller begins anew. */
  ringChanged(): void {
    for (const [id, reading] of this.readings) {
      const { from, words, listed } = reading;
      const list = this.puts.listOf(readPut(words, bytesOf(words), 0).partition);
      if (listed.every((owner, i) => owner === list[i])) continue;
      this.end(id, reading);
      this.puts.refuse(from, frameRequest(words, 0), refuse(OUT_STALE_RING));
    }
  }

  sweep(nowMs: number): void {
    for (const [id, reading] of this.readings) {
      if (nowMs < reading.deadlineMs) continue;
      this.end(id, reading);
      this.puts.refuse(reading.from, frameRequest(reading.words, 0), refuse(OUT_CONDITION_UNAVAILABLE, 0, 1));
    }
  }

  get size(): number {
    return this.readings.size;
  }
}

export function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer, words.byteOffset, words.byteLength);
}
