import type { FastifyRequest } from 'fastify';
import { RingletError } from '../../base/errors.js';
import type { DeleteOptions, PutOptions } from '../../client/api.js';
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

/** What a DELETE may carry: the context that it supersedes, and the one that must still hold. */
export function deleteConditions(request: FastifyRequest): Pick<DeleteOptions, 'context' | 'ifMatch'> {
  if (request.headers['if-none-match'] !== undefined) {
    throw badHeader('If-None-Match', request.headers['if-none-match'], 'no such header with DELETE');
  }
  return { ...contextHeader(request), ...ifMatch(request) };
}

export function putConditions(request: FastifyRequest): Pick<PutOptions, 'context' | 'ifMatch' | 'ifAbsent'> {
  const ifNoneMatch = request.headers['if-none-match'];
  if (ifNoneMatch !== undefined && ifNoneMatch.trim() !== '*')
    throw badHeader('If-None-Match', ifNoneMatch, '*');
  return {
    ...contextHeader(request),
    ...ifMatch(request),
    ...(ifNoneMatch === undefined ? {} : { ifAbsent: true }),
  };
}

const NONE = {} as const;

function contextHeader(request: FastifyRequest): { context?: string } {
  const given = request.headers['ringlet-context'];
  if (given === undefined) return NONE;
  return defined<{ context?: string }>({ context: Array.isArray(given) ? given.join(',') : given });
}

function ifMatch(request: FastifyRequest): { ifMatch?: string } {
  const given = request.headers['if-match'];
  if (given === undefined) return NONE;
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
