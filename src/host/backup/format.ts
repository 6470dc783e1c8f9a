import { createHash } from 'node:crypto';
import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';
import { maxRecordBytes } from '../../storage/buffer-layout.js';
import type { StoredBucket } from '../bucket-list.js';
import type { Topology } from '../manifest.js';

/**
 * A backup is one file, or stream, of sections, little-endian:
 *
 *   backup   = head  records*  ( end | failed )
 *   section  = bytes  0…3   kind: "RBAK" head, "RREC" records, "REND" end, "RERR" failed
 *                     4…7   format, 1
 *                     8…11  bytes of the payload, a multiple of 8
 *                    12…15  number of the section, from 0
 *                    16…47  SHA-256 of the checksum of the section before (32 zero bytes for the first),
 *                           bytes 0…15, and the payload
 *                    48…    payload
 *
 * The payload of a head, an end or a failure is JSON in UTF-8, padded with spaces: {@link BackupHead},
 * {@link BackupEnd}, {@link BackupFailure}. That of records is records (storage/record.ts) one behind the
 * other, in the order of partition, bucket and key; sequence number, generation and synced number are 0.
 *
 * The checksums form a chain: a section that is missing, moved or taken from another backup breaks it.
 * A future format keeps the first eight bytes.
 */
const BACKUP_FORMAT = 2;

export type SectionKind = 'RBAK' | 'RREC' | 'REND' | 'RERR';

export interface BackupHead {
  /** Of the store that it was made of; null for one without a directory. */
  readonly storeId: string | null;
  /** ISO 8601 */
  readonly createdAt: string;
  readonly topology: Topology;
  readonly buckets: readonly StoredBucket[];
  /** Virtual nodes that were left out. */
  readonly without: readonly string[];
}

export interface BackupEnd {
  readonly records: number;
  readonly damagedCopies: number;
  /** All actors that were ever used are below. */
  readonly actorsBelow: number;
  /** Hybrid time (base/time.ts) that no value in it is above. */
  readonly clock: number;
}

export interface BackupFailure {
  readonly code: string;
  readonly message: string;
}

export interface Section {
  readonly kind: SectionKind;
  readonly number: number;
  readonly payload: Buffer;
}

const HEADER_BYTES = 48;
const CHECKSUM_AT = 16;
const KINDS: readonly string[] = ['RBAK', 'RREC', 'REND', 'RERR'];
/** Records are collected up to here; one that is longer has a section of its own. */
export const SECTION_BYTES = 256 << 10;
const MAX_SECTION_BYTES = SECTION_BYTES + maxRecordBytes(LIMITS.maxValueBytes);

function checksumOf(before: Buffer, header: Buffer, payload: Buffer): Buffer {
  const hash = createHash('sha256').update(before);
  return hash.update(header.subarray(0, CHECKSUM_AT)).update(payload).digest();
}

/** Numbers sections and chains their checksums. */
export class SectionWriter {
  #before: Buffer = Buffer.alloc(32);
  #number = 0;

  json(kind: 'RBAK' | 'REND' | 'RERR', content: BackupHead | BackupEnd | BackupFailure): Buffer {
    const text = JSON.stringify(content);
    const bytes = Buffer.byteLength(text);
    return this.section(kind, Buffer.from(text + ' '.repeat(-bytes & 7)));
  }

  section(kind: SectionKind, payload: Buffer): Buffer {
    const header = Buffer.alloc(HEADER_BYTES);
    header.write(kind, 0, 'latin1');
    header.writeUInt32LE(BACKUP_FORMAT, 4);
    header.writeUInt32LE(payload.length, 8);
    header.writeUInt32LE(this.#number++, 12);
    this.#before = checksumOf(this.#before, header, payload);
    this.#before.copy(header, CHECKSUM_AT);
    return Buffer.concat([header, payload]);
  }
}

/**
 * Cuts a stream into sections and verifies each before it is given out. Of what a damaged length
 * announces no more is kept than has come.
 *
 * @param name of the backup in errors
 */
export class SectionParser {
  readonly #name: string;
  #parts: Buffer[] = [];
  #bytes = 0;
  #wanted = HEADER_BYTES;
  #before: Buffer = Buffer.alloc(32);
  #number = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** @throws RingletError DATA_CORRUPT, DATA_FOREIGN */
  push(chunk: Uint8Array): Section[] {
    this.#parts.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.#bytes += chunk.length;
    const sections: Section[] = [];
    if (this.#bytes < this.#wanted) return sections;
    let rest = Buffer.concat(this.#parts);
    for (;;) {
      this.#wanted = rest.length < HEADER_BYTES ? HEADER_BYTES : this.#lengthOf(rest);
      if (rest.length < this.#wanted) break;
      sections.push(this.#verified(rest.subarray(0, this.#wanted)));
      rest = rest.subarray(this.#wanted);
    }
    this.#parts = [rest];
    this.#bytes = rest.length;
    return sections;
  }

  /** Of everything so far: two backups have not the same. */
  get check(): string {
    return this.#before.toString('hex');
  }

  /** @throws RingletError DATA_CORRUPT if it ends within a section */
  end(): void {
    if (this.#bytes > 0) throw this.damaged(`ends within section ${this.#number}`);
  }

  /** Bytes of the section that begins here. */
  #lengthOf(header: Buffer): number {
    const kind = header.toString('latin1', 0, 4);
    if (!KINDS.includes(kind) || (this.#number === 0 && kind !== 'RBAK')) {
      if (this.#number > 0) throw this.damaged(`is damaged at section ${this.#number}`);
      throw new RingletError('DATA_FOREIGN', `${this.#name} is no backup of Ringlet; name another file`, {
        path: this.#name,
      });
    }
    const format = header.readUInt32LE(4);
    if (format !== BACKUP_FORMAT) {
      throw new RingletError(
        'DATA_FOREIGN',
        `${this.#name} has format ${format}, this version reads ${BACKUP_FORMAT}; use the version that wrote it`,
        { path: this.#name, format, supported: BACKUP_FORMAT },
      );
    }
    const bytes = header.readUInt32LE(8);
    if ((bytes & 7) !== 0 || bytes > MAX_SECTION_BYTES || header.readUInt32LE(12) !== this.#number) {
      throw this.damaged(`is damaged at section ${this.#number}`);
    }
    return HEADER_BYTES + bytes;
  }

  #verified(bytes: Buffer): Section {
    const payload = bytes.subarray(HEADER_BYTES);
    const checksum = checksumOf(this.#before, bytes, payload);
    if (!checksum.equals(bytes.subarray(CHECKSUM_AT, HEADER_BYTES))) {
      throw this.damaged(`does not match its checksum in section ${this.#number}`);
    }
    this.#before = checksum;
    return { kind: bytes.toString('latin1', 0, 4) as SectionKind, number: this.#number++, payload };
  }

  damaged(what: string): RingletError {
    return new RingletError(
      'DATA_CORRUPT',
      `${this.#name} ${what}; use another copy of it, or another backup`,
      {
        path: this.#name,
        section: this.#number,
      },
    );
  }
}
