import { LIMITS } from '../../base/limits.js';
import type { Context } from '../../client/api.js';
import type { ConnectedBucket } from '../../client/bucket.js';
import { VectorContext } from '../../client/context.js';
import type { CopyWatch } from '../../client/copy-watch.js';
import type { KeyPart } from '../../client/quick-requests.js';
import type { Clock } from '../../versions/dvvs.js';

interface Write {
  readonly bucket: ConnectedBucket;
  readonly key: Uint8Array;
  readonly context: Context;
}

/**
 * What a connection wrote last, for WAIT: the keys of its last command that wrote. Of one with very many keys
 * only the last {@link LIMITS.respWaitKeys} are kept.
 */
export class LastWrites {
  private writes: Write[] = [];
  /** Another command has begun: the next write is the first of its own. */
  private stale = false;
  /** Of a plain SET, in place of the others: they are many, and nothing is allocated for them. */
  private plain: { bucket: ConnectedBucket; vector: Clock<never>; keyBytes: number } | undefined;
  private keyOfPlain = new Uint8Array(64);

  /** What is written from now on belongs to another command. */
  begin(): void {
    this.stale = true;
  }

  note(bucket: ConnectedBucket, key: Uint8Array, context: Context): void {
    if (this.stale || this.plain !== undefined) this.writes = [];
    this.stale = false;
    this.plain = undefined;
    // Copies: views would keep the chunks that they came in.
    this.writes.push({ bucket, key: Uint8Array.from(key), context });
    if (this.writes.length > LIMITS.respWaitKeys) this.writes.shift();
  }

  /** A SET without options, which is a command of its own. */
  notePlain(bucket: ConnectedBucket, key: KeyPart, vector: Clock<never>): void {
    if (key.length > this.keyOfPlain.length) this.keyOfPlain = new Uint8Array(LIMITS.keyBytes);
    key.copyTo(this.keyOfPlain);
    const keyBytes = key.length;
    if (this.plain === undefined) this.plain = { bucket, vector, keyBytes };
    else {
      this.plain.bucket = bucket;
      this.plain.vector = vector;
      this.plain.keyBytes = keyBytes;
    }
  }

  /** Where the copies of these writes are; none if the connection has written nothing. */
  watch(): CopyWatch[] {
    const { plain } = this;
    if (plain !== undefined) {
      const key = this.keyOfPlain.slice(0, plain.keyBytes);
      return [plain.bucket.watchCopies(key, new VectorContext(plain.vector))];
    }
    return this.writes.map(({ bucket, key, context }) => bucket.watchCopies(key, context));
  }
}
