import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { problem, sendProblem } from './problem.js';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const;
type Method = (typeof METHODS)[number];

export type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply>;

/** All methods of one path; those without a handler answer 405 and say which there are. */
export function resource(
  app: FastifyInstance,
  url: string,
  handlers: { readonly [M in Method]?: Handler },
  options: { bodyLimit?: number } = {},
): void {
  const allow = METHODS.filter((method) => handlers[method] !== undefined).join(', ');
  for (const method of METHODS) {
    const handler = handlers[method];
    if (handler !== undefined) {
      app.route({ method, url, handler, ...options });
      continue;
    }
    app.route({
      method,
      url,
      // Not in the handler: that would run only after the body had been read.
      onRequest: async (request, reply) => {
        const detail = `${request.method} is not a method of this resource; it has ${allow}`;
        return sendProblem(
          reply.header('Allow', allow),
          problem('METHOD_NOT_ALLOWED', 405, detail, { details: { allow } }),
        );
      },
      handler: (_request, reply) => reply,
    });
  }
}

export function bucketParameter(request: FastifyRequest): string {
  return (request.params as { bucket: string }).bucket;
}
