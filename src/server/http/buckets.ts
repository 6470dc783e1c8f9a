import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RingletError } from '../../base/errors.js';
import type { BucketProperties, Store } from '../../client/api.js';
import { createHandler } from './keys.js';
import { listHandler } from './listing.js';
import { createKey, getProperties, listBuckets, listKeys, setProperties } from './openapi/operations.js';
import { Query } from './query.js';
import { bucketParameter, resource, type Handler } from './routes.js';

/** Properties are a handful of numbers and words. */
const PROPERTIES_BYTES = 4 << 10;

/** `/buckets`, `/buckets/{bucket}/keys` and `/buckets/{bucket}/props`. */
export function bucketRoutes(app: FastifyInstance, store: Store, report: (error: unknown) => void): void {
  const list: Handler = async (request, reply) => {
    void new Query(request.originalUrl, []);
    return reply.send({ buckets: await store.buckets() });
  };
  resource(app, '/buckets', { GET: list }, { operations: { GET: listBuckets } });
  resource(
    app,
    '/buckets/:bucket/keys',
    { GET: listHandler(store, report), POST: createHandler(store) },
    { operations: { GET: listKeys, POST: createKey }, head: false },
  );
  const properties = {
    GET: async (request, reply) => {
      void new Query(request.originalUrl, []);
      return reply.send(await store.bucket(bucketParameter(request)).properties());
    },
    PUT: async (request, reply) => {
      void new Query(request.originalUrl, []);
      const name = bucketParameter(request);
      const wanted = readProperties(request);
      // A bucket is opened with properties only where they create it: a mismatch would stay with it.
      const exists = (await store.buckets()).some((bucket) => bucket.name === name);
      const bucket = exists ? store.bucket(name) : store.bucket(name, wanted);
      return reply.send(await bucket.setProperties(wanted));
    },
  } satisfies Parameters<typeof resource>[2];
  resource(app, '/buckets/:bucket/props', properties, {
    bodyLimit: PROPERTIES_BYTES,
    operations: { GET: getProperties, PUT: setProperties },
  });
}

const NUMBERS: readonly string[] = ['n', 'r', 'w', 'ttlMs', 'maxBytes'];
const WORDS: readonly string[] = ['durability', 'conflict'];
const FLAGS: readonly string[] = ['strict', 'cache'];

/** Shape only; the ranges are the store's to check. */
function readProperties(request: FastifyRequest): Partial<BucketProperties> {
  const body = request.body as Buffer | undefined;
  const properties = parseObject(body === undefined ? '' : body.toString());
  for (const [name, value] of Object.entries(properties)) {
    const expected = typeOf(name);
    if (expected === undefined)
      throw bad(name, `property ${name} is not known`, [...NUMBERS, ...WORDS, ...FLAGS].join(', '));
    if (typeof value !== expected)
      throw bad(name, `property ${name}: got ${JSON.stringify(value)}`, `a ${expected}`);
  }
  return properties;
}

function typeOf(property: string): 'number' | 'string' | 'boolean' | undefined {
  if (NUMBERS.includes(property)) return 'number';
  if (WORDS.includes(property)) return 'string';
  return FLAGS.includes(property) ? 'boolean' : undefined;
}

function parseObject(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // The error below says what was expected; the parser's position says nothing more.
  }
  throw bad('body', 'the body is no JSON object', 'an object such as {"r":1}');
}

function bad(property: string, message: string, expected: string): RingletError {
  return new RingletError('BAD_REQUEST', `${message.slice(0, 200)}, expected ${expected}`, {
    property: property.slice(0, 100),
    expected,
  });
}
