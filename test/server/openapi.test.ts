import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import fc from '../properties.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HostStore } from '../../src/client/api.js';
import { buildApp } from '../../src/server/http/app.js';
import { routesOf } from '../../src/server/http/routes.js';
import type { HttpServer } from '../../src/server/http/start.js';
import { FakeStore } from './fake-store.js';
import { send, type Answer, type Sent } from './raw-client.js';
import { open } from '../../src/index.js';
import { startHttp } from '../../src/server/http/start.js';

/** What a parameter may be given. */
type Given = string | number | boolean | undefined;

interface SchemaObject {
  readonly type?: string;
  readonly const?: Given;
  readonly enum?: readonly Given[];
  readonly examples?: readonly Given[];
  readonly anyOf?: readonly SchemaObject[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
  readonly $ref?: string;
}
interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required?: boolean;
  readonly schema: SchemaObject;
}
interface OperationObject {
  readonly operationId: string;
  readonly parameters: readonly Parameter[];
  readonly requestBody?: { readonly content: Record<string, { readonly schema?: SchemaObject }> };
  readonly responses: Record<
    string,
    { readonly content: Record<string, { readonly schema?: SchemaObject }> }
  >;
}
interface Document {
  readonly paths: Record<string, Record<string, OperationObject>>;
  readonly components: { readonly schemas: Record<string, SchemaObject> };
}

/** The real store with all durability levels; requests come out of its own description of itself. */
const dir = mkdtempSync(join(tmpdir(), 'ringlet-openapi-'));
let store: HostStore;
let http: HttpServer;
let document: Document;
const reported: unknown[] = [];
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);

beforeAll(async () => {
  store = await open({ data: dir, nodes: 3, memoryMiB: 64, valueBytes: 100_000 });
  http = await startHttp(store, {
    listen: { host: '127.0.0.1', port: 0 },
    valueBytes: 100_000,
    faults: store.faults,
    report: (error) => reported.push(error),
  });
  document = (await send(http.address, '/openapi.json')).json() as Document;
  ajv.addSchema({ $id: 'ringlet', components: document.components });
});
afterAll(async () => {
  await http.close();
  await store.close();
  rmSync(dir, { recursive: true });
  expect(reported).toEqual([]);
});

test('it is OpenAPI 3.1, and every route of the server is in it', async () => {
  const { valid, errors } = await new Validator().validate(
    structuredClone(document) as unknown as Record<string, unknown>,
  );
  expect(errors ?? []).toEqual([]);
  expect(valid).toBe(true);
  const { app } = await buildApp(new FakeStore(), {
    server: createServer(),
    host: '127.0.0.1',
    secret: undefined,
    part: 'all',
    valueBytes: 1,
    instance: 'x',
    faults: undefined,
    members: undefined,
    report: () => undefined,
  });
  expect(routesOf(app).filter(({ operation }) => operation === undefined)).toEqual([]);
  await app.close();
});

/** Everything that the requests so far have been given: contexts and cursors cannot be made up. */
const seen = { context: [] as string[], cursor: new Map<string, string[]>() };

function remember({ path }: Request, answer: Answer): void {
  const context = answer.headers['ringlet-context'];
  if (typeof context === 'string') seen.context.push(context);
  const bucket = path.split('/')[2] ?? '';
  const cursors = Array.from(answer.text.matchAll(/"cursor":"([^"]+)"/g), ([, cursor]) => cursor!);
  seen.cursor.set(bucket, [...(seen.cursor.get(bucket) ?? []), ...cursors]);
}

/** Copies of a bucket of this test; numbers above are outside the range of r and w. */
const N = 3;
/** Three journals are synced by then, whatever else the disk has to do: a request that is too late would be no fault. */
const LONG_MS = 60_000;

function valuesOf(schema: SchemaObject): fc.Arbitrary<Given> {
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.examples !== undefined) return fc.constantFrom(...schema.examples);
  if (schema.enum !== undefined) return fc.constantFrom(...schema.enum);
  if (schema.anyOf !== undefined) return fc.oneof(...schema.anyOf.map(valuesOf));
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'integer') {
    return fc.integer({
      min: schema.minimum ?? 0,
      max: schema.maximum === 8 ? N : Math.min(schema.maximum ?? 9, 99_999),
    });
  }
  return schema.pattern === undefined
    ? fc.string({ maxLength: 5 })
    : fc.stringMatching(new RegExp(schema.pattern), { maxLength: 20 });
}

