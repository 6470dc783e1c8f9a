import { RingletError } from '../base/errors.js';
import { readDouble } from '../base/memory.js';
import { wallOfHybrid } from '../base/time.js';
import type { ExpiryClock } from '../messaging/expiry-clock.js';
import { compareClocks, decodeClock } from '../storage/record-codec.js';
import {
  CONTENT_TYPE_LITERAL,
  CONTENT_TYPES,
  keyAt,
  keyLengthAt,
  KIND_PLAIN,
  kindAt,
  lengthAt,
  EXPIRY_WORDS,
  META_WORDS,
  metasAt,
  timeAt,
  VALUE_DELETED,
  VALUE_EXPIRES,
  wordsFor,
} from '../storage/record.js';
import type { GetOptions, GetResult, Key, Resolver, Sibling, TimelineEvent } from './api.js';
import { aborted, finished, locateKey } from './located.js';
import type { Connection } from './connection.js';
import { contextOf } from './context.js';
import { ERROR, MISS, OK, OP_GET } from './latencies.js';
import { type Contribution, mergeContributions, resultOf } from './merge.js';
import { timeoutOf } from './policy.js';
import { Repairs } from './repairs.js';
import type { GetOutcome, GetTask, LocatedKey, Policy } from './request.js';
import { offAbort, onAbort } from './signals.js';
import { bufferOf, copyValue } from './value-pool.js';
import type { BucketDefinition } from './view.js';

/** Immediate answers before the clock is looked at, and how long they go on without a turn of the event loop. */
const BURST = 256;
const BURST_MS = 4;

/**
 * Gets of one thread. The caller coordinates (paper §6.4): records that R owners have in their
 * object buffers are read in place and answer at once; for the rest it asks.
 */
export class Gets {
  private readonly connection: Connection;
  private readonly resolvers: Readonly<Record<string, Resolver>>;
  private readonly repairs: Repairs;
  private immediate = 0;
  private yieldedMs = 0;

  constructor(connection: Connection, resolvers: Readonly<Record<string, Resolver>>) {
    this.connection = connection;
    this.resolvers = resolvers;
    this.repairs = new Repairs({
      frames: connection.frames,
      isServing: (vnode) => connection.direct.isServing(vnode) && !connection.machine.suspects(vnode),
      nowMs: () => connection.clock.nowMs(),
      after: (milliseconds, action) => {
        setTimeout(() => connection.isClosed || action(), milliseconds).unref();
      },
      flush: () => connection.scheduleFlush(),
    });
  }

  get(
    bucket: BucketDefinition,
    policy: Policy,
    key: Key,
    options: GetOptions,
  ): GetResult | Promise<GetResult> {
    const { connection } = this;
    connection.router.locate(key);
    if (options.signal?.aborted === true) throw aborted(false);
    const timeoutMs = timeoutOf(options.timeoutMs);
    const found = options.timeline === true ? undefined : this.look(policy);
    if (found !== undefined) return this.immediately(found);
    connection.assertOpen();
    return this.ask(bucket, locateKey(connection, key), policy, timeoutMs, options);
  }

  /** The answer for the located key, if it is to be had without a message. */
  look(policy: Policy): GetResult | undefined {
    const { clock, latencies, view } = this.connection;
    if (!view.directReads) return undefined;
    const timed = latencies.wanted();
    const startedMs = timed ? clock.nowMs() : 0;
    const found = this.readDirectly(policy);
    if (found === undefined) return undefined;
    if (timed) latencies.direct(policy.bucket, clock.nowMs() - startedMs);
    else latencies.untimed++;
    return found;
  }

  /** The answer when the first R owners have equal copies with one value in their buffers. */
  private readDirectly(policy: Policy): GetResult | undefined {
    const { direct } = this.connection;
    try {
      const at = direct.enter() ? this.agreedRecord(policy) : -1;
      if (at < 0) return undefined;
      const first = this.firstOwner();
      const words = direct.words[first]!;
      const result = singleValue(words, direct.bytes[first]!, at, this.connection.expiry);
      if (result !== undefined) this.countDirect(policy.r);
      if (policy.cache === true) direct.noteRead(first, at);
      return result;
    } finally {
      direct.leave();
    }
  }

