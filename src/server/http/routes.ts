import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Operation } from './openapi/document.js';
import { problem, sendProblem } from './problem.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const;
type Method = (typeof METHODS)[number];

/** Undefined: it has answered. */
export type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> | undefined;

export interface KnownRoute {
  readonly method: string;
  readonly url: string;
  readonly operation: Operation | undefined;
}

const routes = new WeakMap<FastifyInstance, KnownRoute[]>();

interface Resource {
  readonly path: RegExp;
  readonly allow: string;
}

const resources = new WeakMap<FastifyInstance, Resource[]>();

/** What was given to {@link resource}, for the description of the interface. */
export function routesOf(app: FastifyInstance): readonly KnownRoute[] {
  return routes.get(app) ?? [];
}

interface ResourceOptions {
  readonly bodyLimit?: number;
  readonly operations?: { readonly [M in Method]?: Operation };
  /** Whether HEAD is answered as GET is, without the body (RFC 9110 §9.3.2): not where that is made as it is sent. */
  readonly head?: boolean;
}

/**
 * The methods of what is at a path, for one that no resource has, such as TRACE; undefined where nothing is.
 * Not routes of their own: with all of Node's methods there would be more than a thousand.
 */
export function allowedAt(app: FastifyInstance, path: string): string | undefined {
  return resources.get(app)?.find((one) => one.path.test(path))?.allow;
}

/** The answer to a method that a resource does not have. */
export function refuseMethod(request: FastifyRequest, reply: FastifyReply, allow: string): FastifyReply {
  const detail = `${request.method} is not a method of this resource; it has ${allow}`;
  return sendProblem(
    reply.header('Allow', allow),
    problem('METHOD_NOT_ALLOWED', 405, detail, { details: { allow } }),
  );
}

/** All methods of one path; those without a handler answer 405 and say which there are. */
export function resource(
  app: FastifyInstance,
  url: string,
  given: { readonly [M in Method]?: Handler },
  { operations = {}, head = true, ...options }: ResourceOptions = {},
): void {
  const known = routes.get(app) ?? [];
  routes.set(app, known);
  const handlers = head && given.GET !== undefined ? { HEAD: given.GET, ...given } : given;
  const allow = METHODS.filter((method) => handlers[method] !== undefined).join(', ');
  const path = new RegExp(`^${url.replaceAll('.', '\\.').replaceAll(/:\w+/g, '[^/]*')}$`);
  resources.set(app, [...(resources.get(app) ?? []), { path, allow }]);
  for (const method of METHODS) {
    const handler = handlers[method];
    if (handler !== undefined) {
      app.route({ method, url, handler, ...options });
      if (given[method] !== undefined) known.push({ method, url, operation: operations[method] });
      continue;
    }
    app.route({
      method,
      url,
      // Not in the handler: that would run only after the body had been read.
      onRequest: async (request, reply) => refuseMethod(request, reply, allow),
      handler: (_request, reply) => reply,
    });
  }
}

export function bucketParameter(request: FastifyRequest): string {
  return (request.params as { bucket: string }).bucket;
}
