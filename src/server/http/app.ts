import type { RequestListener, Server } from 'node:http';
import { fastify, type FastifyInstance, type FastifyRequest } from 'fastify';
import { assert } from '../../base/assert.js';
import type { FaultControl, Store } from '../../client/api.js';
import type { RingControl } from '../../client/ring-api.js';
import type { Secret } from '../security/secret.js';
import { inOriginForm, routedUrl } from './address.js';
import { adminRoutes } from './admin.js';
import { backupRoute, type BackupSource } from './backup.js';
import { badHeader } from './bad-header.js';
import { Bodies } from './bodies.js';
import { bucketRoutes } from './buckets.js';
import { dashboardRoutes } from './dashboard.js';
import { faultRoutes } from './faults.js';
import { guard } from './guard.js';
import { memberRoutes } from './members.js';
import { keyRoutes } from './keys.js';
import { metricsRoute } from './metrics.js';
import { allowedAt, refuseMethod } from './routes.js';
import { openapiRoute } from './openapi/route.js';
import { answerClientError, problem, problemOf, sendProblem } from './problem.js';

export interface AppOptions {
  /** The server that will pass its requests to the app's handler. */
  readonly server: Server;
  readonly host: string;
  readonly secret: Secret | undefined;
  /** Which routes: those of the data and those for operators may listen at two places. */
  readonly part: 'all' | 'data' | 'admin';
  readonly valueBytes: number;
  readonly instance: string;
  readonly faults: FaultControl | undefined;
  readonly members: RingControl | undefined;
  readonly backup?: BackupSource | undefined;
  /** Gets every error that the client is told nothing about. */
  readonly report: (error: unknown) => void;
}

/**
 * The routes, ready to take requests. The app does not listen; `handler` is attached to who does.
 * `stop` ends answers that would go on for ever.
 */
export async function buildApp(
  store: Store,
  options: AppOptions,
): Promise<{ app: FastifyInstance; handler: RequestListener; stop: () => void }> {
  let stop = (): void => undefined;
  let handler: RequestListener | undefined;
  const app = fastify({
    serverFactory: (listener) => {
      handler = (request, response) => {
        inOriginForm(request);
        listener(request, response);
      };
      return options.server;
    },
    rewriteUrl: ({ url = '/' }) => routedUrl(url),
    // The raw URL is at most as long as the headers; bucket names are checked by the store.
    routerOptions: { maxParamLength: 4_096 },
    bodyLimit: options.valueBytes,
    exposeHeadRoutes: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, _request, reply) => {
      void sendProblem(reply, problemOf(error, options.report));
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', new Bodies().read);
  app.addHook('onRequest', guard(options.host, options.secret));
  app.addHook('onRequest', (request, reply, next) => {
    if (!request.is404) return next();
    const allow = allowedAt(app, request.url.split('?', 1)[0]!);
    if (allow === undefined) return next();
    void refuseMethod(request, reply, allow);
  });
  app.setErrorHandler((error, request, reply) => {
    // What is left of the body is not read.
    if (!request.raw.complete) reply.header('Connection', 'close');
    return sendProblem(reply, problemOf(explained(error, request), options.report));
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.originalUrl.split('?', 1)[0]!.slice(0, 200);
    return sendProblem(reply, problem('ROUTE_NOT_FOUND', 404, `nothing at ${path}`));
  });
  if (options.part !== 'admin') {
    keyRoutes(app, store);
    bucketRoutes(app, store, options.report);
  }
  adminRoutes(app, store, options.instance);
  if (options.part !== 'data') {
    faultRoutes(app, store, options.faults);
    metricsRoute(app, store);
    if (options.members !== undefined) memberRoutes(app, options.members);
    if (options.backup !== undefined) backupRoute(app, options.backup, options.report);
    stop = dashboardRoutes(app, store);
  }
  openapiRoute(app);
  await app.ready();
  assert(handler !== undefined, 'fastify asks for its server while it is made');
  return { app, handler, stop };
}

/** Fastify refuses a content type that it cannot read before a route is asked, and does not say which header it means. */
function explained(error: unknown, { headers }: FastifyRequest): unknown {
  if ((error as { code?: unknown }).code !== 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return error;
  const expected = 'a media type such as text/plain, or no such header';
  return badHeader('Content-Type', headers['content-type'] ?? '', expected);
}
