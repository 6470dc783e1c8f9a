import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export interface SecretParts {
  readonly key: Uint8Array;
  readonly digest: Uint8Array;
}

/** What a client must show. Only a digest is kept, and nothing of it can be printed. */
export class Secret {
  readonly #key: Buffer = randomBytes(32);
  readonly #digest: Buffer;

  /** @param token or the parts of a secret in another thread */
  constructor(token: string | SecretParts) {
    if (typeof token !== 'string') this.#key = Buffer.from(token.key);
    this.#digest = typeof token === 'string' ? this.#digestOf(token) : Buffer.from(token.digest);
  }

  /** For another thread: what is needed to compare, without the token. */
  get parts(): SecretParts {
    return { key: this.#key, digest: this.#digest };
  }

  /** Takes the same time whatever the first difference is, and whatever the length. */
  matches(given: string): boolean {
    return timingSafeEqual(this.#digestOf(given), this.#digest);
  }

  #digestOf(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}
