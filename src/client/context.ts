import { RingletError } from '../base/errors.js';
import { contextFromString, contextToString, decodeContext, encodeContext } from '../versions/context.js';
import type { Clock } from '../versions/dvvs.js';
import type { Context, ContextLike } from './api.js';

/** A version vector that is encoded only when somebody looks at it. */
export class VectorContext implements Context {
  readonly vector: Clock<never>;

  constructor(vector: Clock<never>) {
    this.vector = vector;
  }
  get bytes(): Uint8Array {
    return encodeContext(this.vector);
  }
  toString(): string {
    return contextToString(this.bytes);
  }
  toJSON(): string {
    return this.toString();
  }
}

/** @throws RingletError BAD_CONTEXT */
export function vectorOf(context: ContextLike): Clock<never> {
  if (context instanceof VectorContext) return context.vector;
  if (typeof context === 'string') return decodeContext(contextFromString(context));
  if (context instanceof Uint8Array) return decodeContext(context);
  const bytes = (context as Context | null)?.bytes;
  if (bytes instanceof Uint8Array) return decodeContext(bytes);
  throw new RingletError('BAD_CONTEXT', 'a context is what a get returned, its string or its bytes', {
    type: typeof context,
  });
}
