import type { IncomingMessage } from 'node:http';
import type { FastifyRequest } from 'fastify';
import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';

type Done = (error: Error | null, body?: Buffer) => void;

/**
 * Reads bodies into memory, each up to the limit of its route, and all large ones together up to a
 * limit of the server. What counts is what has arrived: a length that is only announced costs nothing.
 */
export class Bodies {
  readonly #mostBytes: number;
  #heldBytes = 0;

  constructor(mostBytes: number = LIMITS.httpBodyBytes) {
    this.#mostBytes = mostBytes;
  }

  readonly read = (request: FastifyRequest, payload: IncomingMessage, done: Done): void => {
    const limit = request.routeOptions.bodyLimit;
    const announced = Number(request.headers['content-length'] ?? 0);
    if (announced > limit) {
      done(tooLarge(announced, limit));
      return;
    }
    const parts: Buffer[] = [];
    let bytes = 0;
    let held = 0;
    const fail = (error: Error): void => {
      payload.removeAllListeners('data').removeAllListeners('end').removeAllListeners('error');
      done(error);
    };
    payload.on('data', (part: Buffer) => {
      bytes += part.length;
      if (bytes > limit) return fail(tooLarge(bytes, limit));
      parts.push(part);
      if (bytes <= LIMITS.httpSmallBody) return;
      if (held === 0) {
        request.raw.once('close', () => {
          this.#heldBytes -= held;
        });
      }
      this.#heldBytes += bytes - held;
      held = bytes;
      if (this.#heldBytes > this.#mostBytes) fail(overloaded(this.#mostBytes));
    });
    payload.on('end', () => done(null, parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes)));
    payload.on('error', (cause) =>
      fail(new RingletError('ABORTED', 'the client went away within the body', {}, { cause })),
    );
  };
}

function tooLarge(bodyBytes: number, limit: number): RingletError {
  return new RingletError('VALUE_TOO_LARGE', `a body has at most ${limit} bytes here`, { bodyBytes, limit });
}

function overloaded(limit: number): RingletError {
  return new RingletError('OVERLOADED', `bodies of ${limit} bytes are being received; try again`, { limit });
}
