import assert from 'node:assert/strict';
import { SectionWriter } from '../../../src/host/backup/format.js';
import { BackupReader } from '../../../src/host/backup/reader.js';
import { plainRecord } from '../../storage/plain-record.js';
import { piecesOf, refusable, type Target } from '../target.js';

/** Backups: whatever is not the whole file that was written is refused, before much of it is kept. */
export function backupsTarget(): Target {
  const writer = new SectionWriter();
  const topology = { partitions: 1, spacing: 1, nodes: [{ id: 'n1', capacity: 1, vnodes: 1 }] };
  const whole = Buffer.concat([
    writer.json('RBAK', { storeId: null, createdAt: '', topology, buckets: [], without: [] }),
    writer.section('RREC', Buffer.from(plainRecord(0, 1, 'key', 'value'))),
    writer.json('REND', { records: 1, damagedCopies: 0, actorsBelow: 257, clock: 1 }),
  ]);
  return {
    name: 'backups',
    seeds: [whole],
    check(input) {
      const read = refusable(
        () => {
          const reader = new BackupReader('it');
          for (const piece of piecesOf(input)) reader.push(piece);
          return reader.end();
        },
        'DATA_CORRUPT',
        'DATA_FOREIGN',
      );
      if (read !== undefined) assert.ok(input.equals(whole));
    },
  };
}
