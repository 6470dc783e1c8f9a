import { existsSync, readFileSync } from 'node:fs';
import fc from '../properties.js';

/** Longer ones say nothing new, and cost time. */
const MOST_BYTES = 4_096;

/** Values that bounds are made of. */
const INTERESTING = [0, 1, 7, 8, 0x0a, 0x0d, 0x20, 0x22, 0x7f, 0x80, 0xfe, 0xff];

type Change = (bytes: Buffer) => Buffer;

const byte = fc.oneof(fc.integer({ min: 0, max: 255 }), fc.constantFrom(...INTERESTING));
const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

const at = (bytes: Buffer, share: number): number => Math.floor(share * (bytes.length + 1));

/** One change of an input; shrinking ends in fewer and smaller ones. */
function changes(corpus: readonly Buffer[]): fc.Arbitrary<Change> {
  const bytes = fc.uint8Array({ maxLength: 12 });
  return fc.oneof(
    fc.tuple(place, byte).map(([share, value]): Change => (input) => {
      const copy = Buffer.from(input);
      if (copy.length > 0) copy[at(copy, share) % copy.length] = value;
      return copy;
    }),
    fc.tuple(place, fc.nat(7)).map(([share, bit]): Change => (input) => {
      const copy = Buffer.from(input);
      if (copy.length > 0) copy[at(copy, share) % copy.length]! ^= 1 << bit;
      return copy;
    }),
    fc.tuple(place, bytes).map(([share, more]): Change => (input) => {
      const where = at(input, share);
      return Buffer.concat([input.subarray(0, where), more, input.subarray(where)]);
    }),
    fc.tuple(place, place).map(([from, to]): Change => (input) => {
      const [low, high] = [at(input, Math.min(from, to)), at(input, Math.max(from, to))];
      return Buffer.concat([input.subarray(0, low), input.subarray(high)]);
    }),
    fc.tuple(place, place).map(([from, to]): Change => (input) => {
      const [low, high] = [at(input, Math.min(from, to)), at(input, Math.max(from, to))];
      return Buffer.concat([input.subarray(0, high), input.subarray(low)]);
    }),
    fc.tuple(place, fc.nat(corpus.length - 1), place).map(([share, other, cut]): Change => (input) => {
      const tail = corpus[other]!;
      return Buffer.concat([input.subarray(0, at(input, share)), tail.subarray(at(tail, cut))]);
    }),
  );
}

/** Mostly sound inputs with some changes, now and then any bytes. */
export function inputsFrom(corpus: readonly Buffer[]): fc.Arbitrary<Buffer> {
  const changed = fc
    .tuple(fc.constantFrom(...corpus), fc.array(changes(corpus), { maxLength: 6 }))
    .map(([seed, steps]) => steps.reduce<Buffer>((input, change) => change(input), seed));
  const any = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  return fc
    .oneof({ arbitrary: changed, weight: 9 }, { arbitrary: any, weight: 1 })
    .map((input) => input.subarray(0, MOST_BYTES));
}

/** As it stands, and as it was compiled to dist/test/fuzz. */
const CORPUS = ['./corpus/', '../../../test/fuzz/corpus/'];

/** What was found once: a line of base64 each. */
export function foundInputs(target: string): Buffer[] {
  const path = CORPUS.map((place) => new URL(`${place}${target}.txt`, import.meta.url)).find(existsSync);
  if (path === undefined) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => Buffer.from(line, 'base64'));
}
