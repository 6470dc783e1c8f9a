import { symlinkSync, writeSync } from 'node:fs';
import { RingletError } from '../base/errors.js';
import type { EngineIdentity, EngineMark } from '../storage/engine.js';
import { decodeMeta, type DecodedMeta, META_KEY } from '../storage/engine-meta.js';
import { existingJournalFiles } from '../storage/journal-files.js';
import { dataFileOf } from '../storage/data-files.js';
import { isAround } from '../storage/disk-errors.js';
import { type LmdbEnvironment, openEnvironment } from '../storage/lmdb-environment.js';
import {
  aligned,
  bucketAt,
  contentCheckOf,
  HINT_BUCKET,
  keyAt,
  keyLengthAt,
  KIND_REMOVED,
  kindAt,
  partitionAt,
  verifyRecord,
} from '../storage/record.js';
import { scanJournal } from '../storage/recovery.js';
import { ownerTag } from '../storage/segment-header.js';

/**
 * Entry of the verifying process. Damage that LMDB does not notice ends a process by SIGBUS or
 * SIGSEGV: this one, instead of the store's.
 *
 * Arguments: whether all was written in this boot of the machine ("same-boot" or "any-boot"), then per
 * virtual node its directory of LMDB, an empty one, and its journal's. Output, a line each, written
 * before the next step so that a crash names the environment: "begin <n>", "end <n> <json>".
 *
 * The environment is opened with the engine's own settings, since these decide which snapshot
 * counts after an unclean stop (and, then, LMDB writes that choice down, as the engine would). It
 * is reached by a link in the empty directory, where LMDB's lock file goes.
 */
export interface Inspection {
  /** Why it is damaged; absent when it is not. */
  readonly reason?: string;
  /** Why it could not be looked at, although it may be whole; the rest says nothing then. */
  readonly unreadable?: string;
  /** Why it is not ours, or of a version that we do not know. */
  readonly foreign?: string;
  readonly count: number;
  readonly root: number;
  /** Hints among the records, by their keys; absent when not everything could be read. */
  readonly hints?: number;
  /** Keys whose newest record is only in the journal. */
  readonly journalled: number;
  /** Whose data it says that it is, if that is intact. */
  readonly identity?: EngineIdentity;
}

type Rows = Omit<Inspection, 'journalled' | 'foreign' | 'unreadable'> & { readonly state?: EngineMark };

const PREFIX_BYTES = 4;
/** What the journal of a new engine is read behind. */
const NOTHING: EngineMark = { generation: 0, confirmedSerial: 0 };

function inspect(directory: string, view: string, journal: string, sameBoot: boolean): Inspection {
  if (process.platform !== 'win32') symlinkSync(dataFileOf(directory), dataFileOf(view));
  const { state = NOTHING, ...rows } = inspectRows(
    openEnvironment(process.platform === 'win32' ? directory : view),
  );
  const { identity } = rows;
  const owner = identity === undefined ? 0 : ownerTag(identity.storeId, identity.vnodeId);
  try {
    const { newest } = scanJournal(existingJournalFiles(journal), state, sameBoot, journal, owner);
    const hints = newest.filter(
      ({ memory: { words }, at }) =>
        bucketAt(words, at) === HINT_BUCKET && kindAt(words, at) !== KIND_REMOVED,
    );
    const seen = rows.hints === undefined ? {} : { hints: rows.hints + hints.length };
    return { ...rows, ...seen, journalled: newest.length };
  } catch (error) {
    if (isAround(error)) throw error;
    const { hints: _, ...known } = rows;
    const message = error instanceof Error ? error.message : String(error);
    const foreign = error instanceof RingletError && error.code === 'DATA_FOREIGN';
    return {
      ...known,
      journalled: 0,
      ...(foreign ? { foreign: message } : { reason: rows.reason ?? message }),
    };
  }
}

function inspectRows(env: LmdbEnvironment): Rows {
  let meta: DecodedMeta | undefined;
  let rows = 0;
  let count = 0;
  let root = 0;
  let damaged = 0;
  let hints = 0;
  for (const { key, value } of env.getRange({})) {
    rows++;
    if (key.length > PREFIX_BYTES && key[2] === HINT_BUCKET >>> 8 && key[3] === (HINT_BUCKET & 0xff)) hints++;
    if (key.length === META_KEY.length && key.every((byte, i) => byte === META_KEY[i])) {
      meta = decodeMeta(value);
    } else if (verifyRecord(value) && belongsTo(key, value)) {
      count++;
      root = (root ^ contentCheckOf(value)) >>> 0;
    } else {
      damaged++;
    }
  }
  const reason = faultOf(meta, rows, entriesOf(env), count, root, damaged);
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(rows === entriesOf(env) ? { hints } : {}),
    ...(meta?.kind === 'ok' ? { identity: meta.identity, state: meta.state } : {}),
    count,
    root,
  };
}

/** Whether a record is where its own content says. */
function belongsTo(key: Uint8Array, record: Uint8Array): boolean {
  const { words, bytes } = aligned(record);
  const place = Buffer.alloc(PREFIX_BYTES);
  place.writeUInt16BE(partitionAt(words, 0), 0);
  place.writeUInt16BE(bucketAt(words, 0), 2);
  const start = keyAt(words, 0) * 4;
  const own = Buffer.concat([place, bytes.subarray(start, start + keyLengthAt(words, 0))]);
  return own.equals(key);
}

function entriesOf(env: LmdbEnvironment): number {
  const stats = env.getStats();
  return 'entryCount' in stats && typeof stats.entryCount === 'number' ? stats.entryCount : Number.NaN;
}

function faultOf(
  meta: DecodedMeta | undefined,
  rows: number,
  entries: number,
  count: number,
  root: number,
  damaged: number,
): string | undefined {
  if (damaged > 0) return `${damaged} of ${rows} records are damaged`;
  if (rows !== entries) return `${rows} of ${entries} entries can be reached`;
  // Whether a new engine is expected, and what to do about another version's, is the engine's to say.
  if (meta === undefined) return rows === 0 ? undefined : 'it has no identity';
  if (meta.kind === 'unknown-format') return undefined;
  if (meta.kind === 'damaged') return 'its identity is damaged';
  if (meta.state.count !== count) return `it holds ${count} records and should hold ${meta.state.count}`;
  if (meta.state.root !== root)
    return `the checksum over all records is ${root} and should be ${meta.state.root}`;
  return undefined;
}

/** What stands in the way has a remedy of its own, another than the one in our message. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isAround(error) && error.cause instanceof Error ? error.cause.message : error.message;
}

function main([boot, ...args]: readonly string[]): void {
  for (let i = 0; i < args.length; i += 3) {
    writeSync(1, `begin ${i / 3}\n`);
    let inspection: Inspection;
    try {
      inspection = inspect(args[i]!, args[i + 1]!, args[i + 2]!, boot === 'same-boot');
    } catch (error) {
      const nothing = { count: 0, root: 0, journalled: 0 };
      // The link is nobody's business.
      const reason = messageOf(error).replaceAll(args[i + 1]!, args[i]!);
      inspection = isAround(error) ? { unreadable: reason, ...nothing } : { reason, ...nothing };
    }
    writeSync(1, `end ${i / 3} ${JSON.stringify(inspection)}\n`);
  }
}

main(process.argv.slice(2));
