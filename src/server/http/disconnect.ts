import { setMaxListeners } from 'node:events';
import type { Socket } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { onAbort } from '../../client/signals.js';

const signals = new WeakMap<Socket, AbortSignal>();

/**
 * Fires when the client goes away. One signal for a connection and not for a request: it costs
 * nothing per request, and with the connection all answers on it are lost.
 */
export function disconnectSignal(request: FastifyRequest): AbortSignal {
  const { socket } = request.raw;
  const known = signals.get(socket);
  if (known !== undefined) return known;
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  if (socket.destroyed) controller.abort();
  else socket.once('close', () => controller.abort());
  // Of our own, for ever: or the signal's listener would come and go with each request.
  onAbort(controller.signal, () => undefined);
  signals.set(socket, controller.signal);
  return controller.signal;
}
