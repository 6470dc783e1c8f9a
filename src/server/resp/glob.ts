const STAR = 42;
const QUESTION = 63;
const OPEN = 91;
const CLOSE = 93;
const BACKSLASH = 92;
const CARET = 94;
const DASH = 45;

/** One position of a pattern: which bytes it takes. */
type Step = 'any' | 'star' | number | Uint8Array;

/**
 * Redis' glob patterns over bytes: `*`, `?`, `[a-c]`, `[^x]`, `\` before a byte that stands for
 * itself. A mismatch goes back to the last star only, which is enough, so that a match costs at most
 * pattern × text and never more, whatever the pattern.
 */
export class Glob {
  private readonly steps: readonly Step[];
  /** The bytes that every match begins with. */
  readonly prefix: Buffer;
  readonly isLiteral: boolean;

  constructor(pattern: Uint8Array) {
    this.steps = compile(pattern);
    const literal = this.steps.findIndex((step) => typeof step !== 'number');
    this.prefix = Buffer.from((literal < 0 ? this.steps : this.steps.slice(0, literal)) as number[]);
    this.isLiteral = literal < 0;
  }

  matches(text: Uint8Array): boolean {
    const { steps } = this;
    let step = 0;
    let at = 0;
    let starStep = -1;
    let starAt = 0;
    while (at < text.length) {
      const want = steps[step];
      if (want === 'star') {
        starStep = ++step;
        starAt = at;
      } else if (want !== undefined && takes(want, text[at]!)) {
        step++;
        at++;
      } else if (starStep < 0) {
        return false;
      } else {
        step = starStep;
        at = ++starAt;
      }
    }
    while (steps[step] === 'star') step++;
    return step === steps.length;
  }
}

function takes(step: Exclude<Step, 'star'>, byte: number): boolean {
  if (step === 'any') return true;
  return typeof step === 'number' ? step === byte : step[byte] === 1;
}

function compile(pattern: Uint8Array): Step[] {
  const steps: Step[] = [];
  for (let i = 0; i < pattern.length; i++) {
    const byte = pattern[i]!;
    if (byte === STAR) {
      if (steps.at(-1) !== 'star') steps.push('star');
    } else if (byte === QUESTION) {
      steps.push('any');
    } else if (byte === OPEN) {
      const { taken, last } = byteClass(pattern, i + 1);
      steps.push(taken);
      i = last;
    } else if (byte === BACKSLASH && i + 1 < pattern.length) {
      steps.push(pattern[++i]!);
    } else {
      steps.push(byte);
    }
  }
  return steps;
}

/** What stands in brackets from `start`; one that is not closed ends with the pattern, as in Redis. */
function byteClass(pattern: Uint8Array, start: number): { taken: Uint8Array; last: number } {
  const taken = new Uint8Array(256);
  let i = start;
  const negated = pattern[i] === CARET;
  if (negated) i++;
  for (; i < pattern.length && pattern[i] !== CLOSE; i++) {
    if (pattern[i] === BACKSLASH && i + 1 < pattern.length) {
      taken[pattern[++i]!] = 1;
    } else if (pattern[i + 1] === DASH && i + 2 < pattern.length) {
      const [low, high] = [pattern[i]!, pattern[i + 2]!].sort((a, b) => a - b);
      taken.fill(1, low, high! + 1);
      i += 2;
    } else {
      taken[pattern[i]!] = 1;
    }
  }
  if (negated) for (let byte = 0; byte < 256; byte++) taken[byte]! ^= 1;
  return { taken, last: i };
}
