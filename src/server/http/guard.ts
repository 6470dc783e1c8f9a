import { isIPv4 } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { problem, sendProblem } from './problem.js';

/**
 * What keeps a web page in the user's browser away from a store on the same machine: a name of
 * the page's own that resolves to loopback (DNS rebinding: the Host header tells), and a form or
 * script that posts across sites (the Origin header tells).
 */
export function guard(boundHost: string): (request: FastifyRequest, reply: FastifyReply) => Promise<void> {
  const bound = boundHost.toLowerCase();
  const onLoopback = isLoopback(bound);
  return async (request, reply) => {
    const host = request.headers.host ?? '';
    const name = hostName(host);
    if (onLoopback && !(name !== undefined && (name === bound || isLoopback(name)))) {
      await refuse(
        reply,
        'Host',
        host,
        'a loopback name or address, or the host that the store was told to bind',
      );
      return;
    }
    const { origin } = request.headers;
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (origin !== undefined && !reads && origin !== `http://${host}` && origin !== `https://${host}`) {
      await refuse(reply, 'Origin', origin, 'no Origin, or the one of this server');
    }
  };
}

export function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

async function refuse(reply: FastifyReply, header: string, given: string, expected: string): Promise<void> {
  const short = given.slice(0, 100);
  const detail = `header ${header}: got "${short}", expected ${expected}`;
  await sendProblem(
    reply,
    problem('HOST_NOT_ALLOWED', 403, detail, { details: { header, given: short, expected } }),
  );
}