  /**
   * The value of the located key, where it stands: `take` must copy it. False if it is not to be had
   * without a message, or is none, or several; then the other ways tell which.
   */
  peek(policy: Policy, take: (words: Int32Array, word: number, bytes: number) => void): boolean {
    const { direct } = this.connection;
    try {
      const at = direct.enter() ? this.agreedRecord(policy) : -1;
      if (at < 0) return false;
      const first = this.firstOwner();
      const words = direct.words[first]!;
      const key = keyOfSingle(words, at, this.connection.expiry);
      if (key < 0) return false;
      this.countDirect(policy.r);
      if (policy.cache === true) direct.noteRead(first, at);
      const meta = key - META_WORDS;
      const value = contentTypeAt(words, at, key) + wordsFor(words[meta + 1]! & 0xffff);
      take(words, value, words[meta]!);
      return true;
    } finally {
      direct.leave();
    }
  }

  private firstOwner(): number {
    const { router, view } = this.connection;
    return view.ring.preference[router.partition * view.ring.preferenceLength]!;
  }

  private countDirect(r: number): void {
    const { direct, router, view } = this.connection;
    const { preference, preferenceLength } = view.ring;
    for (let i = 0; i < r; i++) direct.count(preference[router.partition * preferenceLength + i]!);
  }

  /** The located key's record in the first owner's buffer, if the first R owners' are equal; else −1. */
  private agreedRecord(policy: Policy): number {
    const { direct, router, view } = this.connection;
    const { preference, preferenceLength } = view.ring;
    const first = preference[router.partition * preferenceLength]!;
    const at = direct.find(first, policy.bucket, router);
    if (at < 0) return -1;
    const words = direct.words[first]!;
    for (let i = 1; i < policy.r; i++) {
      const vnode = preference[router.partition * preferenceLength + i]!;
      const other = direct.find(vnode, policy.bucket, router);
      if (other < 0 || compareClocks(words, at, direct.words[vnode]!, other) !== 'equal') return -1;
    }
    // What was found stays as it is until `leave`; whether it may be told is known now.
    return direct.unchanged ? at : -1;
  }

  /** A long run of immediate answers would starve the event loop. */
  immediately(result: GetResult): GetResult | Promise<GetResult> {
    if (++this.immediate < BURST) return result;
    this.immediate = 0;
    // Also after a pause, which may have been one of this thread alone: a turn of the event loop costs little.
    const now = this.connection.clock.nowMs();
    if (now - this.yieldedMs < BURST_MS) return result;
    this.yieldedMs = now;
    return new Promise((resolve) => {
      setImmediate(resolve, result);
    });
  }

  private async ask(
    bucket: BucketDefinition,
    key: LocatedKey,
    policy: Policy,
    timeoutMs: number,
    options: GetOptions,
  ): Promise<GetResult> {
    const { connection } = this;
    const startedMs = connection.clock.nowMs();
    const timeline: TimelineEvent[] | undefined = options.timeline === true ? [] : undefined;
    const known = connection.view.directReads ? this.contributions(policy, startedMs, timeline) : [];
    const { contributions, degraded } =
      known.length >= policy.r
        ? { contributions: known, degraded: false }
        : await this.request(
            { key, policy, startedMs, deadlineMs: startedMs + timeoutMs, timeline },
            known,
            options.signal,
          );
    const merged = mergeContributions(contributions, policy.rule);
    // A fallback need not have everything: what it lacks is no reason to send it a copy.
    const stale = merged.stale.filter((vnode) => this.owns(vnode, key, policy));
    if (merged.clock !== undefined && stale.length > 0) {
      this.repairs.later(key, policy, merged.clock, merged.kind, stale, startedMs);
    }
    const reconciled = resultOf(merged.clock, merged.kind, degraded, connection.expiry);
    const tookMs = connection.clock.nowMs() - startedMs;
    connection.latencies.record(OP_GET, policy.bucket, reconciled.found ? OK : MISS, tookMs);
    const resolved = this.resolve(bucket, key, reconciled);
    const result =
      timeline === undefined
        ? resolved
        : { ...resolved, timeline: finished(timeline, connection, startedMs) };
    return known.length >= policy.r ? this.immediately(result) : result;
  }

