import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RingletError } from '../../base/errors.js';
import type { Fault, FaultControl, Store } from '../../client/api.js';
import { clearFaults, getFaults, injectFault } from './openapi/operations.js';
import { Query } from './query.js';
import { resource } from './routes.js';

/** A fault is a handful of names and numbers. */
const FAULT_BYTES = 4 << 10;

/**
 * `/admin/faults`: what is broken (GET), break something (POST), heal everything (DELETE). Without
 * `faults`, as in a thread that did not open the store, it is refused as in a store that allows none.
 */
export function faultRoutes(app: FastifyInstance, store: Store, faults: FaultControl | undefined): void {
  const control = (): FaultControl => {
    if (faults !== undefined) return faults;
    throw new RingletError('FAULTS_OFF', 'faults are injected only where the store was opened', {});
  };
  resource(
    app,
    '/admin/faults',
    {
      GET: async (request, reply) => {
        void new Query(request.originalUrl, []);
        return reply.send(store.stats().faults);
      },
      POST: async (request, reply) => {
        void new Query(request.originalUrl, []);
        // Whoever may not do it is not told either what would be wrong with it.
        const allowed = control();
        allowed.inject(bodyOf(request) as Fault);
        return reply.send(store.stats().faults);
      },
      DELETE: async (request, reply) => {
        void new Query(request.originalUrl, []);
        control().clear();
        return reply.send(store.stats().faults);
      },
    },
    {
      bodyLimit: FAULT_BYTES,
      operations: { GET: getFaults, POST: injectFault, DELETE: clearFaults },
    },
  );
}

/** Any JSON; whether it is a fault is for the store to say. */
function bodyOf(request: FastifyRequest): unknown {
  try {
    return JSON.parse(String(request.body));
  } catch {
    throw new RingletError(
      'BAD_REQUEST',
      'the body is no JSON, expected {"kind":"crash","at":"n1.0"} or the like',
      {
        field: 'body',
      },
    );
  }
}
