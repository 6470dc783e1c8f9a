import { randomUUID } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { RingletError } from '../../base/errors.js';
import type { Bucket, GetOptions, Key, PutOptions, PutResult, Store } from '../../client/api.js';
import { ConnectedBucket } from '../../client/bucket.js';
import type { ServedPutOptions } from '../../client/bucket-writes.js';
import { answer } from './answer.js';
import { keyIn, KEY_ROUTE } from './address.js';
import {
  deleteConditions,
  matching,
  NO_CONDITIONS,
  putConditions,
  refuseConditions,
  touchConditions,
} from './conditions.js';
import { checkContent } from './content.js';
import { disconnectSignal } from './disconnect.js';
import {
  DELETE_QUERY,
  deleteKey,
  getKey,
  headKey,
  putKey,
  READ_QUERY,
  TOUCH_QUERY,
  touchKey,
  WRITE_QUERY,
} from './openapi/operations.js';
import { problem, sendProblem } from './problem.js';
import { defined, Query } from './query.js';
import { bucketParameter, resource, type Handler } from './routes.js';
import { sendResult, sendTimeline } from './values.js';

/** `/buckets/{bucket}/keys/{key}`: one key. */
export function keyRoutes(app: FastifyInstance, store: Store): void {
  // Not `async`: each promise costs as much as what most gets find.
  const read: Handler = (request, reply) => {
    const query = new Query(request.originalUrl, READ_QUERY);
    const key = keyIn(request.originalUrl);
    const bucket = store.bucket(bucketParameter(request));
    const found = query.empty && bucket instanceof ConnectedBucket ? bucket.quick.look(key) : undefined;
    if (found === undefined) return get(request, reply, bucket, key, query);
    sendResult(request, reply, found);
    return undefined;
  };
  const write: Handler = async (request, reply) => {
    const query = new Query(request.originalUrl, WRITE_QUERY);
    const bucket = store.bucket(bucketParameter(request));
    const conditions = putConditions(request);
    return put(request, reply, bucket, keyIn(request.originalUrl), query, conditions);
  };
  const remove: Handler = async (request, reply) => {
    const query = new Query(request.originalUrl, DELETE_QUERY);
    const conditions = deleteConditions(request);
    const options = { ...writeOptions(query, request), ...conditions };
    const bucket = store.bucket(bucketParameter(request));
    const result = await matching(conditions, bucket.delete(keyIn(request.originalUrl), options));
    return acknowledge(reply, result);
  };
  /** Another time to live for what is there, as a put now would give it. */
  const touch: Handler = async (request, reply) => {
    const query = new Query(request.originalUrl, TOUCH_QUERY);
    const conditions = touchConditions(request);
    const options = { ...writeOptions(query, request), ...conditions };
    const asked = query.ttlMs();
    const bucket = store.bucket(bucketParameter(request));
    const key = keyIn(request.originalUrl);
    const ttlMs = asked ?? (await bucket.properties()).ttlMs ?? 0;
    const touching = ttlMs === 0 ? bucket.persist(key, options) : bucket.touch(key, ttlMs, options);
    if (await matching(conditions, touching)) return answer(reply, 204, [], undefined);
    if (conditions.ifMatch !== undefined) {
      const detail = 'the condition does not hold: the key was changed, or has no value';
      return sendProblem(reply, problem('CONDITION_FAILED', 412, detail));
    }
    return sendProblem(reply, problem('NOT_FOUND', 404, 'no such key'));
  };
  resource(
    app,
    KEY_ROUTE,
    { GET: read, HEAD: read, PUT: write, PATCH: touch, DELETE: remove },
    { operations: { GET: getKey, HEAD: headKey, PUT: putKey, PATCH: touchKey, DELETE: deleteKey } },
  );
}

/** POST to the bucket's keys: a new key that nobody has used. */
export function createHandler(store: Store): Handler {
  return async (request, reply) => {
    const query = new Query(request.originalUrl, WRITE_QUERY);
    refuseConditions(request);
    const bucket = store.bucket(bucketParameter(request));
    // 122 random bits: no condition is needed for this key to be new.
    return put(request, reply, bucket, randomUUID(), query, CREATED);
  };
}

