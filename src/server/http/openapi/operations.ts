import { problemAnswer, type Answer, type Operation } from './document.js';
import type { QueryName } from './parameters.js';

export const READ_QUERY = ['r', 'strict', 'timeout', 'timeline'] as const satisfies readonly QueryName[];
export const DELETE_QUERY = [
  'w',
  'durability',
  'strict',
  'timeout',
  'timeline',
] as const satisfies readonly QueryName[];
export const WRITE_QUERY = [
  ...DELETE_QUERY,
  'r',
  'returnbody',
  'ttl',
] as const satisfies readonly QueryName[];
export const TOUCH_QUERY = ['ttl', 'w', 'durability', 'timeout'] as const satisfies readonly QueryName[];
export const LIST_QUERY = [
  'prefix',
  'cursor',
  'limit',
  'values',
  'timeout',
] as const satisfies readonly QueryName[];

const VALUE: Answer = {
  description: 'the value',
  headers: ['Ringlet-Context', 'Ringlet-Degraded', 'Ringlet-Expires', 'ETag', 'Last-Modified'],
  content: { '*/*': 'bytes' },
};
const SIBLINGS: Answer = {
  description: 'concurrent values; a PUT with this context supersedes them all',
  headers: ['Ringlet-Context', 'Ringlet-Degraded', 'ETag'],
  content: { 'application/json': 'Siblings', 'multipart/mixed': 'bytes' },
};
const WRITTEN: Answer = { description: 'written', headers: ['Ringlet-Context'] };
const CONFLICT = problemAnswer('too many siblings');
const FAILED = problemAnswer('the condition does not hold');
const TOO_LARGE = problemAnswer('the body is too large');
const EXPIRED = problemAnswer('written, and expired before it was read back as returnbody asks');
const FULL: Answer = { ...problemAnswer('no room'), headers: ['Retry-After'] };
const MISSING: Answer = {
  ...problemAnswer('no value; after a delete with the context that creating it again needs'),
  headers: ['Ringlet-Context'],
};

export const getKey: Operation = {
  id: 'getKey',
  summary: 'Read a key',
  query: READ_QUERY,
  headers: ['ifOneMatches', 'ifNoneMatch', 'range', 'accept'],
  answers: {
    200: VALUE,
    206: { ...VALUE, description: 'part of the value' },
    300: SIBLINGS,
    304: { description: 'the client has it', headers: ['Ringlet-Context', 'ETag'] },
    404: MISSING,
    412: FAILED,
    416: problemAnswer('the value has no such bytes'),
  },
};

export const headKey: Operation = {
  ...getKey,
  id: 'headKey',
  summary: 'What a GET would answer, without the body',
  answers: Object.fromEntries(
    Object.entries(getKey.answers).map(([status, { description, headers = [] }]) => [
      status,
      { description, headers },
    ]),
  ),
};

export const putKey: Operation = {
  id: 'putKey',
  summary: 'Write a key; concurrently to what is there unless a context says what it supersedes',
  query: WRITE_QUERY,
  headers: ['context', 'ifMatch', 'ifAbsent'],
  body: 'value',
  answers: {
    200: { ...VALUE, description: 'written, and the value as returnbody asks' },
    204: WRITTEN,
    300: { ...SIBLINGS, description: 'written, and all values as returnbody asks' },
    404: EXPIRED,
    409: CONFLICT,
    412: FAILED,
    413: TOO_LARGE,
    507: FULL,
  },
};

export const createKey: Operation = {
  ...putKey,
  id: 'createKey',
  summary: 'Write under a new key',
  headers: [],
  answers: {
    201: { description: 'written', headers: ['Location', 'Ringlet-Context'], content: { '*/*': 'bytes' } },
    404: EXPIRED,
    413: TOO_LARGE,
    507: FULL,
  },
};

export const touchKey: Operation = {
  id: 'touchKey',
  summary: 'Give the values of a key another time to live, from now',
  query: TOUCH_QUERY,
  headers: ['ifMatch'],
  answers: { 204: { description: 'done' }, 404: problemAnswer('no value'), 412: FAILED, 507: FULL },
};

export const deleteKey: Operation = {
  id: 'deleteKey',
  summary:
    'Delete what the context has seen, without one nothing that siblings are kept of; a tombstone stays, whose context creating the key again needs',
  query: DELETE_QUERY,
  headers: ['context', 'ifMatch'],
  answers: { 204: WRITTEN, 409: CONFLICT, 412: FAILED, 507: FULL },
};

export const listKeys: Operation = {
  id: 'listKeys',
  summary: 'List the keys of a bucket, in no meaningful order',
  query: LIST_QUERY,
  answers: {
    200: { description: 'a JSON object per line', content: { 'application/x-ndjson': 'KeyLine' } },
  },
};

export const listBuckets: Operation = {
  id: 'listBuckets',
  summary: 'All buckets with their properties',
  answers: { 200: { description: 'all of them', content: { 'application/json': 'Buckets' } } },
};

const PROPERTIES: Answer = {
  description: 'what holds',
  content: { 'application/json': 'Properties' },
};

export const getProperties: Operation = {
  id: 'getProperties',
  summary: 'Properties of a bucket, or those that it would be made with',
  answers: { 200: PROPERTIES },
};

