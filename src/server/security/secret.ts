import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** What a client must show. Only a digest is kept, and nothing of it can be printed. */
export class Secret {
  readonly #key = randomBytes(32);
  readonly #digest: Buffer;

  constructor(token: string) {
    this.#digest = this.#digestOf(token);
  }

  /** Takes the same time whatever the first difference is, and whatever the length. */
  matches(given: string): boolean {
    return timingSafeEqual(this.#digestOf(given), this.#digest);
  }

  #digestOf(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}
