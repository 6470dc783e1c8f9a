import { LIMITS } from '../base/limits.js';
import { readDouble, writeDouble } from '../base/memory.js';
import { membersWithin } from './member-rows.js';

/**
 * Frames: 32-bit little-endian words; strings of bytes are padded to a word, a record begins at a
 * multiple of 8 bytes. Tags are never renumbered.
 *
 *   every frame   0 length in bytes   1 type | version <<8 | flags <<16   2 request
 *                 3 ring epoch        4–5 deadline (double, monotonic ms)
 *
 *   PUT           6 caller, or NO_CALLER        7 key hash       8 bucket | partition <<16
 *                 9 key bytes | context entries <<16
 *                10 operation | level <<8 | w <<16 | n <<24
 *                11 rule | condition <<8 | r <<16 | content type code <<24
 *                12 value bytes   13 content type bytes   14–15 `by` of an increment, or when the value of a put or touch
 *                expires (double, wall ms, 0: never)
 *                16 context entries (actor, n), key, content type, value
 *   PUT_REPLY     6 outcome   7 got   8 need   9 context entries   10–11 sum (double)   12 entries (actor, n)
 *   GET           6 token     7 key hash       8 bucket | partition <<16   9 key bytes   10 key
 *   GET_REPLY     6 outcome   7 token as asked   8 record, if the outcome is OK
 *   REPLICATE     6 level | rule <<8   7 actor of the sender   8 record
 *                 with HINT also: 6 … | owner <<16 | n <<24
 *   REPLICATE_ACK 6 outcome   7 actor as sent
 *   SCAN          6 limit     7 most bytes     8 bucket | partition <<16   9 bytes of `after`   10 after
 *   SCAN_REPLY    6 outcome   7 records        8 1 if there are no more    9 damaged records left out   10 records
 *   PING          6 1 if the sender hears nothing of the receiver   7 –
 *   PONG          6 –   7 –
 *   SYNC          6 –   7 –
 *   GOSSIP        6 digest of the sender's membership   7 members   8 members (member-rows.ts)
 *   TREE_COMPARE  6 nodes     7 –   8 per node: node, hash (2 words)
 *   TREE_DIFFER   6 outcome   7 nodes as asked   8 a bit per node, 1 if it differs, lowest first
 *   TREE_LIST     6 nodes     7 –   8 nodes
 *   TREE_KEYS     6 outcome   7 keys   8 position of the first   9 0 more follow, 1 end, 2 end and not all
 *                 10 per key: key hash, digest (2 words)
 *   TREE_FETCH    6 keys      7 request of the TREE_LIST   8 positions in its list
 *   TREE_RECORDS  6 outcome   7 records   8 positions done   9 –   10 records
 *   TREE_PUSH     6 –         7 records   8 –   9 –   10 records
 *   TREE_PUSHED   6 outcome   7 –
 *
 * A tree's node (shard/trees/nodes.ts) is one word: index within its level | level <<12 |
 * partition <<14 | n <<26. What belongs to one exchange carries one request number, counted up by
 * each question; all of it has a deadline.
 *   RANGE_COMPARE 6 partition | n <<16   7 records   8–9 hash of the tree's root
 *   RANGE_ANSWER  6 outcome   7 partition | n <<16
 *   RELAY         6 party to answer   7 –   8 the PUT
 *   HANDOFF       6 rule <<8  7 actor of the sender   8 record
 *   HANDOFF_ACK   6 outcome   7 actor as sent
 *   REAP          6 round (1 prove, 2 hide, 3 remove)   7 keys   8 per key: key hash, bucket | partition <<16,
 *                 key bytes, digest (2 words), key
 *   REAP_ANSWER   6 outcome   7 keys as asked   8 a bit per key, 1 for yes, lowest first
 *
 * Flags: REPAIR on a REPLICATE that read repair sent; SETTLED on a SCAN whose earlier page has
 * already waited for the engine; STRICT on a PUT that only owners may take; HINT on a REPLICATE to a
 * fallback, which keeps the record for the virtual node `owner` of a bucket of `n` copies; WANTED on
 * a GOSSIP that asks for the receiver's members; ANY on a PUT or GET to whichever virtual node (server-driven
 * coordination), then a GET has r | n <<8 in word 6; EVERY on a SCAN for a backup: all buckets of the
 * partition from the one that is named, whoever owns it, and what is damaged is left out.
 */