  private owns(vnode: number, key: LocatedKey, policy: Policy): boolean {
    const { preference, preferenceLength } = this.connection.view.ring;
    const first = key.partition * preferenceLength;
    return preference.subarray(first, first + policy.n).includes(vnode);
  }

  /** Copies of the owners' records that stand in their buffers. */
  private contributions(
    policy: Policy,
    startedMs: number,
    timeline: TimelineEvent[] | undefined,
  ): Contribution[] {
    const { direct, router, view, clock } = this.connection;
    const found: Contribution[] = [];
    try {
      if (!direct.enter()) return found;
      for (let i = 0; i < policy.n && found.length < policy.r; i++) {
        const vnode = view.ring.preference[router.partition * view.ring.preferenceLength + i]!;
        const at = direct.find(vnode, policy.bucket, router);
        if (at < 0) continue;
        const words = direct.words[vnode]!;
        // From shared into ordinary memory.
        const record = Int32Array.from(words.subarray(at, at + (lengthAt(words, at) >>> 2)));
        found.push({
          vnode,
          clock: decodeClock(record, new Uint8Array(record.buffer), 0),
          kind: kindAt(record, 0),
        });
        timeline?.push({
          atUs: Math.round((clock.nowMs() - startedMs) * 1000),
          event: 'direct-read',
          vnode: view.ring.vnodes[vnode]!.id,
          outcome: 'found',
        });
      }
      return direct.unchanged ? found : [];
    } finally {
      direct.leave();
    }
  }

  /** The copies of all owners that answer, asked by messages. */
  async copies(key: LocatedKey, policy: Policy, timeoutMs: number): Promise<GetOutcome> {
    const startedMs = this.connection.clock.nowMs();
    const all = { ...policy, r: policy.n, strict: false };
    const task = { key, policy: all, startedMs, deadlineMs: startedMs + timeoutMs, timeline: undefined };
    return this.request(task, [], undefined);
  }

  private request(
    base: Pick<GetTask, 'key' | 'policy' | 'startedMs' | 'deadlineMs' | 'timeline'>,
    known: Contribution[],
    signal: AbortSignal | undefined,
  ): Promise<GetOutcome> {
    const { connection } = this;
    return new Promise((resolve, reject) => {
      let slot = -1;
      const abort = (): void => connection.machine.abort(slot, task, () => aborted(false));
      const task: GetTask = {
        kind: 'get',
        ...base,
        done: (outcome) => {
          if (signal !== undefined) offAbort(signal, abort);
          if (outcome instanceof RingletError) {
            const tookMs = connection.clock.nowMs() - base.startedMs;
            connection.latencies.record(OP_GET, base.policy.bucket, ERROR, tookMs);
            reject(outcome);
          } else resolve(outcome);
        },
      };
      // Before it is sent: an answer at once must find the listener to take it away again.
      if (signal !== undefined) onAbort(signal, abort);
      try {
        slot = connection.submit(task, known);
      } catch (error) {
        if (signal !== undefined) offAbort(signal, abort);
        throw error;
      }
    });
  }

  private bytesOf(key: LocatedKey): Uint8Array {
    const { router } = this.connection;
    router.locate(key.source);
    return router.bytes.slice(0, router.keyBytes);
  }

