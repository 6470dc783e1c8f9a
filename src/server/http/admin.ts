import type { FastifyInstance } from 'fastify';
import type { Store } from '../../client/api.js';
import { getHealth, getRing, getStats, headHealth } from './openapi/operations.js';
import { problem, sendProblem } from './problem.js';
import { Query } from './query.js';
import { resource, type Handler } from './routes.js';

/** `/ring`, `/stats` and `/healthz`. */
export function adminRoutes(app: FastifyInstance, store: Store, instance: string): void {
  const answer = (body: () => object): { GET: Handler } => ({
    GET: async (request, reply) => {
      void new Query(request.originalUrl, []);
      return reply.send(body());
    },
  });
  resource(
    app,
    '/ring',
    answer(() => store.ring()),
    { operations: { GET: getRing } },
  );
  resource(
    app,
    '/stats',
    answer(() => store.stats()),
    { operations: { GET: getStats } },
  );
  const health: Handler = async (_request, reply) => {
    const vnodes = store.ring().nodes.flatMap((node) => node.vnodes);
    const down = vnodes.filter(({ state }) => state !== 'serving' && state !== 'rebuilding');
    if (down.length === 0) return reply.send({ status: 'serving', instance, vnodes: vnodes.length });
    const names = down.map((vnode) => `${vnode.id} (${vnode.state})`).join(', ');
    const body = problem(
      'NOT_SERVING',
      503,
      `${down.length} of ${vnodes.length} virtual nodes do not serve: ${names}`,
      {
        details: { down: down.length, of: vnodes.length },
        retryable: true,
      },
    );
    const extended = { ...body, instance, vnodes: down.map(({ id, state }) => ({ id, state })) };
    return sendProblem(reply, extended);
  };
  resource(
    app,
    '/healthz',
    { GET: health, HEAD: health },
    { operations: { GET: getHealth, HEAD: headHealth } },
  );
}