function arbitraryOf({ name, schema }: Parameter): fc.Arbitrary<Given> {
  if (name === 'bucket') return fc.constantFrom('b1', 'b2');
  if (name === 'timeout') return fc.constant(LONG_MS);
  if (name === 'key') return fc.constantFrom('a', 'b/c', '..', '%00%ff', 'ü', '__proto__');
  // Which one is known with the bucket.
  if (name === 'cursor') return fc.nat();
  if (name !== 'Ringlet-Context' && !isOneTag({ name, schema })) return valuesOf(schema);
  const one = fc.nat().map((i) => seen.context[i % Math.max(1, seen.context.length)]);
  return name === 'If-Match' ? one.map((context) => context && `"${context}"`) : one;
}

function isOneTag({ name, schema }: Pick<Parameter, 'name' | 'schema'>): boolean {
  return name === 'If-Match' && schema.pattern !== undefined;
}

/** What no value of the schema is; undefined where everything is one. */
function wrongValue({ name, schema }: Parameter): string | undefined {
  if (['bucket', 'cursor', 'Ringlet-Context'].includes(name) || isOneTag({ name, schema })) return '!';
  if (schema.const !== undefined || schema.enum !== undefined || schema.anyOf !== undefined)
    return 'nonsense';
  return schema.type === 'boolean' || schema.type === 'integer' ? '-1' : undefined;
}

interface Request {
  readonly path: string;
  readonly sent: Sent;
}

function requestOf(
  path: string,
  method: string,
  operation: OperationObject,
  given: ReadonlyMap<Parameter, Given>,
  body: string,
): Request {
  let target = path;
  const query = new URLSearchParams();
  const headers: Record<string, string> = {};
  for (const [parameter, chosen] of given) {
    const value =
      typeof chosen === 'number' && parameter.name === 'cursor' ? cursorOf(given, chosen) : chosen;
    if (value === undefined) continue;
    if (parameter.in === 'path')
      target = target.replace(
        `{${parameter.name}}`,
        String(value).includes('%') ? String(value) : encodeURIComponent(String(value)),
      );
    else if (parameter.in === 'query') query.set(parameter.name, String(value));
    else headers[parameter.name] = String(value);
  }
  if (headers['If-Match'] !== undefined) {
    delete headers['If-None-Match'];
    delete headers['Ringlet-Context'];
  }
  const text = query.toString();
  const sent = {
    method: method.toUpperCase(),
    headers,
    ...(operation.requestBody === undefined ? {} : { body }),
  };
  return { path: text === '' ? target : `${target}?${text}`, sent };
}

function cursorOf(given: ReadonlyMap<Parameter, Given>, chosen: number): string | undefined {
  const [, bucket] = [...given].find(([{ name }]) => name === 'bucket')!;
  const cursors = seen.cursor.get(String(bucket)) ?? [];
  return cursors[chosen % Math.max(1, cursors.length)];
}

function bodyOf(operation: OperationObject): fc.Arbitrary<string> {
  const schema = operation.requestBody?.content['application/json']?.schema?.$ref;
  if (schema === undefined) return fc.string();
  if (schema.endsWith('Fault')) return fc.constant('{"kind":"crash","at":"n1.0"}');
  const quorum = fc.integer({ min: 1, max: N });
  return fc
    .record(
      {
        n: fc.constant(N),
        r: quorum,
        w: quorum,
        strict: fc.boolean(),
        conflict: fc.constantFrom('siblings', 'lww'),
      },
      { requiredKeys: [] },
    )
    .map((wanted) => JSON.stringify(wanted));
}

/** An answer is one that the operation describes: its status, its type, and what is in it. */
function expectDescribed(operation: OperationObject, { path, sent }: Request, answer: Answer): void {
  const what = `${sent.method} ${path} ${JSON.stringify(sent.headers)}: ${answer.status} ${answer.text.slice(0, 300)}`;
  const response = operation.responses[String(answer.status)];
  expect(response, what).toBeDefined();
  if (sent.method === 'HEAD' || answer.body.length === 0) return;
  const type = String(answer.headers['content-type']).split(';')[0]!;
  const content = response!.content[type] ?? response!.content['*/*'];
  expect(content, what).toBeDefined();
  if (content!.schema?.$ref === undefined) return;
  const validate = ajv.compile({ $ref: `ringlet${content!.schema.$ref}` });
  const documents = type === 'application/x-ndjson' ? answer.text.trimEnd().split('\n') : [answer.text];
  for (const one of documents.filter((line) => line !== '')) {
    expect(validate(JSON.parse(one)), `${what}\n${JSON.stringify(validate.errors)}`).toBe(true);
  }
}

