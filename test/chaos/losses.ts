import type { HostStore } from '../../src/client/api.js';
import type { Random } from '../../src/sim/random.js';

/** A directory that is gone is noticed within a second; until then nothing shows it. */
const NOTICED_MS = 2_500;
/** Where the machine stalls: by then it was noticed, or nothing was deleted. */
const SURELY_NOTICED_MS = 15_000;

/**
 * Says when and where data may be lost so that nothing acknowledged is: at one virtual node at a time,
 * since what is being rebuilt needs the others, and nowhere while a hint may be the second copy of
 * something. What is damaged may lie unread for long, so that is always the same virtual node's.
 */
export class Losses {
  private readonly store: HostStore;
  private readonly random: Random;
  private notedMs = Number.NEGATIVE_INFINITY;
  /** Whose directory was deleted last, and which thread it had. */
  private deleted: { readonly vnode: string; readonly incarnation: number } | undefined;
  /** Whose files are damaged, once they are. */
  damagedAt: string | undefined;

  constructor(store: HostStore, random: Random) {
    this.store = store;
    this.random = random;
  }

  /** Whether all data is where it belongs. */
  get allowed(): boolean {
    const { vnodes } = this.store.stats();
    const agoMs = performance.now() - this.notedMs;
    const last = vnodes.find(({ id }) => id === this.deleted?.vnode);
    const unnoticed = last !== undefined && last.incarnation === this.deleted!.incarnation;
    if (agoMs < NOTICED_MS || (unnoticed && agoMs < SURELY_NOTICED_MS)) return false;
    return vnodes.every(({ state, hints }) => state === 'serving' && hints.waiting === 0);
  }

  /** Whose data may be deleted now. */
  toDelete(): string | undefined {
    const { vnodes } = this.store.stats();
    // On top of damage that nobody has read yet a loss of its peers might be one too many.
    const whole = vnodes.filter(({ id }) => id !== this.damagedAt);
    if (!this.allowed) return undefined;
    const { id, incarnation } = this.random.pick(whole);
    this.deleted = { vnode: id, incarnation };
    return this.noted(id);
  }

  /** Whose data may be damaged now. */
  toDamage(): string | undefined {
    if (!this.allowed) return undefined;
    this.damagedAt ??= this.random.pick(this.store.stats().vnodes).id;
    return this.noted(this.damagedAt);
  }

  private noted(vnode: string): string {
    this.notedMs = performance.now();
    return vnode;
  }
}
