import fc from '../properties.js';
import { foundInputs, inputsFrom } from './inputs.js';
import type { Target } from './target.js';

/** To make an input smaller. */
const MOST_ATTEMPTS = 2_000;

export interface Finding {
  /** The smallest input that does it. */
  readonly input: Buffer;
  readonly error: string;
  readonly seed: number;
}

export interface FuzzResult {
  readonly runs: number;
  readonly finding: Finding | undefined;
}

/** Sound inputs, and what was found once. */
export function corpusOf({ name, seeds }: Target): Buffer[] {
  return [...seeds.map((bytes) => Buffer.from(bytes)), ...foundInputs(name)];
}

/** Checks a target until the time is over or something is found; what was found once comes first. */
export async function fuzz(target: Target, seed: number, forMs: number): Promise<FuzzResult> {
  const corpus = corpusOf(target);
  const details = await fc.check(
    fc.asyncProperty(inputsFrom(corpus), async (input) => {
      await target.check(Buffer.from(input));
    }),
    {
      seed,
      numRuns: Number.MAX_SAFE_INTEGER,
      interruptAfterTimeLimit: forMs,
      markInterruptAsFailure: false,
      examples: corpus.map((input): [Buffer] => [input]),
    },
  );
  if (!details.failed || details.counterexample === null)
    return { runs: details.numRuns, finding: undefined };
  const input = await smallest(target, details.counterexample[0]);
  const error = (await failureOf(target, input)) ?? details.errorInstance;
  return {
    runs: details.numRuns,
    finding: { input, error: error instanceof Error ? (error.stack ?? error.message) : String(error), seed },
  };
}

async function failureOf(target: Target, input: Buffer): Promise<unknown> {
  try {
    await target.check(Buffer.from(input));
    return undefined;
  } catch (error) {
    return error ?? new Error('it threw nothing');
  }
}

/** Takes pieces out, larger ones first, as long as what is left does it still. */
async function smallest(target: Target, found: Buffer): Promise<Buffer> {
  let input = found;
  let attempts = 0;
  for (let size = input.length >> 1; size >= 1; size >>= 1) {
    for (let at = 0; at < input.length && attempts < MOST_ATTEMPTS; attempts++) {
      const less = Buffer.concat([input.subarray(0, at), input.subarray(at + size)]);
      if ((await failureOf(target, less)) === undefined) at += size;
      else input = less;
    }
  }
  return input;
}
