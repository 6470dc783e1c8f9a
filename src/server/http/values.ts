import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GetResult, TimelineEvent } from '../../client/api.js';
import { clientHas, etagOf } from './conditions.js';
import { multipartOf, prefersMultipart } from './multipart.js';
import { problem, sendProblem } from './problem.js';
import { safeContentType, siblingJson } from './siblings.js';

/** 200 with the one value, 300 with siblings, 304 when the client has it, 404 with the tombstone's context. */
export function sendResult(request: FastifyRequest, reply: FastifyReply, result: GetResult): FastifyReply {
  if (result.context !== undefined) reply.header('Ringlet-Context', result.context.toString());
  if (result.degraded) reply.header('Ringlet-Degraded', 'true');
  sendTimeline(reply, result.timeline);
  if (!result.found) {
    const tombstone = result.context !== undefined;
    const detail = tombstone ? 'the key was deleted; pass its context to create it again' : 'no such key';
    return sendProblem(reply, problem('NOT_FOUND', 404, detail, { details: { tombstone } }));
  }
  const [only, ...others] = result.siblings;
  if (only === undefined || others.length > 0) return sendSiblings(request, reply, result);
  const etag = etagOf(result.context ?? '');
  reply.header('ETag', etag).header('Last-Modified', new Date(only.modifiedAtMs).toUTCString());
  if (request.method !== 'PUT' && clientHas(request, etag)) return reply.code(304).send();
  // A stored page must not run scripts with the origin of this server.
  reply
    .header('X-Content-Type-Options', 'nosniff')
    .header('Content-Security-Policy', "sandbox; default-src 'none'");
  const { value } = only;
  const body = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return reply.code(200).header('Content-Type', safeContentType(only.contentType)).send(body);
}

/** The tag is weak: it stands for both forms that the client may ask for. */
function sendSiblings(
  request: FastifyRequest,
  reply: FastifyReply,
  { siblings, context }: GetResult,
): FastifyReply {
  const etag = `W/${etagOf(context ?? '')}`;
  reply.header('ETag', etag).header('Vary', 'Accept');
  if (request.method !== 'PUT' && clientHas(request, etag)) return reply.code(304).send();
  if (prefersMultipart(request.headers.accept)) {
    const { contentType, body } = multipartOf(siblings);
    return reply.code(300).header('Content-Type', contentType).send(body);
  }
  const envelope = { context: context?.toString(), siblings: siblings.map(siblingJson) };
  return reply
    .code(300)
    .header('Content-Type', 'application/json')
    .send(Buffer.from(JSON.stringify(envelope)));
}

/** The timeline in the syntax of Server-Timing, which browsers draw: durations are ms since the request began. */
export function sendTimeline(reply: FastifyReply, timeline: readonly TimelineEvent[] | undefined): void {
  if (timeline === undefined) return;
  const entries = timeline.map(({ atUs, event, vnode, outcome }) => {
    const words = [vnode, outcome].filter((word) => word !== undefined).join(' ');
    const description = words === '' ? '' : `;desc="${words.replaceAll(/[^\x20-\x7e]|["\\]/g, '_')}"`;
    return `${event};dur=${(atUs / 1_000).toFixed(3)}${description}`;
  });
  reply.header('Server-Timing', entries.join(', '));
}
