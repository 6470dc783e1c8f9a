import { RECORD_AT } from '../messaging/frames.js';
import { lengthAt, shapeIntact } from '../storage/record.js';

/** Whether the record that a frame carries behind its fixed words is whole: all its inner lengths add up. */
export function holdsRecord(words: Int32Array, at: number): boolean {
  const record = at + RECORD_AT;
  const end = record + (lengthAt(words, record) >>> 2);
  return end <= at + (words[at]! >>> 2) && shapeIntact(words, record, end);
}
