import { PlainVectorKey } from './plain-vectors.js';
import { Random } from '../measure/random.js';
import { type Clock, join, update, values } from '../../src/versions/dvvs.js';

export interface SiblingHistory {
  /** Siblings after each put. */
  readonly counts: readonly number[];
  readonly most: number;
}

const COORDINATOR = 1;

/**
 * Writers that each read a key, think, and write it back, through one coordinator and without any
 * failure. Which of them moves next is drawn; both kinds of clocks see the same moves.
 */
export function concurrentWriters(
  writers: number,
  puts: number,
  seed: number,
): { readonly dotted: SiblingHistory; readonly plain: SiblingHistory } {
  const random = new Random(seed);
  const plainKey = new PlainVectorKey<number>();
  let dottedKey: Clock<number> = [];
  const held: ({ dotted: Clock<never>; plain: ReadonlyMap<number, number> } | undefined)[] = [];
  const dotted: number[] = [];
  const plain: number[] = [];
  while (dotted.length < puts) {
    const writer = random.below(writers);
    const context = held[writer];
    if (context === undefined) {
      held[writer] = { dotted: join(dottedKey), plain: plainKey.get().context };
      continue;
    }
    held[writer] = undefined;
    dottedKey = update(context.dotted, dotted.length, dottedKey, COORDINATOR);
    plainKey.put(COORDINATOR, context.plain, plain.length);
    dotted.push(values(dottedKey).length);
    plain.push(plainKey.get().values.length);
  }
  return {
    dotted: { counts: dotted, most: Math.max(...dotted) },
    plain: { counts: plain, most: Math.max(...plain) },
  };
}
