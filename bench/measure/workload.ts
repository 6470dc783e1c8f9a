import { Random } from './random.js';
import { ScrambledZipfian, Zipfian } from './zipfian.js';

export interface WorkloadSpec {
  readonly keys: number;
  readonly valueBytes: number;
  readonly seed: number;
  /** Uniform unless given. */
  readonly distribution?: Distribution;
}

/**
 * `zipfian`: some keys are far more popular than others, scattered over the key space. `latest`: the
 * more recently inserted, the more popular. Both as YCSB draws them, with its constant.
 */
export type Distribution = 'uniform' | 'zipfian' | 'latest';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const MOST_VALUES = 256;
const FEWEST_VALUES = 4;
/** Of all distinct values: of 1 MiB each, 256 took a minute to draw, in each thread. */
const POOL_BYTES = 4 << 20;

export function keyAt(index: number): string {
  return `key:${String(index).padStart(10, '0')}`;
}

/** A value in both forms, so that every system gets the one that it takes fastest. */
export interface WorkloadValue {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/**
 * Keys by the distribution asked for and random (incompressible) values, made before the clock starts. Each thread and
 * step draws from its own stream.
 */
export class Workload {
  readonly keys: readonly string[];
  readonly values: readonly WorkloadValue[];
  readonly #random: Random;
  readonly #chosen: () => number;
  readonly #inserted: string[] = [];
  #newKeys = 0;

  constructor(spec: WorkloadSpec, stream = 0) {
    const values = new Random(spec.seed, 1_000_003);
    this.#random = new Random(spec.seed, stream);
    this.#chosen = chooser(spec, this.#random, () => this.keys.length + this.#inserted.length);
    this.keys = Array.from({ length: spec.keys }, (_, index) => keyAt(index));
    const distinct = Math.floor(POOL_BYTES / Math.max(1, spec.valueBytes));
    this.values = Array.from({ length: Math.max(FEWEST_VALUES, Math.min(MOST_VALUES, distinct)) }, () =>
      randomValue(values, spec.valueBytes),
    );
  }

  key(): string {
    const index = this.#chosen();
    return this.keys[index] ?? this.#inserted[index - this.keys.length]!;
  }

  /** The key of a new record. */
  newKey(): string {
    return keyAt(this.keys.length + this.#newKeys++);
  }

  /** The new record is there: its key can be drawn from now on. */
  announce(key: string): void {
    this.#inserted.push(key);
  }

  value(): WorkloadValue {
    return this.values[this.#random.below(this.values.length)]!;
  }

  /** Uniform in [0, 1). */
  fraction(): number {
    return this.#random.next();
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.#random.next() < probability;
  }
}

function chooser({ keys, distribution }: WorkloadSpec, random: Random, count: () => number): () => number {
  switch (distribution ?? 'uniform') {
    case 'uniform':
      return () => random.below(keys);
    case 'zipfian': {
      const zipfian = new ScrambledZipfian(random, keys);
      return () => zipfian.next();
    }
    case 'latest': {
      const zipfian = new Zipfian(random, keys);
      return () => count() - 1 - zipfian.next();
    }
  }
}

function randomValue(random: Random, bytes: number): WorkloadValue {
  let text = '';
  while (text.length < bytes) text += ALPHABET[random.below(ALPHABET.length)]!;
  return { bytes: new TextEncoder().encode(text), text };
}
