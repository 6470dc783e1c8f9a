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
  /** Owners that were asked and have not answered: each counts once, whatever arrives twice. */
  readonly open: number[];
  missing: number;
}

/**
 * Conditions go to the partition's first owner only. It reads until it has R owners' copies
 * (itself included), merges them into its own, and then tests and writes in one step.
 */
export class ConditionalPuts {
  private readonly env: VnodeEnvironment;
  private readonly puts: PutCoordinator;
  private readonly readings = new Map<number, Reading>();
  /** Travels with every question and back: answers meant for an earlier thread count for nothing. */
  private readonly actor: number;
  private next = 1;

  constructor(env: VnodeEnvironment, puts: PutCoordinator, actor: number) {
    this.actor = actor | 0;
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
    if (puts.owner(request.partition, 0) !== env.ordinal) return refuse(OUT_STALE_RING);
    const serving = puts.servingOwners(request.partition, request.n);
    const need = Math.max(request.r, request.w);
    if (serving < need) return refuse(OUT_CONDITION_UNAVAILABLE, serving, need);
    if (request.r <= 1) return 'ready';
    if (this.readings.size >= LIMITS.coordinations) {
      return refuse(OUT_OVERLOADED, this.readings.size, LIMITS.coordinations);
    }
    const id = this.next++;
    const words = frame.slice(at, at + (frame[at]! >>> 2));
    const open: number[] = [];
    this.readings.set(id, { from, words, deadlineMs, open, missing: request.r - 1 });
    for (let i = 1; i < request.n; i++) {
      const vnode = puts.owner(request.partition, i);
      if (!env.isServing(vnode)) continue;
      this.ask(vnode, id, request, deadlineMs);
      open.push(vnode);
    }
    return undefined;
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

  /** A peer's copy is merged by now. Returns the frame that can go on, once enough have come. */
  answered(id: number, from: number, good: boolean): { from: number; words: Int32Array } | undefined {
    const reading = this.readings.get(id);
    const at = reading?.open.indexOf(from) ?? -1;
    if (reading === undefined || at < 0) return undefined;
    reading.open.splice(at, 1);
    if (!good || --reading.missing > 0) return undefined;
    this.readings.delete(id);
    return reading;
  }

  ruleOf(id: number, actor: number): number | undefined {
    const reading = actor === this.actor ? this.readings.get(id) : undefined;
    return reading && readPut(reading.words, bytesOf(reading.words), 0).rule;
  }

  sweep(nowMs: number): void {
    for (const [id, reading] of this.readings) {
      if (nowMs < reading.deadlineMs) continue;
      this.readings.delete(id);
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
