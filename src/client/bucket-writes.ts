import { quoted, RingletError, shown } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import {
  IF_ABSENT,
  IF_MATCH,
  IF_NOTHING,
  IF_PRESENT,
  OP_DELETE,
  OP_INCREMENT,
  OP_TOUCH,
  OP_PUT,
} from '../messaging/frames.js';
import { encodeContentType } from '../storage/record-codec.js';
import { encodeContext } from '../versions/context.js';
import type { Clock } from '../versions/dvvs.js';
import { checkFlag, checkMemory, checkRequest, checkText } from './arguments.js';
import type { ContextLike, Key, PutOptions, PutResult, TimelineEvent, Value } from './api.js';
import type { Connection } from './connection.js';
import { VectorContext, vectorOf } from './context.js';
import { inTime } from './in-time.js';
import type { KnownOptions } from './known-options.js';
import { ERROR, OK } from './latencies.js';
import { aborted, finished, locateKey } from './located.js';
import type { NamedBucket } from './named-bucket.js';
import { checkLifetime, policyOf, timeoutOf } from './policy.js';
import type { Policy, PutTask } from './request.js';
import { offAbort, onAbort } from './signals.js';
import type { BucketDefinition } from './view.js';

const NO_CONTEXT: Clock<never> = [];
const TEXT = 'text/plain;charset=utf-8';
const NO_TYPE = { code: 0, bytes: undefined };
/** A media type (RFC 9110 §8.3.1), since it goes into a header as it is; its parameters are the application's own. */
const MEDIA_TYPE = /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+ *(?:;[\x20-\x7e]*)?$/;
const PRESENT = { code: IF_PRESENT, context: undefined };
const encoder = new TextEncoder();

/** Of a server that takes requests off sockets: see {@link Connection.submitTogether}. */
export interface ServedPutOptions extends PutOptions {
  readonly together?: boolean;
}

/** `total` is the sum after an increment; only of one. */
export type WriteResult = PutResult & { readonly total?: number };
/** What a put task needs besides policy and time. */
type Wanted = Pick<
  PutTask,
  'key' | 'operation' | 'condition' | 'context' | 'value' | 'contentTypeCode' | 'contentType' | 'by'
>;

/** Checks what a caller asks to be written, creates the bucket where there is none, and follows the request to its answer. */
export class BucketWrites {
  private readonly connection: Connection;
  private readonly bucket: NamedBucket;

  constructor(connection: Connection, bucket: NamedBucket) {
    this.connection = connection;
    this.bucket = bucket;
  }