export const FRAME_VERSION = 1;
export const FRAME_HEADER_WORDS = 6;

export const PUT = 1;
export const PUT_REPLY = 2;
export const GET = 3;
export const GET_REPLY = 4;
export const REPLICATE = 5;
export const REPLICATE_ACK = 6;
export const SCAN = 7;
export const SCAN_REPLY = 8;
export const PING = 9;
export const PONG = 10;
export const GOSSIP = 11;
/** Whoever gets it syncs its journal at once; the watermark tells when it has. */
export const SYNC = 12;

export const TREE_COMPARE = 30;
export const TREE_DIFFER = 31;
export const TREE_LIST = 32;
export const TREE_KEYS = 33;
export const TREE_FETCH = 34;
export const TREE_RECORDS = 35;
export const TREE_PUSH = 36;
export const TREE_PUSHED = 37;
/** Hinted handoff has 20 to 29. */
export const HANDOFF = 20;
export const HANDOFF_ACK = 21;
/** A put that one virtual node passes on to another. */
export const RELAY = 60;

/** A ring change has 50 to 59. */
export const RANGE_COMPARE = 50;
export const RANGE_ANSWER = 51;

/** Reaping has 40 to 49. */
export const REAP = 40;
export const REAP_ANSWER = 41;

export const FLAG_REPAIR = 1;
export const FLAG_SETTLED = 2;
export const FLAG_STRICT = 4;
export const FLAG_HINT = 8;
export const FLAG_WANTED = 16;
/** A GET_REPLY of a virtual node that is being rebuilt: it counts neither as an absence nor towards R. */
export const FLAG_PARTIAL = 32;
export const FLAG_ANY = 64;
export const FLAG_EVERY = 128;

export const NO_CALLER = -1;

export const PUT_FIXED_WORDS = 16;
export const PUT_REPLY_WORDS = 12;
export const GET_FIXED_WORDS = 10;
export const RECORD_AT = 8;
export const RELAYED_AT = 8;
export const SCAN_RECORDS_AT = 10;
export const PING_WORDS = 8;
export const MEMBERS_AT = 8;
export const RANGE_WORDS = 10;
/** Where the nodes, bits or positions of a tree frame begin, and where its keys or records do. */
export const TREE_WORDS_AT = 8;
export const TREE_RECORDS_AT = 10;
/** Words of a node with its hash, and of a key with its digest. */
export const TREE_ENTRY_WORDS = 3;

export const REAP_KEYS_AT = 8;
/** Words of a key of a REAP frame, in front of the key itself. */
export const REAP_KEY_WORDS = 5;

export const LIST_GOES_ON = 0;
export const LIST_ENDS = 1;
export const LIST_IS_CUT = 2;

export const OP_PUT = 0;
export const OP_DELETE = 1;
export const OP_INCREMENT = 2;
/** What is there, with another time to expire. */
export const OP_TOUCH = 3;

export const RULE_SIBLINGS = 0;
export const RULE_LWW = 1;

export const IF_NOTHING = 0;
export const IF_ABSENT = 1;
export const IF_MATCH = 2;
export const IF_PRESENT = 3;

/** Outcomes of replies. */
export const OK = 0;
export const ABSENT = 1;
export const OUT_QUORUM = 2;
export const OUT_CONDITION = 3;
export const OUT_CONDITION_UNAVAILABLE = 4;
export const OUT_SIBLINGS = 5;
export const OUT_FULL = 6;
export const OUT_READ_ONLY = 7;
export const OUT_OVERLOADED = 8;
export const OUT_NOT_A_COUNTER = 9;
export const OUT_CORRUPT = 10;
export const OUT_CONTEXT = 11;
export const OUT_STALE_RING = 12;
export const OUT_TOO_LARGE = 13;
/** A counter has no time to live. */
export const OUT_COUNTER = 15;
/** The trees of the virtual node that was asked are being rebuilt. */
export const OUT_NO_TREES = 30;
/** Of a range: it is not the same here. */
export const OUT_DIFFERENT = 50;

