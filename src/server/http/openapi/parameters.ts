import { DURABILITIES } from '../../../base/durability.js';
import { LIMITS } from '../../../base/limits.js';

/** JSON Schema 2020-12, as OpenAPI 3.1 takes it. */
export type Schema = Readonly<Record<string, unknown>>;

interface Described {
  readonly description: string;
  readonly schema: Schema;
}

const quorum = (what: string): Described => ({
  description: `${what}: a number from 1 to the bucket's n, or a word; default is what the bucket says`,
  schema: {
    anyOf: [
      { type: 'integer', minimum: 1, maximum: LIMITS.replicas },
      { type: 'string', enum: ['one', 'quorum', 'all', 'default'] },
    ],
  },
});
const flag = (description: string): Described => ({ description, schema: { type: 'boolean' } });

/** Every query parameter there is; a route names those that it takes, and refuses others. */
export const QUERY = {
  r: quorum('copies that are compared'),
  w: quorum('nodes that must have the write'),
  abandon: flag('do not wait for a joiner that does not serve any more; what it alone has is lost'),
  strict: flag("only the key's owners count towards r and w; default is what the bucket says"),
  durability: {
    description: 'how far the write must have come; default is what the bucket says',
    schema: { type: 'string', enum: [...DURABILITIES] },
  },
  timeout: {
    description: `milliseconds until TIMEOUT, once what came before on the connection is answered; default ${LIMITS.timeoutMs}`,
    schema: { type: 'integer', minimum: 1, maximum: LIMITS.maxTimeoutMs, examples: [LIMITS.timeoutMs] },
  },
  timeline: flag('who was asked and who answered when, in the header Server-Timing'),
  returnbody: flag('answer as a GET would, after the write'),
  ttl: {
    description: 'milliseconds from now until the value expires, 0: never; default is what the bucket says',
    schema: { type: 'integer', minimum: 0, maximum: LIMITS.maxTtlMs },
  },
  prefix: { description: 'only keys that begin with these bytes', schema: { type: 'string' } },
  cursor: {
    description: 'go on after the line that carried this cursor',
    schema: { type: 'string' },
  },
  limit: {
    description: 'at most so many lines; default: all',
    schema: { type: 'integer', minimum: 1, maximum: Number.MAX_SAFE_INTEGER },
  },
  bucket: {
    description: 'name of the bucket; default: default',
    schema: { type: 'string', examples: ['b1'] },
  },
  key: { description: 'the key', schema: { type: 'string', examples: ['a', 'b/c'] } },
  values: flag('lines hold the values too'),
  without: {
    description: 'virtual nodes that are left out because they cannot serve, separated by commas',
    schema: { type: 'string', examples: ['n1.0'] },
  },
} as const satisfies Record<string, Described>;
export type QueryName = keyof typeof QUERY;

const CONTEXT: Schema = { type: 'string', pattern: '^[A-Za-z0-9_-]+$' };

/** Headers of requests; one may mean different things to different methods. */
export const HEADERS = {
  context: {
    name: 'Ringlet-Context',
    description:
      'what an earlier answer carried: this write supersedes what that answer showed; not with another If-Match',
    schema: CONTEXT,
  },
  ifMatch: {
    name: 'If-Match',
    description: 'the entity tag that the value must still have, tested inside the store',
    schema: { type: 'string', pattern: '^"[A-Za-z0-9_-]+"$' },
  },
  ifAbsent: {
    name: 'If-None-Match',
    description: 'write only if there is no value, tested inside the store; not together with If-Match',
    schema: { const: '*' },
  },
  ifOneMatches: {
    name: 'If-Match',
    description: 'entity tags: 412 where the value has none of them',
    schema: { type: 'string', examples: ['"tag"', '*'] },
  },
  ifNoneMatch: {
    name: 'If-None-Match',
    description: 'entity tags that the client has: 304 where the value has one of them',
    schema: { type: 'string', examples: ['"tag"', '*'] },
  },
  range: {
    name: 'Range',
    description: 'one range of bytes',
    schema: { type: 'string', examples: ['bytes=0-0', 'bytes=-1', 'bytes=5-', 'bytes=99-'] },
  },
  accept: {
    name: 'Accept',
    description: 'siblings as multipart/mixed rather than as JSON',
    schema: { type: 'string', examples: ['multipart/mixed', 'application/json', '*/*'] },
  },
} as const satisfies Record<string, Described & { readonly name: string }>;
export type HeaderName = keyof typeof HEADERS;

export const PATH = {
  bucket: {
    description: 'name of the bucket; it is made by the first write',
    schema: { type: 'string', pattern: `^[A-Za-z0-9_.-]{1,${LIMITS.bucketNameBytes}}$` },
  },
  key: {
    description: `the key: 1 to ${LIMITS.keyBytes} bytes, percent-encoded where they are not unreserved; slashes may stay`,
    schema: { type: 'string', minLength: 1, maxLength: LIMITS.keyBytes },
  },
} as const satisfies Record<string, Described>;

/** Headers of answers. */
export const ANSWERED = {
  'Ringlet-Context': { description: 'send it back with the write that supersedes this', schema: CONTEXT },
  'Ringlet-Degraded': {
    description: 'fewer than r owners contributed: other versions may exist',
    schema: { const: 'true' },
  },
  'Ringlet-Expires': { description: 'when the value expires, ISO 8601', schema: { type: 'string' } },
  ETag: { description: 'changes with every version', schema: { type: 'string' } },
  'Last-Modified': { description: 'of the value', schema: { type: 'string' } },
  Location: { description: 'the key that was made', schema: { type: 'string' } },
  'Retry-After': { description: 'seconds', schema: { type: 'integer' } },
} as const satisfies Record<string, Described>;
