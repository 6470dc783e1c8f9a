import type { FastifyInstance } from 'fastify';
import { resource, routesOf } from '../routes.js';
import { packageVersion } from '../../version.js';
import { openapiDocument, type DescribedRoute } from './document.js';
import { getOpenapi } from './operations.js';

/** `/openapi.json`: the routes of this server, as they describe themselves. */
export function openapiRoute(app: FastifyInstance): void {
  let body: Buffer | undefined;
  resource(
    app,
    '/openapi.json',
    {
      GET: async (_request, reply) => {
        const described = routesOf(app).filter(
          (route): route is DescribedRoute => route.operation !== undefined,
        );
        body ??= Buffer.from(JSON.stringify(openapiDocument(described, packageVersion())));
        return reply.header('Content-Type', 'application/json').send(body);
      },
    },
    { operations: { GET: getOpenapi } },
  );
}
