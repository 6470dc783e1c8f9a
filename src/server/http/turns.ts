import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { LIMITS } from '../../base/limits.js';

interface Waiting {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * The requests of one connection begin one after another, each when the answer before it has been
 * taken. Node passes on what a client pipelines as soon as it is read, and keeps the answers: a client that
 * takes none of them would have all made, and what stands behind a write would be answered beside it
 * (RFC 9112, 9.3.2). While many wait nothing is read, so that the client is held back by TCP. Not from the
 * first: of a connection that is not read from it is not noticed that the client has gone.
 */
export class Turns {
  readonly #socket: Socket;
  readonly #begin: RequestListener;
  #current: ServerResponse | undefined;
  #waiting: Waiting[] = [];
  #held = false;
  #listens = false;

  constructor(socket: Socket, begin: RequestListener) {
    this.#socket = socket;
    this.#begin = begin;
  }

  /** The answer under way, if there is one. It alone has the socket: with the connection it closes. */
  get current(): ServerResponse | undefined {
    return this.#current?.closed === false ? this.#current : undefined;
  }

  take(request: IncomingMessage, response: ServerResponse): void {
    const { current } = this;
    if (current === undefined) {
      this.#current = response;
      this.#begin(request, response);
      return;
    }
    if (this.#waiting.push({ request, response }) === 1) current.once('close', this.#next);
    if (this.#waiting.length > LIMITS.httpWaiting) this.#hold();
  }

  readonly #next = (): void => {
    // With the connection nothing behind it is executed, whoever has ended it: the client, or this answer.
    if (!this.#socket.writable) this.#waiting = [];
    const next = this.#waiting.shift();
    if (next === undefined) return;
    const { request, response } = next;
    if (this.#waiting.length > 0) response.once('close', this.#next);
    if (this.#held && this.#waiting.length <= LIMITS.httpWaiting / 2) {
      this.#held = false;
      this.#socket.resume();
    }
    this.#current = response;
    this.#begin(request, response);
  };

  #hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.#socket.pause();
    if (this.#listens) return;
    this.#listens = true;
    // Node reads on by itself wherever a request has come to its end.
    this.#socket.on('resume', () => {
      if (this.#held) this.#socket.pause();
    });
  }
}
