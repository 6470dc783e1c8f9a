import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply, onRequestHookHandler } from 'fastify';
import { isLoopback } from '../security/access.js';
import type { Secret } from '../security/secret.js';
import { problem, sendProblem, type Problem } from './problem.js';

/**
 * Lets a request in, before anything of its body is read. What keeps a web page in the user's
 * browser away from a store on the same machine: a name of the page's own that resolves to
 * loopback (DNS rebinding: the Host header tells), a form or script that posts across sites (the
 * Origin header tells, or Sec-Fetch-Site), and whatever it embeds or fetches: it could not read that, but
 * see whether a key is there, run a stored script as its own, and keep the store busy. Following a
 * link from it is all right. Then the token, if one is set.
 */
export function guard(boundHost: string, secret: Secret | undefined): onRequestHookHandler {
  const bound = boundHost.toLowerCase();
  const onLoopback = isLoopback(bound);
  return (request, reply, next) => {
    // Whoever is before this server may have gone by the other one (RFC 9112 §3.2).
    const hosts = hostsIn(request.raw.rawHeaders);
    if (hosts > 1 || (hosts === 0 && request.raw.httpVersion === '1.1'))
      return turnAway(reply, problem('BAD_REQUEST', 400, `a request has one Host header, not ${hosts}`));
    const { host = '', origin, authorization, 'sec-fetch-site': site } = request.headers;
    if (onLoopback && !isOurs(host, bound)) {
      refuse(reply, 'Host', host, 'a loopback name or address, or the host that the store was told to bind');
      return;
    }
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (!reads) {
      const foreign = origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`;
      if (foreign) return refuse(reply, 'Origin', origin, 'no Origin, or the one of this server');
    }
    if (site === 'cross-site' && !(reads && isVisit(request.headers)))
      return refuse(reply, 'Sec-Fetch-Site', site, 'a request of the same site, or a link that is followed');
    if (secret !== undefined && request.routeOptions.url !== OPEN_ROUTE && !shows(authorization, secret)) {
      return challenge(reply);
    }
    next();
  };
}

/** Whether a person comes to look at it, in a page and not in a part of another one. */
function isVisit(headers: IncomingHttpHeaders): boolean {
  return headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

/** Whether the store serves is no secret, and those who ask (containers, balancers) have no token. */
const OPEN_ROUTE = '/healthz';

/** @param headers names and values in turn */
function hostsIn(headers: readonly string[]): number {
  let hosts = 0;
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts;
}

/** Requests on one connection mostly have the same host; the pattern need not be matched each time. */
let lastHost = '';
let lastBound = '';

function isOurs(host: string, bound: string): boolean {
  if (host === lastHost && bound === lastBound) return true;
  const name = hostName(host);
  if (name === undefined || (name !== bound && !isLoopback(name))) return false;
  lastHost = host;
  lastBound = bound;
  return true;
}

/** As a bearer token, or as the password of any user, which is what browsers can ask for. */
function shows(authorization: string | undefined, secret: Secret): boolean {
  const match = /^(bearer|basic) +(\S+) *$/i.exec(authorization ?? '');
  if (match === null) return false;
  const given = match[2]!;
  if (match[1]!.toLowerCase() === 'bearer') return secret.matches(given);
  const pair = Buffer.from(given, 'base64').toString();
  return secret.matches(pair.slice(pair.indexOf(':') + 1));
}

function challenge(reply: FastifyReply): void {
  const detail =
    'this store asks for its token: Authorization: Bearer TOKEN, or the token as a password with any name';
  // A line each: Chromium takes a line for one challenge, and asks for no password where that is Bearer.
  reply.header('WWW-Authenticate', ['Basic realm="ringlet", charset="UTF-8"', 'Bearer realm="ringlet"']);
  turnAway(reply, problem('UNAUTHORIZED', 401, detail));
}

function hostName(host: string): string | undefined {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(host);
  return (match?.[1] ?? match?.[2])?.toLowerCase();
}

function refuse(reply: FastifyReply, header: string, given: string, expected: string): void {
  const short = given.slice(0, 100);
  const detail = `header ${header}: got "${short}", expected ${expected}`;
  turnAway(reply, problem('HOST_NOT_ALLOWED', 403, detail, { details: { header, given: short, expected } }));
}

/** Nothing more is read from this connection, a body least of all. */
function turnAway(reply: FastifyReply, body: Problem): void {
  void sendProblem(reply.header('Connection', 'close'), body);
}
