import { APPENDED, SYNCED, WRITTEN } from '../storage/buffer-layout.js';
import { BUFFERED, COMMITTED, DURABLE, type Level, ONE_DURABLE } from '../storage/pipeline.js';
import { compareClocks, decodeVector } from '../storage/record-codec.js';
import {
  bucketAt,
  keyAt,
  keyLengthAt,
  KIND_REMOVED,
  kindAt,
  lengthAt,
  partitionAt,
  sequenceAt,
} from '../storage/record.js';
import type { Clock } from '../versions/dvvs.js';
import type { BufferView } from './buffer-view.js';
import { type EngineFiles, rowName } from './engine.js';
import { seenBy, type Write } from './history.js';

/** What a virtual node must still have after something has happened: row → record. */
export type Promised = Map<string, Int32Array>;

/** Up to where in its log a virtual node has the writes of a level. */
export const WATERMARK_OF: Readonly<Record<Level, number>> = {
  [BUFFERED]: APPENDED,
  [ONE_DURABLE]: APPENDED,
  [COMMITTED]: WRITTEN,
  [DURABLE]: SYNCED,
};

/**
 * What a virtual node has in its engine, and in its log up to a watermark.
 *
 * @param owed by one that has not recovered since its last end: it may have rows still that its journal
 *   says were let go
 */
export function promisesOf(
  view: BufferView,
  engine: EngineFiles,
  watermark: number,
  owed: Promised | undefined,
): Promised {
  const promised: Promised = new Map(owed);
  if (owed === undefined) {
    for (const [name, { record, damaged }] of engine.rows)
      if (damaged !== true) keep(promised, name, wordsOf(record));
  }
  const last = view.position(watermark);
  const bytes = new Uint8Array(view.words.buffer);
  view.visitLog((at) => {
    const { words } = view;
    const key = bytes.slice(keyAt(words, at) * 4, keyAt(words, at) * 4 + keyLengthAt(words, at));
    const name = rowName(partitionAt(words, at), bucketAt(words, at), key);
    // What was let go counts on nobody any more, whether or not the log says so after the crash.
    if (kindAt(words, at) === KIND_REMOVED) promised.delete(name);
    else if (sequenceAt(words, at) <= last)
      keep(promised, name, words.slice(at, at + (lengthAt(words, at) >>> 2)));
  });
  return promised;
}

function keep(promised: Promised, name: string, record: Int32Array): void {
  const before = promised.get(name);
  if (before === undefined || compareClocks(record, 0, before, 0) === 'newer') promised.set(name, record);
}

export function wordsOf(record: Uint8Array): Int32Array {
  return new Int32Array(record.buffer, record.byteOffset, record.length >>> 2);
}

/** The version vectors that stand for an owner of a key: its own, and those of fallbacks with a hint for it. */
export type OwnerPlace = readonly Clock<never>[];

export function vectorIn(promised: Promised | undefined, row: string): Clock<never> {
  const record = promised?.get(row);
  return record === undefined ? [] : decodeVector(record, 0);
}

/** How many of the places have a write. */
export function holdersOf({ actor, n }: Write, places: readonly OwnerPlace[]): number {
  return places.filter((vectors) => vectors.some((vector) => seenBy(vector, actor) >= n)).length;
}
