import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import {
  IF_ABSENT,
  OUT_CONDITION_UNAVAILABLE,
  OUT_OVERLOADED,
  PUT,
  PUT_FIXED_WORDS,
  writeHeader,
} from '../../src/messaging/frames.js';
import { bytesOf, ConditionalPuts } from '../../src/shard/conditional-puts.js';
import { refuse } from '../../src/shard/outcome.js';
import { readPut } from '../../src/shard/put-request.js';

const DEADLINE_MS = 5_000;

/** A conditional put at the first of three owners, which must ask a second one. */
function putOf(valueBytes: number): Int32Array {
  const bytes = Math.ceil((PUT_FIXED_WORDS * 4 + 4 + valueBytes) / 8) * 8;
  const words = new Int32Array(bytes / 4);
  words[0] = bytes;
  writeHeader(words, 0, PUT, 0, 1, 1, DEADLINE_MS);
  words[9] = 1;
  words[10] = (2 << 16) | (3 << 24);
  words[11] = (IF_ABSENT << 8) | (2 << 16);
  words[12] = valueBytes;
  return words;
}

it('conditional puts that wait for owners are bounded by their bytes too, and one alone may be as long as it likes', () => {
  const refused: number[] = [];
  const puts = {
    servingOwners: () => 3,
    owner: () => 0,
    listOf: () => [0, 1, 2],
    refuse: (_to: number, request: number) => refused.push(request),
  };
  const outbox = { words: new Int32Array(1_024), begin: () => 0, end: () => undefined };
  const env = {
    ordinal: 0,
    clock: { nowMs: () => 0 },
    ring: { epoch: 1 },
    endpoint: { to: () => outbox },
    isServing: () => true,
    isWhole: () => true,
    hasHintsFor: () => false,
  };
  const conditional = new ConditionalPuts(env as never, puts as never, 1, () => false);
  const begin = (words: Int32Array): number | undefined => {
    const begun = conditional.begin(9, words, 0, readPut(words, bytesOf(words), 0), DEADLINE_MS);
    return typeof begun === 'object' ? begun.outcome : undefined;
  };

  const large = putOf(LIMITS.conditionalBytes / 8);
  let begun = 0;
  while (begun < 20 && begin(large) === undefined) begun++;
  expect(begun).toBe(7);
  expect(begin(large)).toBe(OUT_OVERLOADED);
  expect(begin(putOf(100))).toBeUndefined();

  conditional.answered(1, 1, true);
  expect(begin(large)).toBeUndefined();
  expect(begin(large)).toBe(OUT_OVERLOADED);

  conditional.sweep(DEADLINE_MS);
  expect(refused).toHaveLength(8);
  expect(begin(putOf(LIMITS.conditionalBytes * 2))).toBeUndefined();
  expect(begin(putOf(100))).toBe(OUT_OVERLOADED);
});

/** The first of three owners with R=2, and one fallback; whom it asks, and what has to be asked before. */
class First {
  nowMs = 0;
  readonly asked: number[] = [];
  readonly hints: [holder: number, owner: number][] = [];
  readonly away = new Set<number>();
  readonly refused: number[] = [];
  isPartial = false;
  readonly conditional: ConditionalPuts;

  constructor() {
    const puts = {
      servingOwners: () => 3,
      owner: () => 0,
      listOf: () => [0, 1, 2, 3],
      refuse: (_to: number, request: number) => this.refused.push(request),
    };
    const env = {
      ordinal: 0,
      clock: { nowMs: () => this.nowMs },
      ring: { epoch: 1 },
      endpoint: {
        to: (vnode: number) => ({
          words: new Int32Array(64),
          begin: () => (this.asked.push(vnode), 0),
          end: () => undefined,
        }),
      },
      isServing: (vnode: number) => !this.away.has(vnode),
      isWhole: () => true,
      hasHintsFor: (holder: number, owner: number) =>
        this.hints.some(([one, other]) => one === holder && other === owner),
    };
    this.conditional = new ConditionalPuts(env as never, puts as never, 7, () => this.isPartial);
  }

  begin(): unknown {
    const words = putOf(4);
    return this.conditional.begin(9, words, 0, readPut(words, bytesOf(words), 0), 60_000);
  }

  /** Whom it has asked since it was last looked at. */
  questions(): number[] {
    return this.asked.splice(0);
  }
}

describe('a condition is decided by the first owner of three on R=2 of them', () => {
  it('once another one has answered that is not being rebuilt, and no answer counts twice', () => {
    const first = new First();
    expect(first.begin()).toBeUndefined();
    expect(first.questions()).toEqual([1, 2]);
    expect(first.conditional.answered(1, 1, true, true)).toBeUndefined();
    expect(first.conditional.answered(1, 1, true)).toBeUndefined();
    expect(first.conditional.answered(1, 3, true)).toBeUndefined();
    expect(first.conditional.answered(1, 2, true)).toBeDefined();
  });

  it('and on two others where it is being rebuilt itself', () => {
    const first = new First();
    first.isPartial = true;
    expect(first.begin()).toBeUndefined();
    expect(first.conditional.answered(1, 1, true)).toBeUndefined();
    expect(first.conditional.answered(1, 2, true)).toBeDefined();
  });

  it('after all who hold hints for an owner, whose copies count whether or not they are whole', () => {
    const first = new First();
    first.hints.push([3, 1], [2, 1]);
    expect(first.begin()).toBeUndefined();
    expect(first.questions()).toEqual([2, 3]);
    expect(first.conditional.answered(1, 2, true)).toBeUndefined();
    expect(first.questions()).toEqual([]);
    expect(first.conditional.answered(1, 3, true, true)).toBeUndefined();
    expect(first.questions()).toEqual([1, 2]);
    expect(first.conditional.answered(2, 1, true)).toBeDefined();
  });

  it('of its own hints too, and without an owner whose hints stand where nobody can be asked', () => {
    const first = new First();
    first.hints.push([3, 0]);
    expect(first.begin()).toBeUndefined();
    expect(first.questions()).toEqual([3]);
    first.hints.push([3, 1]);
    first.away.add(3);
    expect(first.begin()).toEqual(refuse(OUT_CONDITION_UNAVAILABLE, 1, 2));
  });

  it('by answers of its own questions that are younger than frames live', () => {
    const first = new First();
    first.begin();
    first.nowMs = LIMITS.replicaFrameMs;
    expect([first.conditional.ruleOf(1, 7), first.conditional.ruleOf(1, 8)]).toEqual([0, undefined]);
    first.nowMs++;
    expect(first.conditional.ruleOf(1, 7)).toBeUndefined();
  });
});
