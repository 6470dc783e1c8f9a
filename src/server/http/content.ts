import type { FastifyRequest } from 'fastify';
import { badHeader } from './bad-header.js';

/**
 * A value is the body as it comes. A part would be taken for the whole, as from a client that resumes an upload
 * (RFC 9110 §9.3.4 and §14.5); compressed bytes would be given to the next reader as if they were plain (§8.4), whichever header says so.
 *
 * @throws RingletError BAD_REQUEST
 */
export function checkContent({ headers }: FastifyRequest): void {
  refuse('Content-Range', headers['content-range'], 'no such header: a value is put as a whole');
  const onTheWay = headers['transfer-encoding'];
  if (onTheWay?.toLowerCase() !== 'chunked')
    refuse('Transfer-Encoding', onTheWay, 'chunked or no such header: a value is kept as it comes');
  const coding = headers['content-encoding'];
  if (coding?.toLowerCase() === 'identity') return;
  refuse('Content-Encoding', coding, 'identity or no such header: a value is kept as it comes');
}

function refuse(header: string, given: string | undefined, expected: string): void {
  if (given !== undefined) throw badHeader(header, given, expected);
}
