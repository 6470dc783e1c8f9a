import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GetResult, Sibling, TimelineEvent } from '../../client/api.js';
import { answer, httpDate } from './answer.js';
import { clientHas, clientTakes, etagOf } from './conditions.js';
import { heldAnswers } from './held-answers.js';
import { multipartOf, prefersMultipart } from './multipart.js';
import { problem, sendProblem } from './problem.js';
import { rangeOf } from './range.js';
import { jsonBytes, safeContentType, siblingJson } from './siblings.js';

/** A stored page must not run scripts with the origin of this server. */
const SANDBOX = [
  'X-Content-Type-Options',
  'nosniff',
  'Content-Security-Policy',
  "sandbox; default-src 'none'",
] as const;

/** 200 with the one value, 300 with siblings, 304 when the client has it, 404 with the tombstone's context. */
export function sendResult(request: FastifyRequest, reply: FastifyReply, result: GetResult): FastifyReply {
  const context = result.context?.toString();
  const [only] = result.siblings;
  if (only !== undefined && result.siblings.length === 1) {
    return sendValue(request, reply, result, only, context ?? '');
  }
  if (context !== undefined) reply.header('Ringlet-Context', context);
  if (result.degraded) reply.header('Ringlet-Degraded', 'true');
  sendTimeline(reply, result.timeline);
  if (result.found) return sendSiblings(request, reply, result);
  const tombstone = context !== undefined;
  const detail = tombstone ? 'the key was deleted; pass its context to create it again' : 'no such key';
  return sendProblem(reply, problem('NOT_FOUND', 404, detail, { details: { tombstone } }));
}

function sendValue(
  request: FastifyRequest,
  reply: FastifyReply,
  { degraded, timeline }: GetResult,
  { value, contentType, modifiedAtMs, expiresAtMs }: Sibling,
  context: string,
): FastifyReply {
  const etag = etagOf(context);
  const headers = ['Ringlet-Context', context, 'ETag', etag, 'Last-Modified', httpDate(modifiedAtMs)];
  if (expiresAtMs !== undefined) headers.push('Ringlet-Expires', new Date(expiresAtMs).toISOString());
  if (degraded) headers.push('Ringlet-Degraded', 'true');
  if (timeline !== undefined) headers.push('Server-Timing', timing(timeline));
  const location = reply.getHeader('Location');
  if (location !== undefined) headers.push('Location', String(location));
  if (request.method !== 'PUT' && request.method !== 'POST') {
    if (!clientTakes(request, etag)) return sendChanged(reply, headers);
    if (clientHas(request, etag)) return answer(reply, 304, headers, undefined);
  }
  headers.push('Accept-Ranges', 'bytes');
  const range = rangeOf(request, value.byteLength, etag);
  if (range === null) {
    setAll(reply, headers);
    reply.header('Content-Range', `bytes */${value.byteLength}`);
    const detail = `the value has ${value.byteLength} bytes, none of them in the range that was asked for`;
    return sendProblem(reply, problem('RANGE_NOT_SATISFIABLE', 416, detail));
  }
  // For a part of it too: that keeps the whole.
  if (request.method !== 'HEAD') heldAnswers.hold(reply.raw, value.byteLength);
  headers.push('Content-Type', safeContentType(contentType), ...SANDBOX);
  if (range === undefined) return answer(reply, reply.statusCode, headers, value);
  const { start, end } = range;
  headers.push('Content-Range', `bytes ${start}-${end - 1}/${value.byteLength}`);
  return answer(reply, 206, headers, value.subarray(start, end));
}

function sendChanged(reply: FastifyReply, headers: readonly string[]): FastifyReply {
  setAll(reply, headers);
  return sendProblem(reply, problem('CONDITION_FAILED', 412, 'the value is none of those of If-Match'));
}

/** Names and values in turn. */
function setAll(reply: FastifyReply, headers: readonly string[]): void {
  for (let i = 0; i < headers.length; i += 2) reply.header(headers[i]!, headers[i + 1]!);
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
  if (request.method !== 'HEAD') heldAnswers.hold(reply.raw, jsonBytes(siblings));
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

export function sendTimeline(reply: FastifyReply, timeline: readonly TimelineEvent[] | undefined): void {
  if (timeline !== undefined) reply.header('Server-Timing', timing(timeline));
}

/** In the syntax of Server-Timing, which browsers draw: durations are ms since the request began. */
function timing(timeline: readonly TimelineEvent[]): string {
  const entries = timeline.map(({ atUs, event, vnode, outcome }) => {
    const words = [vnode, outcome].filter((word) => word !== undefined).join(' ');
    const description = words === '' ? '' : `;desc="${words.replaceAll(/[^\x20-\x7e]|["\\]/g, '_')}"`;
    return `${event};dur=${(atUs / 1_000).toFixed(3)}${description}`;
  });
  return entries.join(', ');
}
