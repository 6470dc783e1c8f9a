import { compactJson } from '../entries/compact.js';
import { type Entry, JSON_TYPE, RecordError } from '../entries/entry.js';
import { readEntry } from '../entries/read.js';
import type { KeyOf } from './key-template.js';
import type { RawRecord } from './records.js';

/** What of a record is written, and under which key. @throws RecordError */
export type Prepare = (record: RawRecord) => Entry;

/** Any JSON, whole, under a key that is made from its fields. */
export function keyedEntries(keyOf: KeyOf): Prepare {
  return (record) => {
    const { text, parsed } = parse(record);
    const value = { bytes: Buffer.from(compactJson(text)), contentType: JSON_TYPE };
    return { key: keyOf(parsed, record.number, text), values: [value] };
  };
}

/** What `export` has written. */
export const exportedEntries: Prepare = (record) => readEntry(parse(record).text);

function parse({ text, problem }: RawRecord): { text: string; parsed: unknown } {
  if (text === undefined) throw new RecordError(problem ?? 'it has no text');
  try {
    return { text, parsed: JSON.parse(text) };
  } catch (error) {
    throw new RecordError(
      text === '' ? 'it is empty' : `it is no JSON (${(error as Error).message.slice(0, 120)})`,
    );
  }
}
