import { DURABILITIES } from '../../../base/durability.js';
import { ERROR_CODES } from '../../../base/errors.js';
import { LIMITS } from '../../../base/limits.js';
import { HTTP_CODES } from '../problem.js';
import type { Schema } from './parameters.js';

const text = { type: 'string' } as const;
const whole = { type: 'integer', minimum: 0 } as const;
const array = (items: Schema): Schema => ({ type: 'array', items });
const object = (properties: Readonly<Record<string, Schema>>, optional: readonly string[] = []): Schema => ({
  type: 'object',
  properties,
  required: Object.keys(properties).filter((name) => !optional.includes(name)),
});
const replicas = { type: 'integer', minimum: 1, maximum: LIMITS.replicas } as const;

const sibling = object(
  {
    value: { type: 'string', contentEncoding: 'base64' },
    contentType: text,
    etag: text,
    modifiedAt: { type: 'string', format: 'date-time' },
    expiresAt: { type: 'string', format: 'date-time' },
  },
  ['expiresAt'],
);

const properties = {
  n: { ...replicas, description: 'copies per key; fixed when the bucket is made' },
  r: replicas,
  w: replicas,
  durability: { type: 'string', enum: [...DURABILITIES] },
  conflict: {
    ...text,
    description: 'siblings, lww, or the name of a resolver; fixed when the bucket is made',
  },
  strict: { type: 'boolean' },
  ttlMs: {
    type: 'integer',
    minimum: 0,
    maximum: LIMITS.maxTtlMs,
    description: 'time to live of values that are put without one; 0 or missing: for ever',
  },
  cache: {
    type: 'boolean',
    description:
      'evicts what is read least instead of being full; n is 1 then; fixed when the bucket is made',
  },
  maxBytes: {
    type: 'integer',
    minimum: LIMITS.leastCacheBytes,
    maximum: LIMITS.maxCacheBytes,
    description: 'of a cache: bytes of its records, keys included',
  },
} as const;
const optional = ['ttlMs', 'cache', 'maxBytes'];

const risk = { records: whole, bytes: whole } as const;

/** What bodies hold. Objects may have more members than are named here. */
export const SCHEMAS = {
  Problem: {
    ...object({
      type: text,
      title: text,
      status: { type: 'integer', minimum: 400, maximum: 599 },
      code: { type: 'string', enum: [...Object.keys(ERROR_CODES), ...HTTP_CODES] },
      detail: text,
      details: { type: 'object' },
      retryable: { type: 'boolean', description: 'the same request may succeed later' },
      maybeApplied: {
        type: 'boolean',
        description: 'the write may have taken effect, or may still do so',
      },
    }),
    description: 'RFC 9457',
  },
  Siblings: object({ context: text, siblings: array(sibling) }),
  Properties: object(properties, optional),
  WantedProperties: { ...object(properties, Object.keys(properties)), additionalProperties: false },
  Buckets: object({ buckets: array(object({ name: text, ...properties }, optional)) }),
  KeyLine: {
    ...object(
      {
        key: text,
        keyBase64: { ...text, description: 'instead of key where the bytes are no UTF-8' },
        cursor: text,
        context: text,
        siblings: whole,
        values: array(sibling),
        error: { $ref: '#/components/schemas/Problem' },
      },
      ['key', 'keyBase64', 'cursor', 'context', 'siblings', 'values', 'error'],
    ),
    description: 'one line; a listing that breaks off ends in a line with error',
  },
  Ring: object({
    partitions: whole,
    epoch: { type: 'integer' },
    nodes: array(
      object({
        id: text,
        capacity: whole,
        vnodes: array(
          object({
            id: text,
            state: text,
            incarnation: whole,
            partitions: whole,
            suspectedBy: array(text),
          }),
        ),
      }),
    ),
    preferenceLists: array(array(text)),
  }),
  Stats: {
    ...object({
      uptimeMs: { type: 'number', minimum: 0 },
      callers: whole,
      maxCallers: whole,
      vnodes: array(object({ id: text, state: text, hints: { type: 'object' } })),
      atRisk: object({ processCrash: object({ ...risk, oldestMs: whole }), powerCut: object(risk) }),
      faults: object({
        allowed: { type: 'boolean' },
        links: array({ type: 'object' }),
        disks: array({ type: 'object' }),
      }),
    }),
    description: 'docs/operations.md says what to look at',
  },
  Inspection: object({
    bucket: text,
    partition: whole,
    n: replicas,
    r: replicas,
    preferenceList: array(
      object({
        vnode: text,
        node: text,
        state: text,
        suspectedBy: array(text),
        owner: { type: 'boolean' },
        answer: { type: 'string', enum: ['present', 'absent', 'none'] },
        versions: array(object({ actor: whole, counter: whole, values: array({ type: 'object' }) })),
      }),
    ),
    result: object(
      {
        found: { type: 'boolean' },
        degraded: { type: 'boolean' },
        context: text,
        siblings: array(sibling),
        timeline: array({ type: 'object' }),
      },
      ['context', 'timeline'],
    ),
  }),
  Health: object({ status: { const: 'serving' }, instance: text, vnodes: whole }),
  Fault: {
    type: 'object',
    properties: {
      kind: { type: 'string', enum: ['crash', 'hang', 'stop', 'link', 'disk', 'corrupt', 'delete'] },
    },
    required: ['kind'],
    description: 'docs/operations.md has the members of each kind',
  },
  Join: {
    type: 'object',
    properties: { node: text, capacity: whole, vnodes: whole },
    required: ['node'],
  },
  Leave: object({ node: text }),
  RingPlanRequest: {
    type: 'object',
    properties: {
      change: { type: 'string', enum: ['join', 'leave'] },
      node: text,
      capacity: whole,
      vnodes: whole,
    },
    required: ['change', 'node'],
  },
  RingPlan: object({
    change: { type: 'string', enum: ['join', 'leave'] },
    node: text,
    partitions: array({ type: 'object' }),
    keys: whole,
    allKeys: whole,
  }),
  RingChange: object({ change: { type: ['object', 'null'] } }),
  Faults: object({
    allowed: { type: 'boolean' },
    links: array({ type: 'object' }),
    disks: array({ type: 'object' }),
  }),
} as const satisfies Record<string, Schema>;
export type SchemaName = keyof typeof SCHEMAS;