export const setProperties: Operation = {
  id: 'setProperties',
  summary: 'Make a bucket, or change its r, w, durability, strict, ttlMs or maxBytes',
  body: 'WantedProperties',
  answers: {
    200: PROPERTIES,
    409: problemAnswer('n, conflict and cache cannot be changed'),
    413: TOO_LARGE,
  },
};

const json = (
  schema: 'Ring' | 'Stats' | 'Health' | 'Faults' | 'RingChange' | 'RingPlan',
  description: string,
): Answer => ({
  description,
  content: { 'application/json': schema },
});

export const getRing: Operation = {
  id: 'getRing',
  summary: 'Nodes, virtual nodes and who owns what',
  answers: { 200: json('Ring', 'the ring') },
};
export const getStats: Operation = {
  id: 'getStats',
  summary: 'Counters and gauges of all virtual nodes',
  answers: { 200: json('Stats', 'as they are now') },
};
export const getHealth: Operation = {
  id: 'getHealth',
  summary: 'Whether all virtual nodes serve; needs no token',
  answers: { 200: json('Health', 'all serve') },
};
export const headHealth: Operation = {
  id: 'headHealth',
  summary: 'Whether all virtual nodes serve',
  answers: { 200: { description: 'all serve' } },
};
export const getFaults: Operation = {
  id: 'getFaults',
  summary: 'What is broken on purpose',
  answers: { 200: json('Faults', 'links and disks that are broken') },
};
export const injectFault: Operation = {
  id: 'injectFault',
  summary: 'Break something on purpose, in a store that allows it',
  body: 'Fault',
  answers: { 200: json('Faults', 'links and disks that are broken then'), 413: TOO_LARGE },
};
export const clearFaults: Operation = {
  id: 'clearFaults',
  summary: 'Heal all links and start what is stopped',
  answers: { 200: json('Faults', 'none') },
};
const CHANGING: Answer = problemAnswer('a ring change is under way, or there is no room for the node');
export const getRingChange: Operation = {
  id: 'getRingChange',
  summary: 'The ring change under way, or the last one',
  answers: { 200: json('RingChange', 'how far it is') },
};
export const ROLL_BACK_QUERY = ['abandon'] as const satisfies readonly QueryName[];
export const rollBackRing: Operation = {
  id: 'rollBackRing',
  summary: 'Take back the ring change under way, if it has handed nothing over',
  query: ROLL_BACK_QUERY,
  answers: { 200: json('RingChange', 'how it ended'), 409: CHANGING },
};
export const joinRing: Operation = {
  id: 'joinRing',
  summary: 'A node joins; goes on by itself',
  body: 'Join',
  answers: { 202: json('RingChange', 'it has begun'), 409: CHANGING, 413: TOO_LARGE },
};
export const leaveRing: Operation = {
  id: 'leaveRing',
  summary: 'A node leaves; goes on by itself',
  body: 'Leave',
  answers: { 202: json('RingChange', 'it has begun'), 409: CHANGING, 413: TOO_LARGE },
};
export const planRing: Operation = {
  id: 'planRing',
  summary: 'What a join or leave would move',
  body: 'RingPlanRequest',
  answers: { 200: json('RingPlan', 'partitions and about how many keys'), 409: CHANGING, 413: TOO_LARGE },
};
export const BACKUP_QUERY = ['without'] as const satisfies readonly QueryName[];

export const makeBackup: Operation = {
  id: 'makeBackup',
  summary:
    'Everything that was acknowledged before, as one stream; only one that comes to its end is a backup',
  query: BACKUP_QUERY,
  answers: {
    200: {
      description: 'sections, docs/formats.md',
      content: { 'application/vnd.ringlet.backup': 'bytes' },
    },
    409: CHANGING,
    413: TOO_LARGE,
  },
};
export const INSPECT_QUERY = ['bucket', 'key'] as const satisfies readonly QueryName[];

export const inspectKey: Operation = {
  id: 'inspectKey',
  summary: 'Where a key lives, and what each of its owners has',
  query: INSPECT_QUERY,
  required: ['key'],
  answers: { 200: { description: 'for people', content: { 'application/json': 'Inspection' } } },
};
export const watchStore: Operation = {
  id: 'watchStore',
  summary: 'Server-sent events once a second, for the dashboard: owners, then moment',
  answers: { 200: { description: 'until the client leaves', content: { 'text/event-stream': 'text' } } },
};
export const getDashboard: Operation = {
  id: 'getDashboard',
  summary: 'The dashboard',
  answers: { 200: { description: 'a page', content: { 'text/html': 'text' } } },
};
export const getDashboardFile = (name: string): Operation => ({
  id: `getDashboardFile_${name.replaceAll('.', '_')}`,
  summary: 'A file of the dashboard',
  answers: { 200: { description: name, content: { '*/*': 'bytes' } } },
});
export const getMetrics: Operation = {
  id: 'getMetrics',
  summary: 'Metrics for Prometheus',
  answers: { 200: { description: 'in its text format', content: { 'text/plain': 'text' } } },
};
export const getOpenapi: Operation = {
  id: 'getOpenapi',
  summary: 'This description',
  answers: { 200: { description: 'OpenAPI 3.1', content: { 'application/json': 'bytes' } } },
};