  /**
   * Not `async`: each promise between the caller and the answer costs about as much as the routing.
   *
   * @param operation OP_… of messaging/frames.ts
   * @param by of an increment
   * @param known the options that the operation has
   */
  write(
    operation: number,
    key: Key,
    value: Value,
    by: number,
    options: ServedPutOptions,
    known: KnownOptions,
  ): Promise<WriteResult> {
    try {
      const { connection } = this;
      connection.assertOpen();
      checkRequest(options, known);
      checkFlag('ifAbsent', options.ifAbsent);
      const isPlainTouch = operation === OP_TOUCH && options.ifMatch === undefined;
      const condition = isPlainTouch ? PRESENT : conditionOf(options);
      checkLifetime(options);
      const type = operation === OP_PUT ? contentTypeOf(value, options.contentType) : NO_TYPE;
      const wanted: Wanted = {
        operation,
        condition: condition.code,
        context: condition.context === undefined ? NO_CONTEXT : vectorOf(condition.context),
        value: this.valueOf(value),
        contentTypeCode: type.code,
        contentType: type.bytes,
        by,
        key: locateKey(connection, key),
      };
      const timeoutMs = timeoutOf(options.timeoutMs);
      if (options.signal?.aborted === true) throw aborted(false);
      const definition = this.bucket.find();
      if (definition !== undefined) return this.submit(wanted, definition, timeoutMs, options);
      policyOf(this.bucket.unmade, connection.view, options);
      // There is nothing to delete, and a bucket is for good: a mistyped name should not make one.
      if (operation === OP_DELETE && wanted.condition === IF_NOTHING) {
        const context = new VectorContext(wanted.context);
        return Promise.resolve(options.timeline === true ? { context, timeline: [] } : { context });
      }
      const { clock } = connection;
      const startedMs = clock.nowMs();
      const tookMs = (): number => clock.nowMs() - startedMs;
      const creating = this.bucket.findOrCreate();
      return inTime(creating, timeoutMs, options.signal, tookMs).then((created) => {
        connection.assertOpen();
        return this.submit(wanted, created, Math.max(1, timeoutMs - tookMs()), options);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  private submit(
    wanted: Wanted,
    definition: BucketDefinition,
    timeoutMs: number,
    options: ServedPutOptions,
  ): Promise<WriteResult> {
    const { connection } = this;
    const { w, durability, strict } = options;
    const policy =
      w === undefined && durability === undefined && strict === undefined
        ? this.bucket.policy!
        : policyOf(definition, connection.view, options);
    const startedMs = connection.clock.nowMs();
    const timeline: TimelineEvent[] | undefined = options.timeline === true ? [] : undefined;
    const { signal } = options;
    const { operation, condition, context, key, value, contentTypeCode, contentType } = wanted;
    return new Promise((resolve, reject) => {
      let slot = -1;
      const abort = (): void => connection.machine.abort(slot, task, aborted);
      // Field by field: a spread costs as much as the frame of a put.
      const task: PutTask = {
        kind: 'put',
        operation,
        condition,
        context,
        key,
        value,
        valueAt: 0,
        valueBytes: value.length,
        contentTypeCode,
        contentType,
        by: operation === OP_INCREMENT ? wanted.by : this.expiryOf(operation, policy, options),
        policy,
        startedMs,
        deadlineMs: startedMs + timeoutMs,
        timeline,
        done: (outcome) => {
          if (signal !== undefined) offAbort(signal, abort);
          const failed = outcome instanceof RingletError;
          const tookMs = connection.clock.nowMs() - startedMs;
          connection.latencies.record(
            // A touch counts as a put.
            operation === OP_TOUCH ? OP_PUT + 1 : operation + 1,
            policy.bucket,
            failed ? ERROR : OK,
            tookMs,
          );
          if (failed) {
            reject(outcome);
            return;
          }
          const made = new VectorContext(outcome.vector);
          const result =
            operation === OP_INCREMENT ? { context: made, total: outcome.total } : { context: made };
          resolve(
            timeline === undefined
              ? result
              : { ...result, timeline: finished(timeline, connection, startedMs) },
          );
        },
      };
      // Before it is sent: a refusal at once must find the listener to take it away again.
      if (signal !== undefined) onAbort(signal, abort);
      try {
        slot = options.together === true ? connection.submitTogether(task) : connection.submit(task);
      } catch (error) {
        if (signal !== undefined) offAbort(signal, abort);
        throw error;
      }
    });
  }

  /** When what is put now expires, in wall milliseconds; 0: never. */
  private expiryOf(operation: number, policy: Policy, options: PutOptions): number {
    if (options.expiresAtMs !== undefined) return options.expiresAtMs;
    const ttlMs = operation === OP_DELETE ? 0 : (options.ttlMs ?? policy.ttlMs ?? 0);
    return ttlMs === 0 ? 0 : this.connection.expiry.nowMs() + ttlMs;
  }

  private valueOf(value: Value): Uint8Array {
    if (typeof value === 'string') checkText('value', value);
    const bytes = typeof value === 'string' ? encoder.encode(value) : value;
    if (!(bytes instanceof Uint8Array)) {
      throw new RingletError('BAD_REQUEST', 'a value is a Uint8Array or a string', { type: typeof value });
    }
    checkMemory('the value', bytes);
    const limit = this.connection.view.valueBytes;
    if (bytes.length > limit) {
      throw new RingletError(
        'VALUE_TOO_LARGE',
        `a value has at most ${limit} bytes, this one has ${bytes.length}`,
        {
          valueBytes: bytes.length,
          limit,
        },
      );
    }
    return bytes;
  }
}

/** @throws RingletError BAD_REQUEST */
export function contentTypeOf(
  value: Value,
  contentType = typeof value === 'string' ? TEXT : '',
): { code: number; bytes: Uint8Array | undefined } {
  if (contentType === '') return NO_TYPE;
  if (typeof contentType !== 'string' || !MEDIA_TYPE.test(contentType)) {
    const expected = 'a media type in printable ASCII such as text/plain or text/plain;charset=utf-8';
    throw new RingletError('BAD_REQUEST', `contentType: got ${quoted(contentType)}, expected ${expected}`, {
      contentType: shown(contentType),
      expected,
    });
  }
  const type = encodeContentType(contentType);
  const length = type.bytes?.length ?? 0;
  if (length > LIMITS.contentTypeBytes) {
    throw new RingletError(
      'BAD_REQUEST',
      `a content type has at most ${LIMITS.contentTypeBytes} bytes, this one has ${length}`,
      {
        contentTypeBytes: length,
        limit: LIMITS.contentTypeBytes,
      },
    );
  }
  return type;
}

function conditionOf(options: PutOptions): { code: number; context: ContextLike | undefined } {
  if (options.ifAbsent === true) {
    if (options.ifMatch !== undefined)
      throw new RingletError('BAD_REQUEST', 'ifAbsent and ifMatch exclude each other');
    return { code: IF_ABSENT, context: options.context };
  }
  const { context, ifMatch } = options;
  if (ifMatch === undefined) return { code: IF_NOTHING, context };
  // What matches is superseded as a whole.
  if (context !== undefined && !isSame(context, ifMatch))
    throw new RingletError('BAD_REQUEST', 'context and ifMatch are the same, or one of them is left out');
  return { code: IF_MATCH, context: ifMatch };
}

function isSame(one: ContextLike, other: ContextLike): boolean {
  return Buffer.compare(encodeContext(vectorOf(one)), encodeContext(vectorOf(other))) === 0;
}
