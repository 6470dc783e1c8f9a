import { RingletError } from '../base/errors.js';
import { decodeVector } from '../storage/record-codec.js';
import { entriesAt, FIXED_WORDS } from '../storage/record.js';
import { contextFromString, decodeContext, encodeContext, encodeContextText } from '../versions/context.js';
import type { Clock } from '../versions/dvvs.js';
import type { Context, ContextLike } from './api.js';

/** A version vector that is made, and encoded, only when somebody looks at it. */
export class VectorContext implements Context {
  private made: Clock<never> | undefined;
  private readonly actor: number;
  private readonly n: number;

  /** Of one entry, unless the vector is given. */
  constructor(vector: Clock<never> | undefined, actor = 0, n = 0) {
    this.made = vector;
    this.actor = actor;
    this.n = n;
  }
  get vector(): Clock<never> {
    this.made ??= [{ actor: this.actor, n: this.n, values: [] }];
    return this.made;
  }
  get bytes(): Uint8Array {
    return encodeContext(this.vector);
  }
  toString(): string {
    return encodeContextText(this.vector);
  }
  toJSON(): string {
    return this.toString();
  }
}

/** The context of a record where it stands; nothing of it is kept. */
export function contextOf(words: Int32Array, at: number): VectorContext {
  if (entriesAt(words, at) !== 1) return new VectorContext(decodeVector(words, at));
  const entry = at + FIXED_WORDS;
  return new VectorContext(undefined, words[entry]! >>> 0, words[entry + 1]! >>> 0);
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
