import type { ServerResponse } from 'node:http';
import type { FastifyReply } from 'fastify';

/** Up to here a body is copied behind its headers, so that both go out by one write. */
const ONE_WRITE_BYTES = 8 << 10;

interface Ready {
  readonly response: ServerResponse;
  readonly status: number;
  readonly headers: string[];
  readonly body: Uint8Array | undefined;
}

let ready: Ready[] = [];

/**
 * Answers past fastify's reply, for the requests of which there are many. `headers` are names and
 * values in turn; those that were given to the reply are not looked at.
 *
 * All answers of one turn of the event loop go out together, behind the last request that was
 * read in it: a client that is woken by each answer sleeps again before the next, and a wake-up costs
 * as much as a request.
 */
export function answer(
  reply: FastifyReply,
  status: number,
  headers: string[],
  body: Uint8Array | undefined,
): FastifyReply {
  const response = reply.hijack().raw;
  if (ready.push({ response, status, headers, body }) === 1) setImmediate(sendAll);
  return reply;
}

function sendAll(): void {
  const all = ready;
  ready = [];
  for (const one of all) if (!one.response.destroyed) send(one);
}

function send({ response, status, headers, body }: Ready): void {
  if (body === undefined) {
    response.writeHead(status, headers).end();
    return;
  }
  headers.push('Content-Length', String(body.byteLength));
  response.writeHead(status, headers);
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  // Node joins its headers only with strings; as Latin-1 each character is a byte.
  if (bytes.length <= ONE_WRITE_BYTES) response.end(bytes.toString('latin1'), 'latin1');
  else response.end(bytes);
}

/** By the last bits of the second: many values are of the same few minutes. */
const DATES = 512;
const seconds: number[] = Array.from({ length: DATES }, () => -1);
const dates: string[] = Array.from({ length: DATES }, () => '');

/** A time in the form of HTTP. */
export function httpDate(ms: number): string {
  const second = Math.floor(ms / 1000);
  const place = second % DATES;
  if (seconds[place] !== second) {
    dates[place] = new Date(ms).toUTCString();
    seconds[place] = second;
  }
  return dates[place]!;
}
