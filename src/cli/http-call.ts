import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import { RingletError, ERROR_CODES, type ErrorCode, type ErrorDetails } from '../base/errors.js';

/** Sockets to one store; more would only queue on its side. */
const SOCKETS = 64;
/** The server's own limit: two contexts fit. */
const MAX_HEADER_BYTES = 64 << 10;

/**
 * The store itself answers in a few seconds, with an error if need be. One that does not is stopped or stuck, and
 * nobody should have to find out with Ctrl-C.
 */
const ANSWER_MS = 120_000;

/** How to get in: the store's token, and a certificate to trust besides those of the system. */
export interface Credentials {
  readonly token?: string;
  readonly certificate?: Buffer;
}

export interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** As it goes on the wire, percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** How long to wait until an answer begins. */
  readonly answerMs?: number;
}

/**
 * HTTP by node:http and not by fetch: a URL object normalises paths, so that fetch cannot name the
 * keys "." and ".."; and its limit on response headers (16 KiB) is below the largest context.
 */
export class HttpCaller {
  readonly #base: URL;
  readonly #agent: HttpAgent;
  readonly #request: typeof httpRequest;
  readonly #authorization: Readonly<Record<string, string>>;

  constructor(url: string, { token, certificate }: Credentials = {}) {
    this.#base = new URL(url);
    const secure = this.#base.protocol === 'https:';
    const options = { keepAlive: true, maxSockets: SOCKETS };
    const trusted = certificate === undefined ? {} : { ca: [...rootCertificates, certificate.toString()] };
    this.#agent = secure ? new HttpsAgent({ ...options, ...trusted }) : new HttpAgent(options);
    this.#authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    this.#request = secure ? httpsRequest : httpRequest;
  }

  /** The response with its body unread. A connection that cannot be made or breaks is IO. */
  async send(call: Call): Promise<IncomingMessage> {
    try {
      return await this.#send(call);
    } catch (error) {
      // Of a content type or a context that somebody gave; the store itself would refuse it as well.
      if (!(error instanceof TypeError) || !('code' in error) || error.code !== 'ERR_INVALID_CHAR')
        throw error;
      throw new RingletError('BAD_REQUEST', error.message, {}, { cause: error });
    }
  }

  #send({ method, path, headers = {}, body, answerMs = ANSWER_MS }: Call): Promise<IncomingMessage> {
    const { protocol, hostname, port, pathname } = this.#base;
    return new Promise((resolve, reject) => {
      const request = this.#request(
        {
          protocol,
          hostname: hostname.replaceAll(/[[\]]/g, ''),
          port,
          path: pathname.replace(/\/$/, '') + path,
          method,
          headers: {
            ...this.#authorization,
            ...headers,
            ...(method === 'PUT' || method === 'POST' ? { 'Content-Length': String(body?.length ?? 0) } : {}),
          },
          agent: this.#agent,
          maxHeaderSize: MAX_HEADER_BYTES,
        },
        resolve,
      );
      const late = setTimeout(
        () => request.destroy(new Error(`none within ${answerMs / 1_000} s`)),
        answerMs,
      );
      for (const over of ['response', 'close']) request.on(over, () => clearTimeout(late));
      request.on('error', (cause) => reject(this.broken(cause, method !== 'GET')));
      request.end(body);
    });
  }

  broken(cause: Error, maybeApplied: boolean): RingletError {
    const details = { url: this.#base.origin };
    const message = `no answer from ${this.#base.origin} (${cause.message || 'connection refused'}); is the store running?`;
    return new RingletError('IO', message, details, { maybeApplied, cause });
  }

  close(): void {
    this.#agent.destroy();
  }
}

export async function readBody(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of response as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

/** The error in a problem+json body, or in a line of a listing. */
export function problemError(body: string, status: number): RingletError {
  let problem: { code?: string; detail?: string; details?: ErrorDetails; maybeApplied?: boolean } = {};
  try {
    problem = JSON.parse(body) as typeof problem;
  } catch {
    // Something between us and the store answered; its status is all there is to tell.
  }
  const code =
    problem.code !== undefined && Object.hasOwn(ERROR_CODES, problem.code)
      ? (problem.code as ErrorCode)
      : 'IO';
  const message = problem.detail ?? `the server answered with status ${status}`;
  return new RingletError(code, message, problem.details ?? { status }, {
    maybeApplied: problem.maybeApplied ?? false,
  });
}
