import type { Condemned } from './condemned.js';
import { PROVE, REMOVE, type Round } from './reap-frames.js';

/** Tombstones that go through the rounds together. */
export class Batch {
  keys: readonly Condemned[];
  round: Round = PROVE;
  /** When the next question is asked; meanwhile nobody is. */
  dueMs: number;
  /** When the answers to the question that is out are given up. */
  untilMs = 0;
  /** Who has not answered it, and its number. */
  readonly open = new Set<number>();
  request = -1;
  /** How often the last question was asked. */
  removals = 0;
  private good: boolean[] = [];

  constructor(keys: readonly Condemned[], nowMs: number) {
    this.keys = keys;
    this.dueMs = nowMs;
  }

  get asking(): boolean {
    return this.open.size > 0;
  }

  begin(request: number, members: readonly number[], untilMs: number): void {
    this.request = request;
    this.untilMs = untilMs;
    this.good = this.keys.map(() => true);
    for (const member of members) this.open.add(member);
    if (this.round === REMOVE) this.removals++;
  }

  /** True once all have answered. An answer counts once, whatever arrives twice. */
  answered(member: number, good: readonly boolean[]): boolean {
    if (good.length !== this.keys.length || !this.open.delete(member)) return false;
    this.good = this.good.map((yes, i) => yes && good[i]!);
    return this.open.size === 0;
  }

  /** The keys that somebody said no to leave the batch. */
  sift(): Condemned[] {
    const refused = this.keys.filter((_, i) => !this.good[i]!);
    this.keys = this.keys.filter((_, i) => this.good[i]!);
    return refused;
  }
}
