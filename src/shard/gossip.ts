import { FLAG_WANTED, frameFlags, GOSSIP, MEMBERS_AT, writeHeader } from '../messaging/frames.js';
import { memberWords, readMembers, writeMembers } from '../messaging/member-rows.js';
import { compareMembers, type Member, Membership } from '../ring/membership.js';
import type { VnodeEnvironment } from './environment.js';
import type { Service } from './service.js';

const GOSSIP_MS = 1_000;
/** An exchange that is older is left to the next one. */
const LIFETIME_MS = 10_000;

/**
 * Membership spreads by gossip (paper §4.8.1): every second this virtual node tells a random peer
 * the digest of what it knows. If they differ, the peer answers with its members and asks for ours;
 * both merge. Suspected peers are talked to as well, or a partition would never heal.
 */
export class Gossip implements Service {
  readonly frames = [GOSSIP];
  readonly membership: Membership;
  private readonly env: VnodeEnvironment;
  private readonly own: string;
  private nextMs = Number.NEGATIVE_INFINITY;

  constructor(env: VnodeEnvironment) {
    this.env = env;
    this.membership = Membership.of(env.ring);
    this.own = env.ring.vnodes[env.ordinal]!.id;
    const first = this.membership.get(this.own)!;
    this.merge({ ...first, incarnation: env.incarnation, version: 1 });
  }

  readonly receive = (from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    if (from >= this.env.ring.vnodes.length) return;
    for (const member of readMembers(words, bytes, at + MEMBERS_AT, words[at + 7]!)) this.merge(member);
    const wanted = (frameFlags(words, at) & FLAG_WANTED) !== 0;
    // A greeting brings no members; where the digests agree there is nothing to say.
    if (words[at + 7] === 0 && words[at + 6] !== this.membership.digest)
      this.tell(from, this.membership.list(), FLAG_WANTED);
    else if (wanted && words[at + 6] !== this.membership.digest) this.tell(from, this.membership.list(), 0);
  };

  poll(nowMs: number): number {
    if (nowMs < this.nextMs) return this.nextMs;
    const first = this.nextMs === Number.NEGATIVE_INFINITY;
    // Threads start together: a random phase keeps them from talking all at once for ever.
    this.nextMs = nowMs + (first ? GOSSIP_MS * this.env.random() : GOSSIP_MS);
    const peer = first ? -1 : this.somebody();
    if (peer >= 0) this.tell(peer, [], 0);
    return this.nextMs;
  }

  private merge(member: Member): void {
    const known = this.membership.get(member.id);
    const { incarnation } = this.env;
    // Newer than ours, but about an earlier thread of ours: what it says holds, except for who serves.
    const row =
      member.id === this.own && member.incarnation < incarnation && compareMembers(member, known!) > 0
        ? { ...member, incarnation, version: member.version + 1 }
        : member;
    if (this.membership.merge(row)) this.env.publishMembership(this.membership.digest);
  }

  /** A random peer whose thread is there; −1 if there is none. */
  private somebody(): number {
    const { ring, ordinal } = this.env;
    const peers = ring.vnodes.filter(
      (vnode) => vnode.ordinal !== ordinal && this.env.isServing(vnode.ordinal),
    );
    return peers[Math.floor(this.env.random() * peers.length)]?.ordinal ?? -1;
  }

  private tell(to: number, members: readonly Member[], flags: number): void {
    const outbox = this.env.endpoint.to(to);
    const at = outbox.begin((MEMBERS_AT + memberWords(members)) * 4);
    const { words, bytes } = outbox;
    writeHeader(words, at, GOSSIP, flags, 0, this.env.ring.epoch, this.env.clock.nowMs() + LIFETIME_MS);
    words[at + 6] = this.membership.digest;
    words[at + 7] = members.length;
    writeMembers(members, words, bytes, at + MEMBERS_AT);
    outbox.end();
  }
}