export function frameType(words: Int32Array, at: number): number {
  return words[at + 1]! & 0xff;
}
export function frameVersion(words: Int32Array, at: number): number {
  return (words[at + 1]! >>> 8) & 0xff;
}
export function frameFlags(words: Int32Array, at: number): number {
  return words[at + 1]! >>> 16;
}
export function frameRequest(words: Int32Array, at: number): number {
  return words[at + 2]! >>> 0;
}
export function frameEpoch(words: Int32Array, at: number): number {
  return words[at + 3]! >>> 0;
}
export function frameDeadline(words: Int32Array, at: number): number {
  return readDouble(words, at + 4);
}

/** Writes words 1…5; the transport writes the length. */
export function writeHeader(
  words: Int32Array,
  at: number,
  type: number,
  flags: number,
  request: number,
  epoch: number,
  deadlineMs: number,
): void {
  words[at + 1] = type | (FRAME_VERSION << 8) | (flags << 16);
  words[at + 2] = request | 0;
  words[at + 3] = epoch | 0;
  writeDouble(words, at + 4, deadlineMs);
}

const MIN_WORDS: Readonly<Record<number, number>> = {
  [PUT]: PUT_FIXED_WORDS,
  [PUT_REPLY]: PUT_REPLY_WORDS,
  [GET]: GET_FIXED_WORDS,
  [GET_REPLY]: RECORD_AT,
  [REPLICATE]: RECORD_AT,
  [REPLICATE_ACK]: RECORD_AT,
  [SCAN]: GET_FIXED_WORDS,
  [SCAN_REPLY]: SCAN_RECORDS_AT,
  [PING]: PING_WORDS,
  [PONG]: PING_WORDS,
  [SYNC]: PING_WORDS,
  [GOSSIP]: MEMBERS_AT,
  [TREE_COMPARE]: TREE_WORDS_AT,
  [TREE_DIFFER]: TREE_WORDS_AT,
  [TREE_LIST]: TREE_WORDS_AT,
  [TREE_KEYS]: TREE_RECORDS_AT,
  [TREE_FETCH]: TREE_WORDS_AT,
  [TREE_RECORDS]: TREE_RECORDS_AT,
  [TREE_PUSH]: TREE_RECORDS_AT,
  [TREE_PUSHED]: TREE_WORDS_AT,
  [RANGE_COMPARE]: RANGE_WORDS,
  [RANGE_ANSWER]: RECORD_AT,
  [HANDOFF]: RECORD_AT,
  [HANDOFF_ACK]: RECORD_AT,
  [REAP]: REAP_KEYS_AT,
  [REAP_ANSWER]: REAP_KEYS_AT,
  [RELAY]: RELAYED_AT + PUT_FIXED_WORDS,
};

function padded(bytes: number): number {
  return (bytes + 3) >>> 2;
}

/** A record's word 1 is its length in bytes (storage/record.ts, which looks inside). */
const RECORD_LENGTH_WORD = 1;
const RECORD_LEAST_WORDS = 2;

/** The word behind a record at `word` that ends at `end` or before; −1 if it does not. */
function recordEnd(words: Int32Array, word: number, end: number): number {
  if (word + RECORD_LEAST_WORDS > end) return -1;
  const bytes = words[word + RECORD_LENGTH_WORD]!;
  if (bytes < RECORD_LEAST_WORDS * 4 || (bytes & 7) !== 0 || word + (bytes >>> 2) > end) return -1;
  return word + (bytes >>> 2);
}

function recordsWithin(words: Int32Array, from: number, records: number, end: number): boolean {
  if (records < 0) return false;
  let word = from;
  for (let i = 0; i < records; i++) {
    word = recordEnd(words, word, end);
    if (word < 0) return false;
  }
  return true;
}

/** Whether so many entries of so many words (or a part of one) fit between two words, and no more than a frame may have. */
function entriesWithin(entries: number, words: number, from: number, end: number): boolean {
  return entries >= 0 && entries <= LIMITS.treeNodes && from + entries * words <= end;
}

/** The engine has no place for records of another one. */
function isOfPartition(words: Int32Array, at: number): boolean {
  return words[at + 8]! >>> 16 < LIMITS.partitions;
}

/** A record has no room for the length of a longer one, and the engine takes none. */
function isKeyLength(bytes: number): boolean {
  return bytes > 0 && bytes <= LIMITS.keyBytes;
}

