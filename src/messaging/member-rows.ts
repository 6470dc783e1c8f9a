import { LIMITS } from '../base/limits.js';
import { type Member, STATUS_NAMES } from '../ring/membership.js';

/**
 * Members in a GOSSIP frame, one behind the other:
 *
 *   0 bytes of the id | status <<8 | capacity <<16   1 incarnation   2 version   3 id, padded to a word
 */
const FIXED_WORDS = 3;

function rowWords(idBytes: number): number {
  return FIXED_WORDS + ((idBytes + 3) >>> 2);
}

/** Whether so many rows lie between two words, each of a known shape. */
export function membersWithin(words: Int32Array, from: number, count: number, end: number): boolean {
  if (count < 0 || count > LIMITS.members) return false;
  let word = from;
  for (let i = 0; i < count; i++) {
    if (word + FIXED_WORDS > end) return false;
    const idBytes = words[word]! & 0xff;
    if (idBytes === 0 || idBytes > LIMITS.memberIdBytes) return false;
    if (((words[word]! >>> 8) & 0xff) >= STATUS_NAMES.length) return false;
    if (words[word + 1]! < 0 || words[word + 2]! < 0) return false;
    word += rowWords(idBytes);
  }
  return word <= end;
}

/** Words that the rows of these members take. Ids are ASCII. */
export function memberWords(members: readonly Member[]): number {
  return members.reduce((sum, { id }) => sum + rowWords(id.length), 0);
}

export function writeMembers(
  members: readonly Member[],
  words: Int32Array,
  bytes: Uint8Array,
  at: number,
): void {
  let word = at;
  for (const { id, capacity, incarnation, version, status } of members) {
    words[word] = id.length | (status << 8) | (capacity << 16);
    words[word + 1] = incarnation;
    words[word + 2] = version;
    words.fill(0, word + FIXED_WORDS, word + rowWords(id.length));
    for (let i = 0; i < id.length; i++) bytes[(word + FIXED_WORDS) * 4 + i] = id.charCodeAt(i);
    word += rowWords(id.length);
  }
}

/** Rows that {@link membersWithin} has found intact. */
export function readMembers(words: Int32Array, bytes: Uint8Array, at: number, count: number): Member[] {
  const members: Member[] = [];
  let word = at;
  for (let i = 0; i < count; i++) {
    const idBytes = words[word]! & 0xff;
    const idAt = (word + FIXED_WORDS) * 4;
    members.push({
      id: String.fromCharCode(...bytes.subarray(idAt, idAt + idBytes)),
      capacity: words[word]! >>> 16,
      incarnation: words[word + 1]!,
      version: words[word + 2]!,
      status: (words[word]! >>> 8) & 0xff,
    });
    word += rowWords(idBytes);
  }
  return members;
}
