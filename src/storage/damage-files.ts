import { closeSync, fstatSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { isJournalFileName } from './journal-files.js';

/** Read at a time. */
const WINDOW_BYTES = 8 << 20;
/** A larger record may not be seen whole in a window. */
const MOST_RECORD_BYTES = 1 << 20;
/** Behind the header of a journal file, within its first record. */
const JOURNAL_BYTE = 64 + 40;

/**
 * Changes a byte in each of these records wherever they stand in a file, as a disk does that loses
 * bits: nobody is told, and nothing but the records suffers. Returns how many places it found.
 */
export function damageRecords(file: string, records: readonly Uint8Array[]): number {
  const patterns = records.filter(({ length }) => length <= MOST_RECORD_BYTES);
  const window = Buffer.alloc(WINDOW_BYTES);
  const fd = openSync(file, 'r+');
  let found = 0;
  try {
    const { size } = fstatSync(fd);
    for (let start = 0; start < size; start += WINDOW_BYTES - MOST_RECORD_BYTES) {
      const bytes = window.subarray(0, readSync(fd, window, 0, WINDOW_BYTES, start));
      for (const pattern of patterns) {
        for (let at = bytes.indexOf(pattern); at >= 0; at = bytes.indexOf(pattern, at + 1), found++)
          flip(fd, start + at + (pattern.length >>> 1));
      }
    }
  } finally {
    closeSync(fd);
  }
  return found;
}

/** Changes a byte in the first record of each file of a journal. */
export function damageJournal(directory: string): void {
  for (const name of readdirSync(directory).filter(isJournalFileName)) {
    const fd = openSync(join(directory, name), 'r+');
    try {
      flip(fd, JOURNAL_BYTE);
    } finally {
      closeSync(fd);
    }
  }
}

function flip(fd: number, position: number): void {
  const byte = new Uint8Array(1);
  if (readSync(fd, byte, 0, 1, position) !== 1) return;
  byte[0]! ^= 0x55;
  writeSync(fd, byte, 0, 1, position);
}
