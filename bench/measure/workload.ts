import { Random } from './random.js';

export interface WorkloadSpec {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seed: number;
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const DISTINCT_VALUES = 256;

export function keyAt(index: number): string {
  return `key:${String(index).padStart(10, '0')}`;
}

/** A value in both forms, so that every system gets the one that it takes fastest. */
export interface WorkloadValue {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/**
 * Uniform keys and random (incompressible) values, made before the clock starts. Each thread and
 * step draws from its own stream.
 */
export class Workload {
  readonly keys: readonly string[];
  readonly values: readonly WorkloadValue[];
  readonly #random: Random;

  constructor(spec: WorkloadSpec, stream = 0) {
    const values = new Random(spec.seed, 1_000_003);
    this.#random = new Random(spec.seed, stream);
    this.keys = Array.from({ length: spec.keys }, (_, index) => keyAt(index));
    this.values = Array.from({ length: DISTINCT_VALUES }, () => randomValue(values, spec.valueBytes));
  }

  key(): string {
    return this.keys[this.#random.below(this.keys.length)]!;
  }

  value(): WorkloadValue {
    return this.values[this.#random.below(DISTINCT_VALUES)]!;
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }
}

function randomValue(random: Random, bytes: number): WorkloadValue {
  let text = '';
  while (text.length < bytes) text += ALPHABET[random.below(ALPHABET.length)]!;
  return { bytes: new TextEncoder().encode(text), text };
}
