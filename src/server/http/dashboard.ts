import type { FastifyInstance, FastifyReply } from 'fastify';
import { RingletError } from '../../base/errors.js';
import type { Store } from '../../client/api.js';
import { DASHBOARD_FILES, dashboardFile } from '../dashboard/files.js';
import { Feed } from '../dashboard/feed.js';
import { heldAnswers } from './held-answers.js';
import { disconnectSignal } from './disconnect.js';
import {
  getDashboard,
  getDashboardFile,
  INSPECT_QUERY,
  inspectKey,
  watchStore,
} from './openapi/operations.js';
import { Query } from './query.js';
import { resource, type Handler } from './routes.js';
import { jsonBytes, siblingJson } from './siblings.js';

/** Its own files and its own server, nothing else, and in no other page. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** `/`, its files, and under `/admin/` what it shows. Returns what ends the feeds. */
export function dashboardRoutes(app: FastifyInstance, store: Store): () => void {
  const feed = new Feed(store);
  for (const name of DASHBOARD_FILES) {
    const page = name === 'index.html';
    const handler: Handler = async (request, reply) => {
      void new Query(request.originalUrl, []);
      const { contentType, body } = dashboardFile(name);
      return guarded(reply).header('Content-Type', contentType).send(body);
    };
    resource(
      app,
      page ? '/' : `/dashboard/${name}`,
      { GET: handler },
      { operations: { GET: page ? getDashboard : getDashboardFile(name) } },
    );
  }
  const watch: Handler = async (request, reply) => {
    void new Query(request.originalUrl, []);
    if (feed.full) throw new RingletError('OVERLOADED', 'too many pages watch this store already', {});
    feed.watch(reply.hijack().raw, disconnectSignal(request));
    return reply;
  };
  resource(app, '/admin/events', { GET: watch }, { operations: { GET: watchStore }, head: false });
  const inspect: Handler = async (request, reply) => {
    const query = new Query(request.originalUrl, INSPECT_QUERY);
    const key = query.bytes('key') ?? new Uint8Array(0);
    const bucket = query.text('bucket') ?? 'default';
    const { result, ...where } = await store.bucket(bucket).inspect(key);
    const { found, degraded, siblings, context, timeline } = result;
    heldAnswers.hold(reply.raw, jsonBytes(siblings));
    return guarded(reply).send({
      bucket,
      ...where,
      result: {
        found,
        degraded,
        context: context?.toString(),
        siblings: siblings.map(siblingJson),
        timeline,
      },
    });
  };
  resource(app, '/admin/inspect', { GET: inspect }, { operations: { GET: inspectKey } });
  return () => feed.close();
}

function guarded(reply: FastifyReply): FastifyReply {
  return reply
    .header('Content-Security-Policy', POLICY)
    .header('X-Content-Type-Options', 'nosniff')
    .header('Referrer-Policy', 'no-referrer')
    .header('Cross-Origin-Opener-Policy', 'same-origin')
    .header('Cross-Origin-Resource-Policy', 'same-origin')
    .header('Cache-Control', 'no-cache');
}