  private resolve(bucket: BucketDefinition, key: LocatedKey, result: GetResult): GetResult {
    const { conflict } = bucket.properties;
    const resolver = Object.hasOwn(this.resolvers, conflict) ? this.resolvers[conflict] : undefined;
    if (resolver === undefined || result.siblings.length < 2) return result;
    const resolved: unknown = resolver(result.siblings, bufferOf(this.bytesOf(key)));
    if (!(resolved instanceof Uint8Array)) {
      throw new RingletError('BAD_REQUEST', `the resolver ${conflict} returns a Uint8Array`, {
        conflict,
        type: typeof resolved,
      });
    }
    const newest = result.siblings.reduce((a, b) => (a.modifiedAtMs >= b.modifiedAtMs ? a : b));
    const value = bufferOf(resolved);
    const sibling: Sibling = { ...newest, value };
    return { ...result, value, siblings: [sibling] };
  }
}

/** The result of an ordinary record with exactly one value, copied to ordinary memory; else undefined. */
function singleValue(
  words: Int32Array,
  bytes: Uint8Array,
  at: number,
  expiry: ExpiryClock,
): GetResult | undefined {
  const key = keyOfSingle(words, at, expiry);
  if (key < 0) return undefined;
  const meta = key - META_WORDS;
  const code = words[meta + 1]! >>> 24;
  const typeAt = contentTypeAt(words, at, key);
  const typeBytes = words[meta + 1]! & 0xffff;
  const value = copyValue(words, bytes, typeAt + wordsFor(typeBytes), words[meta]!);
  const contentType =
    code === CONTENT_TYPE_LITERAL
      ? literalType(bytes, typeAt * 4, typeBytes)
      : (CONTENT_TYPES[code] ?? CONTENT_TYPES[0]);
  const modifiedAtMs = wallOfHybrid(timeAt(words, meta));
  const sibling = expires(words, key)
    ? { value, contentType, modifiedAtMs, expiresAtMs: expiryAt(words, at, key) }
    : { value, contentType, modifiedAtMs };
  return {
    found: true,
    value,
    siblings: [sibling],
    context: contextOf(words, at),
    degraded: false,
  };
}

let lastTypeBytes = Buffer.alloc(0);
let lastType = '';

/** A content type that is spelt out; many in a row are the same. */
function literalType(bytes: Uint8Array, at: number, length: number): string {
  const same = (): boolean => {
    if (lastTypeBytes.length !== length) return false;
    for (let i = 0; i < length; i++) if (bytes[at + i] !== lastTypeBytes[i]) return false;
    return true;
  };
  if (!same()) {
    lastTypeBytes = Buffer.from(bytes.slice(at, at + length));
    lastType = lastTypeBytes.toString('utf8');
  }
  return lastType;
}

/**
 * Where the key begins in an ordinary record with exactly one live value, whose time is not over; else −1: that
 * is as rare as a miss, and the general way answers.
 */
function keyOfSingle(words: Int32Array, at: number, expiry: ExpiryClock): number {
  const metas = metasAt(words, at);
  const key = keyAt(words, at);
  if (key - metas !== META_WORDS || kindAt(words, at) !== KIND_PLAIN) return -1;
  if ((words[metas + 1]! & (VALUE_DELETED << 16)) !== 0) return -1;
  return expires(words, key) && expiry.isOver(expiryAt(words, at, key)) ? -1 : key;
}

function expires(words: Int32Array, key: number): boolean {
  return (words[key - META_WORDS + 1]! & (VALUE_EXPIRES << 16)) !== 0;
}

/** When the only value of a record expires, if it does. */
function expiryAt(words: Int32Array, at: number, key: number): number {
  return readDouble(words, key + wordsFor(keyLengthAt(words, at)));
}

/** First word of the content type of a record's only value. */
function contentTypeAt(words: Int32Array, at: number, key: number): number {
  return key + wordsFor(keyLengthAt(words, at)) + (expires(words, key) ? EXPIRY_WORDS : 0);
}
