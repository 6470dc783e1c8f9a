import type { FastifyRequest } from 'fastify';
import { RingletError } from '../../base/errors.js';
import type { DeleteOptions, PutOptions, TouchOptions } from '../../client/api.js';
import { badHeader } from './bad-header.js';
import { defined } from './query.js';

/** The entity tag of a single value is its context: it changes with every version. */
export function etagOf(context: { toString(): string }): string {
  return `"${context.toString()}"`;
}

/** GET and HEAD: whether the client already has this entity (weak comparison, RFC 9110 §13.1.2). */
export function clientHas(request: FastifyRequest, etag: string): boolean {
  const given = request.headers['if-none-match'];
  if (given === undefined) return false;
  const opaque = etag.replace(/^W\//, '');
  return given.split(',').some((tag) => {
    const trimmed = tag.trim();
    return trimmed === '*' || trimmed.replace(/^W\//, '') === opaque;
  });
}

/** GET and HEAD: whether this is an entity that the client would have (strong comparison, RFC 9110 §13.1.1). */
export function clientTakes(request: FastifyRequest, etag: string): boolean {
  const given = request.headers['if-match'];
  if (given === undefined) return true;
  return given.split(',').some((tag) => ['*', etag].includes(tag.trim()));
}

/** What a DELETE may carry: the context that it supersedes, and the one that must still hold. */
export function deleteConditions(request: FastifyRequest): Pick<DeleteOptions, 'context' | 'ifMatch'> {
  refuse(request, 'If-None-Match');
  return { ...contextHeader(request), ...ifMatch(request) };
}

/** What a PATCH may carry: it makes no other version. */
export function touchConditions(request: FastifyRequest): Pick<TouchOptions, 'ifMatch'> {
  refuse(request, 'If-None-Match');
  refuse(request, 'Ringlet-Context');
  return ifMatch(request);
}

/** A POST has no condition: nobody has used its key. */
export function refuseConditions(request: FastifyRequest): void {
  for (const header of ['If-Match', 'If-None-Match', 'Ringlet-Context']) refuse(request, header);
}

function refuse({ headers, method }: FastifyRequest, header: string): void {
  const given = headers[header.toLowerCase()];
  if (given !== undefined) throw badHeader(header, String(given), `no such header with ${method}`);
}

export function putConditions(request: FastifyRequest): Pick<PutOptions, 'context' | 'ifMatch' | 'ifAbsent'> {
  const ifNoneMatch = request.headers['if-none-match'];
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*')
    throw badHeader('If-None-Match', ifNoneMatch, '*');
  const context = contextHeader(request);
  const match = ifMatch(request);
  if (ifNoneMatch !== undefined) return { ...context, ...match, ifAbsent: true };
  return context === NO_CONDITIONS ? match : { ...context, ...match };
}

/** What {@link putConditions} returns of most requests. */
export const NO_CONDITIONS = {} as const;

function contextHeader(request: FastifyRequest): { context?: string } {
  const given = request.headers['ringlet-context'];
  if (given === undefined) return NO_CONDITIONS;
  return defined<{ context?: string }>({ context: Array.isArray(given) ? given.join(',') : given });
}

function ifMatch(request: FastifyRequest): { ifMatch?: string } {
  const { 'if-match': given, 'if-unmodified-since': since } = request.headers;
  if (given === undefined) {
    if (since !== undefined) throw badHeader('If-Unmodified-Since', since, 'If-Match, which is exact');
    return NO_CONDITIONS;
  }
  const tag = /^"([^"]+)"$/.exec(given.trim());
  if (tag === null) throw badHeader('If-Match', given, 'one entity tag: a context in double quotes');
  return { ifMatch: tag[1]! };
}

/** A write, which fails as any unmet condition does if it was to match an entity tag that no store gives. */
export function matching<T>({ ifMatch: tag }: Pick<PutOptions, 'ifMatch'>, write: Promise<T>): Promise<T> {
  if (tag === undefined) return write;
  return write.catch((error: unknown) => {
    if (!(error instanceof RingletError) || error.code !== 'BAD_CONTEXT') throw error;
    const message = 'the condition does not hold: the entity tag of If-Match is none that was given here';
    throw new RingletError('CONDITION_FAILED', message, {}, { cause: error });
  });
}
