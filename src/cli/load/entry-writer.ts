import { type Entry, RecordError } from '../entries/entry.js';
import type { Target } from '../target.js';

interface WriterOptions {
  readonly bucket: string;
  /** Of the bucket. */
  readonly conflict: string;
  /**
   * Whether what a get sees is superseded first, in a bucket that keeps siblings: for records that may
   * have been written before, and those that bring siblings of their own.
   */
  readonly supersedes: boolean;
}

/** Writes keys with their values, so that in the end these and no others of this load are there. */
export class EntryWriter {
  readonly #target: Target;
  readonly #options: WriterOptions;

  constructor(target: Target, options: WriterOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** Whether a write that may have been applied can be sent again without making a sibling. */
  get repeatable(): boolean {
    return this.#options.conflict === 'lww' || this.#options.supersedes;
  }

  /** Values that expire are written only before their time. @throws RecordError what no attempt could write */
  async write({ key, values }: Entry): Promise<void> {
    const { bucket, conflict, supersedes } = this.#options;
    if (conflict === 'lww' && values.length > 1) {
      throw new RecordError(
        `it has ${values.length} siblings, and bucket ${bucket} keeps none (conflict rule lww)`,
      );
    }
    const reads = supersedes && conflict !== 'lww';
    let context = reads ? (await this.#target.get(bucket, key)).context : undefined;
    for (const { bytes, contentType, expiresAtMs } of values) {
      await this.#target.put(bucket, key, bytes, {
        contentType,
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
        ...(context === undefined ? {} : { context }),
      });
      // The others are concurrent to the first.
      context = undefined;
    }
  }
}