/** The conditions of a POST: none. */
const CREATED = {} as const;

async function get(
  request: FastifyRequest,
  reply: FastifyReply,
  bucket: Bucket,
  key: Key,
  query: Query,
): Promise<FastifyReply> {
  return sendResult(request, reply, await bucket.get(key, readOptions(query, request)));
}

async function put(
  request: FastifyRequest,
  reply: FastifyReply,
  bucket: Bucket,
  key: Key,
  query: Query,
  conditions: ReturnType<typeof putConditions>,
): Promise<FastifyReply> {
  checkContent(request);
  const readBack = readOptions(query, request);
  const returnBody = query.flag('returnbody');
  if (returnBody) await checkReadBack(bucket, readBack);
  const body = request.body as Buffer | undefined;
  const written = bucket.put(key, body ?? new Uint8Array(0), putOptions(query, request, conditions));
  const result = await matching(conditions, written);
  if (conditions === CREATED) {
    reply.code(201).header('Location', `/buckets/${bucket.name}/keys/${String(key)}`);
  }
  if (!returnBody) return acknowledge(reply, result);
  try {
    return sendResult(request, reply, await bucket.get(key, readBack));
  } catch (error) {
    throw afterWrite(error);
  }
}

function putOptions(
  query: Query,
  request: FastifyRequest,
  conditions: ReturnType<typeof putConditions>,
): ServedPutOptions {
  const contentType = request.headers['content-type'] ?? 'application/octet-stream';
  // Most requests have nothing else, and each spread costs as much as a header.
  if (query.empty && conditions === NO_CONDITIONS)
    return { signal: disconnectSignal(request), together: true, contentType };
  const ttlMs = query.empty ? undefined : query.ttlMs();
  return {
    ...writeOptions(query, request),
    ...conditions,
    ...defined<Pick<PutOptions, 'ttlMs'>>({ ttlMs }),
    contentType,
  };
}

/** Before anything is written: who is told that a request is bad takes it for not executed. */
async function checkReadBack(bucket: Bucket, { r }: GetOptions): Promise<void> {
  if (typeof r !== 'number') return;
  const { n } = await bucket.properties();
  if (r <= n) return;
  const details = { what: 'r', got: r, least: 1, most: n };
  throw new RingletError('BAD_REQUEST', `r must be a whole number from 1 to ${n}, not ${r}`, details);
}

/** The put succeeded and only the read behind it failed; the client must not take the write for undone. */
function afterWrite(error: unknown): unknown {
  if (!(error instanceof RingletError)) return error;
  const message = `the value is written, but reading it back failed: ${error.message}`;
  return new RingletError(error.code, message, error.details, { maybeApplied: true, cause: error });
}

function acknowledge(reply: FastifyReply, { context, timeline }: PutResult): FastifyReply {
  const created = reply.statusCode === 201;
  if (!created && timeline === undefined) {
    return answer(reply, 204, ['Ringlet-Context', context.toString()], undefined);
  }
  sendTimeline(reply, timeline);
  return reply
    .header('Ringlet-Context', context.toString())
    .code(created ? 201 : 204)
    .send();
}

function readOptions(query: Query, request: FastifyRequest): GetOptions {
  const signal = disconnectSignal(request);
  if (query.empty) return { signal };
  return defined<GetOptions>({
    r: query.quorum('r'),
    strict: query.optionalFlag('strict'),
    timeoutMs: query.timeoutMs(),
    timeline: query.flag('timeline') || undefined,
    signal,
  });
}

/** Writes of many connections leave together: to wake a virtual node costs as much as the write. */
function writeOptions(
  query: Query,
  request: FastifyRequest,
): Pick<ServedPutOptions, 'w' | 'durability' | 'strict' | 'timeoutMs' | 'timeline' | 'signal' | 'together'> {
  const signal = disconnectSignal(request);
  if (query.empty) return { signal, together: true };
  return defined<ServedPutOptions>({
    together: true,
    w: query.quorum('w'),
    durability: query.durability(),
    strict: query.optionalFlag('strict'),
    timeoutMs: query.timeoutMs(),
    timeline: query.flag('timeline') || undefined,
    signal,
  });
}
