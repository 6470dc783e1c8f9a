import { ANSWERED, HEADERS, PATH, QUERY, type HeaderName, type QueryName } from './parameters.js';
import { SCHEMAS, type SchemaName } from './schemas.js';

/** What a route's method does, said once: the description that clients get is made of these. */
export interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly query?: readonly QueryName[];
  /** Of these, the ones without which it cannot be asked. */
  readonly required?: readonly QueryName[];
  readonly headers?: readonly HeaderName[];
  /** A schema's name for JSON; `value` for bytes of any type. */
  readonly body?: SchemaName | 'value';
  readonly answers: Readonly<Record<number, Answer>>;
}

export interface Answer {
  readonly description: string;
  readonly headers?: readonly (keyof typeof ANSWERED)[];
  readonly content?: Readonly<Record<string, SchemaName | 'bytes' | 'text'>>;
}

export interface DescribedRoute {
  readonly method: string;
  /** As the router has it. */
  readonly url: string;
  readonly operation: Operation;
}

export const problemAnswer = (description: string): Answer => ({
  description,
  content: { 'application/problem+json': 'Problem' },
});

/** What any request may be answered. */
const ALWAYS: Readonly<Record<number, Answer>> = {
  400: problemAnswer('a parameter, header, key or body is outside its range; the problem names it'),
  401: problemAnswer('the store asks for its token'),
  403: problemAnswer('Host, Origin or site of another page, or faults that are not allowed'),
  429: { ...problemAnswer('too much at a time'), headers: ['Retry-After'] },
  500: problemAnswer('a fault of the store, or of its disk'),
  503: { ...problemAnswer('too few nodes serve, or too late'), headers: ['Retry-After'] },
};

/** OpenAPI 3.1 of the routes that a server has. */
export function openapiDocument(routes: readonly DescribedRoute[], version: string): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const { method, url, operation } of routes) {
    const path = url.replace(/\/-$/, '/{key}').replaceAll(/:(\w+)/g, '{$1}');
    (paths[path] ??= {})[method.toLowerCase()] = describe(operation, path);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Ringlet',
      version,
      summary: 'A Dynamo-style key-value store inside one Node.js process',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    security: [{}, { token: [] }, { password: [] }],
    paths,
    components: {
      schemas: SCHEMAS,
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer' },
        password: { type: 'http', scheme: 'basic', description: 'the token as password, with any name' },
      },
    },
  };
}

function describe(
  { id, summary, query = [], required = [], headers = [], body, answers }: Operation,
  path: string,
): object {
  const inPath = (['bucket', 'key'] as const).filter((name) => path.includes(`{${name}}`));
  const parameters = [
    ...inPath.map((name) => ({ name, in: 'path', required: true, ...PATH[name] })),
    ...query.map((name) => ({ name, in: 'query', required: required.includes(name), ...QUERY[name] })),
    ...headers.map((name) => ({ in: 'header', ...HEADERS[name] })),
  ];
  return {
    operationId: id,
    summary,
    parameters,
    ...(body === undefined ? {} : { requestBody: { required: body !== 'value', content: contentOf(body) } }),
    responses: Object.fromEntries(
      Object.entries<Answer>({ ...ALWAYS, ...answers }).map(([status, answer]) => [status, response(answer)]),
    ),
  };
}

function contentOf(body: SchemaName | 'value'): object {
  return body === 'value' ? { '*/*': {} } : { 'application/json': { schema: reference(body) } };
}

function response({ description, headers = [], content = {} }: Answer): object {
  return {
    description,
    headers: Object.fromEntries(headers.map((name) => [name, ANSWERED[name]])),
    content: Object.fromEntries(
      Object.entries(content).map(([type, schema]) => [
        type,
        schema === 'bytes' ? {} : { schema: schema === 'text' ? { type: 'string' } : reference(schema) },
      ]),
    ),
  };
}

function reference(schema: SchemaName): { $ref: string } {
  return { $ref: `#/components/schemas/${schema}` };
}
