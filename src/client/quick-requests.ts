import type { RingletError } from '../base/errors.js';
import { IF_NOTHING, OP_PUT } from '../messaging/frames.js';
import type { Clock } from '../versions/dvvs.js';
import type { Connection } from './connection.js';
import type { Gets } from './gets.js';
import type { NamedBucket } from './named-bucket.js';
import { timeoutOf } from './policy.js';
import type { PutTask } from './request.js';

const NO_CONTEXT: Clock<never> = [];

/**
 * Requests without options, promises or objects of their own, for servers that take bytes off a
 * wire and write bytes to it: a promise costs as much as the rest of an immediate answer.
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

  /** Hands the value of the located key to `take`, which must copy it; false if that takes more than a look. */
  peek(take: (bytes: Uint8Array, start: number, length: number) => void): boolean {
    const { connection } = this;
    connection.assertOpen();
    if (!connection.view.directReads) return false;
    return this.bucket.find() !== undefined && this.gets.peek(this.bucket.policy!, take);
  }

  /**
   * Puts a value under the located key. False, and nothing is done, if the bucket does not exist yet or the value is too large.
   * Neither `key` nor `value` may change before `done` is called.
   *
   * @throws RingletError OVERLOADED, CLOSED
   */
  put(key: Uint8Array, value: Uint8Array, done: (failure: RingletError | undefined) => void): boolean {
    const { connection } = this;
    connection.assertOpen();
    if (this.bucket.find() === undefined || value.length > connection.view.valueBytes) return false;
    const policy = this.bucket.policy!;
    const { router } = connection;
    router.remember(key);
    const startedMs = connection.clock.nowMs();
    const task: PutTask = {
      kind: 'put',
      operation: OP_PUT,
      condition: IF_NOTHING,
      context: NO_CONTEXT,
      value,
      contentTypeCode: 0,
      contentType: undefined,
      by: policy.ttlMs === undefined || policy.ttlMs === 0 ? 0 : connection.expiry.nowMs() + policy.ttlMs,
      key: { source: key, hash: router.hash, partition: router.partition },
      policy,
      startedMs,
      deadlineMs: startedMs + this.timeoutMs,
      timeline: undefined,
      done: (outcome) => done('vector' in outcome ? undefined : outcome),
    };
    connection.submitTogether(task);
    return true;
  }
}
