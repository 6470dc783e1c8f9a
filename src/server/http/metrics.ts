import type { FastifyInstance } from 'fastify';
import type { Store } from '../../client/api.js';
import { getMetrics } from './openapi/operations.js';
import { Query } from './query.js';
import { resource } from './routes.js';

/** `/metrics` for Prometheus. */
export function metricsRoute(app: FastifyInstance, store: Store): void {
  // Made by the first who asks: its own clocks and observers run from then on.
  let registry: Promise<import('../metrics/registry.js').StoreRegistry> | undefined;
  resource(
    app,
    '/metrics',
    {
      GET: async (request, reply) => {
        void new Query(request.originalUrl, []);
        registry ??= import('../metrics/registry.js').then(({ StoreRegistry }) => new StoreRegistry(store));
        const { contentType } = await registry;
        return reply.header('Content-Type', contentType).send(await (await registry).text());
      },
    },
    { operations: { GET: getMetrics } },
  );
}
