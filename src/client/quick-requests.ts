import { RingletError } from '../base/errors.js';
import { IF_NOTHING, OP_PUT } from '../messaging/frames.js';
import type { Clock } from '../versions/dvvs.js';
import type { GetResult, Key } from './api.js';
import type { Connection } from './connection.js';
import type { Gets } from './gets.js';
import { ERROR, OK } from './latencies.js';
import type { NamedBucket } from './named-bucket.js';
import { timeoutOf } from './policy.js';
import type { LocatedKey, Policy, PutOutcome, PutTask } from './request.js';

const NO_CONTEXT: Clock<never> = [];
const LATENCY_OF_PUT = OP_PUT + 1;

/** Who asked for a put. */
export interface PutWaiter {
  /**
   * Called once per put that was taken, maybe before `put` has returned.
   *
   * @param token as it was given
   * @param key part of the bytes that were given
   * @param vector of the version that was made; empty after a failure
   */
  putDone(token: number, failure: RingletError | undefined, key: KeyPart, vector: Clock<never>): void;
}

/** A key that is a part of bytes which nobody changes: looked at again only if the request is tried again. */
export class KeyPart implements LocatedKey {
  readonly hash: number;
  readonly partition: number;
  private readonly bytes: Uint8Array;
  private readonly start: number;
  private readonly end: number;

  constructor(bytes: Uint8Array, start: number, end: number, hash: number, partition: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.hash = hash;
    this.partition = partition;
  }

  get length(): number {
    return this.end - this.start;
  }

  get source(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }

  copyTo(target: Uint8Array): void {
    const { bytes, start, end } = this;
    for (let i = start; i < end; i++) target[i - start] = bytes[i]!;
  }
}

/** A put without options, as one object from the request to the reply. */
class QuickPut implements PutTask {
  readonly kind = 'put';
  readonly operation = OP_PUT;
  readonly condition = IF_NOTHING;
  readonly context = NO_CONTEXT;
  readonly contentTypeCode = 0;
  readonly contentType = undefined;
  readonly timeline = undefined;
  readonly key: KeyPart;
  readonly value: Uint8Array;
  readonly valueAt: number;
  readonly valueBytes: number;
  readonly by: number;
  readonly policy: Policy;
  readonly startedMs: number;
  readonly deadlineMs: number;
  private readonly connection: Connection;
  private readonly waiter: PutWaiter;
  private readonly token: number;

  constructor(
    connection: Connection,
    policy: Policy,
    key: KeyPart,
    value: Uint8Array,
    valueAt: number,
    valueBytes: number,
    timeoutMs: number,
    waiter: PutWaiter,
    token: number,
  ) {
    this.connection = connection;
    this.policy = policy;
    this.key = key;
    this.value = value;
    this.valueAt = valueAt;
    this.valueBytes = valueBytes;
    const { ttlMs } = policy;
    this.by = ttlMs === undefined || ttlMs === 0 ? 0 : connection.expiry.nowMs() + ttlMs;
    this.startedMs = connection.clock.nowMs();
    this.deadlineMs = this.startedMs + timeoutMs;
    this.waiter = waiter;
    this.token = token;
  }

  done(outcome: PutOutcome | RingletError): void {
    const { connection, policy } = this;
    const failure = outcome instanceof RingletError ? outcome : undefined;
    const tookMs = connection.clock.nowMs() - this.startedMs;
    connection.latencies.record(LATENCY_OF_PUT, policy.bucket, failure === undefined ? OK : ERROR, tookMs);
    const vector = outcome instanceof RingletError ? NO_CONTEXT : outcome.vector;
    this.waiter.putDone(this.token, failure, this.key, vector);
  }
}

/**
 * Requests without options, promises or closures, for servers that take bytes off a wire and write
 * bytes to it: a promise costs as much as the rest of an immediate answer. Keys and values are parts
 * of the bytes that arrived.
 */
export class QuickRequests {
  private readonly connection: Connection;
  private readonly gets: Gets;
  private readonly bucket: NamedBucket;
  private readonly timeoutMs = timeoutOf(undefined);

  constructor(connection: Connection, gets: Gets, bucket: NamedBucket) {
    this.connection = connection;
    this.gets = gets;
    this.bucket = bucket;
  }

  /** Finds a key that is a part of some bytes, for the calls that follow, and returns its hash. @throws RingletError */
  locate(bytes: Uint8Array, start: number, end: number): number {
    const { router } = this.connection;
    router.locatePart(bytes, start, end);
    return router.hash;
  }

  /** What a get without options finds, if that takes no more than a look. @throws RingletError CLOSED, BAD_REQUEST */
  look(key: Key): GetResult | undefined {
    this.connection.assertUsable();
    if (this.bucket.find() === undefined) return undefined;
    this.connection.router.locate(key);
    return this.gets.look(this.bucket.policy!);
  }

  /**
   * Hands the value of the located key to `take`, which must copy it: its first word, and its length in
   * bytes. False if that takes more than a look.
   *
   * @throws RingletError CLOSED
   */
  peek(take: (words: Int32Array, word: number, bytes: number) => void): boolean {
    const { connection } = this;
    connection.assertOpen();
    if (!connection.view.directReads) return false;
    if (this.bucket.find() === undefined) return false;
    const policy = this.bucket.policy!;
    const { latencies } = connection;
    const timed = latencies.wanted();
    const startedMs = timed ? connection.clock.nowMs() : 0;
    if (!this.gets.peek(policy, take)) return false;
    if (timed) latencies.direct(policy.bucket, connection.clock.nowMs() - startedMs);
    else latencies.untimed++;
    return true;
  }

  /**
   * Puts a part of some bytes as the value of another part of them, the key that was located last. False,
   * and nothing is done, if the bucket does not exist yet or the value is too large. The bytes may not
   * change before the waiter hears of the end.
   *
   * @throws RingletError OVERLOADED, CLOSED
   */
  put(
    bytes: Uint8Array,
    keyStart: number,
    keyEnd: number,
    valueStart: number,
    valueEnd: number,
    waiter: PutWaiter,
    token: number,
  ): boolean {
    const { connection } = this;
    connection.assertOpen();
    const valueBytes = valueEnd - valueStart;
    if (this.bucket.find() === undefined || valueBytes > connection.view.valueBytes) return false;
    const policy = this.bucket.policy!;
    const { router } = connection;
    const key = new KeyPart(bytes, keyStart, keyEnd, router.hash, router.partition);
    router.remember(key);
    const put = new QuickPut(
      connection,
      policy,
      key,
      bytes,
      valueStart,
      valueBytes,
      this.timeoutMs,
      waiter,
      token,
    );
    connection.submitTogether(put);
    return true;
  }
}
