import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LIMITS } from '../base/limits.js';
import { readSealed, writeSealed } from './durable-file.js';

/**
 * `rebuild.json` in the directory of a virtual node that lost its data: it is there before the first
 * record is, and until everything is there again. As long as it is, what the directory lacks proves
 * nothing.
 */
export interface RebuildMark {
  /** When the loss was noticed, as ISO 8601. */
  readonly since: string;
  /** What was found. */
  readonly reason: string;
  /** The highest number of a bucket at that time: later ones cannot have lost anything here. */
  readonly buckets: number;
  /** The operator has said that what no replica has shall count as gone. */
  readonly discarded: boolean;
}

interface RebuildFile extends RebuildMark {
  readonly format: number;
}

export const REBUILD_FILE = 'rebuild.json';
const FORMAT = 1;

/** The mark of a virtual node's directory; undefined when it has none. A damaged one says the least. */
export function readRebuildMark(directory: string): RebuildMark | undefined {
  const file = readSealed<RebuildFile>(join(directory, REBUILD_FILE), FORMAT);
  if (file.kind === 'missing') return undefined;
  if (file.kind === 'ok') return file.value;
  return {
    since: new Date(0).toISOString(),
    reason: `${REBUILD_FILE} is damaged`,
    buckets: LIMITS.buckets,
    discarded: false,
  };
}

/** @throws RingletError IO, STORE_FULL */
export function writeRebuildMark(
  directory: string,
  { since, reason, buckets, discarded }: RebuildMark,
): void {
  const file: RebuildFile = { format: FORMAT, since, reason, buckets, discarded };
  writeSealed(join(directory, REBUILD_FILE), file);
}

/** Not with synchronous calls: this thread serves requests. */
export async function removeRebuildMark(directory: string): Promise<void> {
  await rm(join(directory, REBUILD_FILE), { force: true });
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