function reapKeysWithin(words: Int32Array, at: number, end: number): boolean {
  const keys = words[at + 7]!;
  if (keys < 0 || keys > LIMITS.reapKeys) return false;
  let word = at + REAP_KEYS_AT;
  for (let i = 0; i < keys; i++) {
    if (word + REAP_KEY_WORDS > end) return false;
    const bytes = words[word + 2]!;
    if (!isKeyLength(bytes)) return false;
    word += REAP_KEY_WORDS + padded(bytes);
  }
  return word <= end;
}

/** A PUT, which ends where its envelope does. */
function relayedIntact(words: Int32Array, at: number, have: number): boolean {
  const inner = at + RELAYED_AT;
  return (
    words[at + 6]! >= 0 &&
    words[inner]! >>> 2 === have - RELAYED_AT &&
    frameType(words, inner) === PUT &&
    frameIntact(words, inner)
  );
}

/**
 * Whether a frame is of a known type and version, lies within the memory, and its inner lengths
 * stay within it. Never throws. What is inside of records is for their reader to check.
 */
export function frameIntact(words: Int32Array, at: number): boolean {
  const bytes = words[at];
  if (bytes === undefined || (bytes & 7) !== 0) return false;
  // A negative length becomes a huge one.
  const have = bytes >>> 2;
  if (at + have > words.length) return false;
  const type = frameType(words, at);
  const least = MIN_WORDS[type];
  if (least === undefined || frameVersion(words, at) !== FRAME_VERSION || have < least) return false;
  switch (type) {
    case PUT: {
      if (words[at + 12]! < 0 || words[at + 13]! < 0 || words[at + 13]! > LIMITS.contentTypeBytes)
        return false;
      const keyBytes = words[at + 9]! & 0xffff;
      const context = (words[at + 9]! >>> 16) * 2;
      const parts = padded(keyBytes) + padded(words[at + 12]!) + padded(words[at + 13]!);
      return isKeyLength(keyBytes) && isOfPartition(words, at) && PUT_FIXED_WORDS + context + parts <= have;
    }
    case GET: {
      const keyBytes = words[at + 9]! & 0xffff;
      return isKeyLength(keyBytes) && isOfPartition(words, at) && GET_FIXED_WORDS + padded(keyBytes) <= have;
    }
    case SCAN: {
      const afterBytes = words[at + 9]! & 0xffff;
      const isPlace = isOfPartition(words, at) && (afterBytes === 0 || isKeyLength(afterBytes));
      return words[at + 6]! > 0 && isPlace && GET_FIXED_WORDS + padded(afterBytes) <= have;
    }
    case PUT_REPLY:
      return words[at + 9]! >= 0 && PUT_REPLY_WORDS + words[at + 9]! * 2 <= have;
    case GET_REPLY:
      return words[at + 6] !== OK || recordEnd(words, at + RECORD_AT, at + have) > 0;
    case REPLICATE:
    case HANDOFF:
      return recordEnd(words, at + RECORD_AT, at + have) > 0;
    case RELAY:
      return relayedIntact(words, at, have);
    case SCAN_REPLY:
      return recordsWithin(words, at + SCAN_RECORDS_AT, words[at + 7]!, at + have);
    case GOSSIP:
      return membersWithin(words, at + MEMBERS_AT, words[at + 7]!, at + have);
    case TREE_COMPARE:
      return entriesWithin(words[at + 6]!, TREE_ENTRY_WORDS, TREE_WORDS_AT, have);
    case TREE_DIFFER:
      return entriesWithin(words[at + 7]!, 1 / 32, TREE_WORDS_AT, have);
    case TREE_LIST:
    case TREE_FETCH:
      return entriesWithin(words[at + 6]!, 1, TREE_WORDS_AT, have);
    case TREE_KEYS:
      return entriesWithin(words[at + 7]!, TREE_ENTRY_WORDS, TREE_RECORDS_AT, have);
    case REAP:
      return reapKeysWithin(words, at, at + have);
    case REAP_ANSWER:
      return entriesWithin(words[at + 7]!, 1 / 32, REAP_KEYS_AT, have);
    case TREE_RECORDS:
    case TREE_PUSH:
      return recordsWithin(words, at + TREE_RECORDS_AT, words[at + 7]!, at + have);
    default:
      return true;
  }
}