/** All but the feed, which does not end. */
function operations(): [string, string, OperationObject][] {
  const paths = Object.entries(document.paths).filter(([path]) => path !== '/admin/events');
  return paths.flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, string, OperationObject] => [
      path,
      method,
      operation,
    ]),
  );
}

describe('requests made of the description', () => {
  test('valid ones are answered as it says, and never with 400', async () => {
    for (const [path, method, operation] of operations()) {
      const rows = operation.parameters.map((parameter) =>
        parameter.required === true || parameter.name === 'timeout'
          ? arbitraryOf(parameter)
          : fc.option(arbitraryOf(parameter), { nil: undefined, freq: 2 }),
      );
      await fc.assert(
        fc.asyncProperty(fc.tuple(...rows), bodyOf(operation), async (values, body) => {
          const given = new Map(operation.parameters.map((parameter, i) => [parameter, values[i]]));
          const request = requestOf(path, method, operation, given, body);
          const answer = await send(http.address, request.path, request.sent);
          remember(request, answer);
          expectDescribed(operation, request, answer);
          expect(
            [400, 500, 503],
            `${request.sent.method} ${request.path}: ${answer.text.slice(0, 300)}`,
          ).not.toContain(answer.status);
        }),
        { numRuns: operation.parameters.length === 0 ? 3 : 25 },
      );
    }
  });

  test('with one parameter outside its schema, or one that is not there, they are 400 and say which', async () => {
    await send(http.address, '/buckets/b1/keys/a', { method: 'PUT', body: 'x' });
    for (const [path, method, operation] of operations()) {
      if (path === '/healthz' || path === '/openapi.json') continue;
      const unknown: Parameter = { name: 'unknown', in: 'query', schema: { const: '1' } };
      for (const parameter of [...operation.parameters, unknown]) {
        const wrong = wrongValue(parameter);
        if (wrong === undefined) continue;
        const given = new Map<Parameter, Given>(
          operation.parameters
            .filter((one) => one.in === 'path')
            .map((one) => [one, one.name === 'bucket' ? 'b1' : 'a']),
        );
        given.set(parameter, wrong);
        const request = requestOf(path, method, operation, given, '{}');
        const answer = await send(http.address, request.path, request.sent);
        const what = `${method} ${path} with ${parameter.name}=${wrong}: ${answer.status} ${answer.text}`;
        expect(answer.status, what).toBe(400);
        expectDescribed(operation, request, answer);
        if (method === 'head') continue;
        const named = JSON.stringify((answer.json() as { details: object }).details);
        if (parameter.in === 'query' && parameter.name !== 'cursor')
          expect(named, what).toContain(`"${parameter.name}"`);
      }
    }
  });

  test('whatever comes, the answer is no fault of ours', async () => {
    const word = fc.constantFrom(
      'buckets',
      'b1',
      'keys',
      'props',
      'a',
      '..',
      '%2e%2e',
      '%',
      '%zz',
      '',
      'ring',
      'admin',
      'faults',
      'openapi.json',
      '\\',
      "'",
      '{}',
      'é'.normalize(),
    );
    const path = fc
      .array(word, { maxLength: 6 })
      .map((words) => encodeURI(`/${words.join('/')}`).replaceAll('%25', '%'));
    const query = fc.array(
      fc.tuple(
        fc.constantFrom('r', 'w', 'limit', 'cursor', 'prefix', 'x', '__proto__'),
        fc.constantFrom('1', '', '%00', '9e9', '-1', '%ff'),
      ),
      { maxLength: 3 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'PUT', 'POST', 'DELETE', 'HEAD', 'PATCH', 'OPTIONS'),
        path,
        query,
        fc.string(),
        async (method, target, pairs, body) => {
          const text = pairs.map((pair) => pair.join('=')).join('&');
          const writes = method.startsWith('P');
          const answer = await send(http.address, `${target}?${text}`, {
            method,
            ...(writes ? { body } : {}),
          });
          expect(answer.status, `${method} ${target}?${text}: ${answer.text}`).toBeLessThan(500);
          if (answer.status < 400 || method === 'HEAD') return;
          expect(answer.headers['content-type']).toBe('application/problem+json');
          expect(ajv.validate({ $ref: 'ringlet#/components/schemas/Problem' }, answer.json())).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });
});
