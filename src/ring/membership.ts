import { LIMITS } from '../base/limits.js';
import { hashWords } from '../base/hash.js';
import type { Ring } from './ring.js';

export const STATUS_MEMBER = 0;
export const STATUS_JOINING = 1;
export const STATUS_LEAVING = 2;
export const STATUS_LEFT = 3;
export const STATUS_NAMES = ['member', 'joining', 'leaving', 'left'] as const;

/** A virtual node, as membership knows it. */
export interface Member {
  /** "n1.0" */
  readonly id: string;
  /** Of its node. */
  readonly capacity: number;
  /** Number of the thread that serves it, from 1; 0: not heard of since the store opened. */
  readonly incarnation: number;
  /** Raised with every change of the row; the highest version of a member wins. */
  readonly version: number;
  readonly status: number;
}

/**
 * Who belongs to the store (paper §4.8): of each member the row with the highest version. `merge`
 * takes a maximum in a total order, so that it is commutative, associative and idempotent, and
 * members that gossip in any order come to the same rows.
 */
export class Membership {
  private readonly rows = new Map<string, Member>();
  private cachedDigest: number | undefined;

  constructor(members: Iterable<Member> = []) {
    for (const member of members) this.merge(member);
  }

  /** The rows that a ring was made with; everybody begins with the same. */
  static of(ring: Ring): Membership {
    return new Membership(
      ring.vnodes.map(({ id, nodeIndex }) => ({
        id,
        capacity: ring.nodes[nodeIndex]!.capacity,
        incarnation: 0,
        version: 0,
        status: STATUS_MEMBER,
      })),
    );
  }

  /** Takes a row in if it is newer than the one that is known; whether it was. */
  merge(member: Member): boolean {
    const known = this.rows.get(member.id);
    if (known === undefined ? this.rows.size >= LIMITS.members : compareMembers(member, known) <= 0)
      return false;
    this.rows.set(member.id, member);
    this.cachedDigest = undefined;
    return true;
  }

  get(id: string): Member | undefined {
    return this.rows.get(id);
  }

  /** Ascending by id. */
  list(): Member[] {
    return Array.from(this.rows.values()).sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** The same for equal rows; 32 bits. */
  get digest(): number {
    this.cachedDigest ??= digestOf(this.list());
    return this.cachedDigest;
  }
}

/** Positive if `a` wins. Only rows that are equal compare as 0. */
export function compareMembers(a: Member, b: Member): number {
  return (
    a.version - b.version || a.incarnation - b.incarnation || a.status - b.status || a.capacity - b.capacity
  );
}

function digestOf(members: readonly Member[]): number {
  const text = JSON.stringify(
    members.map(({ id, capacity, incarnation, version, status }) => [
      id,
      capacity,
      incarnation,
      version,
      status,
    ]),
  );
  const words = Int32Array.from(text, (character) => character.charCodeAt(0));
  return hashWords(words, 0, words.length, 0x4d454d42);
}
