import { RingletError } from '../../base/errors.js';
import { checkList, checkObject, checkSignal } from '../../client/arguments.js';
import type { BackupOptions } from '../../client/backup-api.js';
import type { Connection } from '../../client/connection.js';
import { scanEverything } from '../../client/full-scan.js';
import { checkKnown, known } from '../../client/known-options.js';
import { HybridClock } from '../../messaging/hybrid-clock.js';
import { STORE_RETAINS } from '../../messaging/layout.js';
import { RULE_LWW, RULE_SIBLINGS } from '../../messaging/frames.js';
import type { StoredBucket } from '../bucket-list.js';
import type { Topology } from '../manifest.js';
import { SECTION_BYTES, SectionWriter } from './format.js';

/** What a backup needs of the store that was opened. */
export interface BackupHost {
  readonly connection: Connection;
  readonly storeId: string | null;
  readonly buckets: () => readonly StoredBucket[];
  /** An actor number that nobody has had, and that is above all that anybody has had. */
  readonly nextActor: () => number;
  /** Who is a member, which does not change until `release` is called. @throws RingletError RING_CHANGING */
  readonly holdRing: () => { readonly topology: Topology; readonly release: () => void };
}

const OPTIONS = known<BackupOptions>('a backup has no option', { without: true, signal: true });

/** Backups under way, each of which retains copies. */
export class Backups {
  readonly #host: BackupHost;
  readonly #control: Int32Array;

  constructor(host: BackupHost) {
    this.#host = host;
    this.#control = new Int32Array(host.connection.view.shared.control);
  }

  /**
   * The bytes of a backup (format.ts), as fast as they are taken. A failure is its last section, and thrown
   * too. Nothing begins before the first piece is asked for.
   */
  stream(options: BackupOptions = {}): AsyncGenerator<Buffer, void> {
    checkObject('options', options);
    checkKnown(options, OPTIONS);
    checkSignal(options.signal);
    const { without = [] } = options;
    checkList('the virtual nodes to leave out', without);
    return this.#stream(without, options.signal);
  }

  async *#stream(without: readonly string[], signal: AbortSignal | undefined): AsyncGenerator<Buffer, void> {
    const { topology, release } = this.#host.holdRing();
    // Whoever lets a copy go looks at this word first, and does it only after others have that copy:
    // what was let go before is found at those, what is let go after is not let go.
    Atomics.add(this.#control, STORE_RETAINS, 1);
    try {
      yield* this.#sections(topology, without, signal);
    } finally {
      Atomics.sub(this.#control, STORE_RETAINS, 1);
      release();
    }
  }

  async *#sections(
    topology: Topology,
    without: readonly string[],
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Buffer, void> {
    const { connection, storeId } = this.#host;
    const vnodes = this.#vnodes(without);
    const buckets = this.#host.buckets();
    const writer = new SectionWriter();
    yield writer.json('RBAK', {
      storeId,
      createdAt: new Date().toISOString(),
      topology,
      buckets,
      without,
    });
    const rules = new Map(
      buckets.map(({ number, properties: { conflict } }) => [
        number,
        conflict === 'lww' ? RULE_LWW : RULE_SIBLINGS,
      ]),
    );
    let records = 0;
    let damagedCopies = 0;
    const options = {
      // A bucket that was made since has nothing from before.
      ruleOf: (bucket: number) => rules.get(bucket),
      onDamaged: (copies: number) => (damagedCopies += copies),
      signal,
    };
    let section: Uint8Array[] = [];
    let bytes = 0;
    try {
      for await (const batch of scanEverything(connection, vnodes, options)) {
        for (const record of batch) {
          section.push(new Uint8Array(record.buffer, record.byteOffset, record.byteLength));
          bytes += record.byteLength;
          records++;
          if (bytes < SECTION_BYTES) continue;
          yield writer.section('RREC', Buffer.concat(section));
          section = [];
          bytes = 0;
        }
      }
    } catch (error) {
      const { code, message } =
        error instanceof RingletError ? error : { code: 'INTERNAL', message: String(error) };
      yield writer.json('RERR', { code, message });
      throw error;
    }
    if (bytes > 0) yield writer.section('RREC', Buffer.concat(section));
    const clock = new HybridClock(connection.view.shared.control, () => Date.now()).tick();
    yield writer.json('REND', { records, damagedCopies, actorsBelow: this.#host.nextActor() + 1, clock });
  }

  #vnodes(without: readonly string[]): number[] {
    const members = this.#host.connection.view.ring.vnodes.filter(({ gone }) => gone !== true);
    const unknown = without.find((id) => !members.some((vnode) => vnode.id === id));
    if (unknown !== undefined || without.length >= members.length) {
      const known = members.map(({ id }) => id).join(', ');
      throw new RingletError(
        'BAD_REQUEST',
        unknown === undefined
          ? `a backup without all of ${known} would be empty`
          : `there is no virtual node ${unknown.slice(0, 80)} to leave out; there are ${known}`,
        { without: without.join(',').slice(0, 200) },
      );
    }
    return members.filter(({ id }) => !without.includes(id)).map(({ ordinal }) => ordinal);
  }
}
