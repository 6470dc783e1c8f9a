import type { HostStore } from '../../src/client/api.js';
import type { Random } from '../../src/sim/random.js';

/** A directory that is gone is noticed within a second; until then nothing shows it. */
const NOTICED_MS = 2_500;

/**
 * Says when and where data may be lost so that nothing acknowledged is: at one virtual node at a time,
 * since what is being rebuilt needs the others, and nowhere while a hint may be the second copy of
 * something. What is damaged may lie unread for long, so that is always the same virtual node's.
 */
export class Losses {
  private readonly store: HostStore;
  private readonly random: Random;
  private nextMs = 0;
  /** Whose files are damaged, once they are. */
  damagedAt: string | undefined;

  constructor(store: HostStore, random: Random) {
    this.store = store;
    this.random = random;
  }

  /** Whether all data is where it belongs. */
  get allowed(): boolean {
    if (performance.now() < this.nextMs) return false;
    return this.store.stats().vnodes.every(({ state, hints }) => state === 'serving' && hints.waiting === 0);
  }

  /** Whose data may be deleted now. */
  toDelete(): string | undefined {
    const { vnodes } = this.store.stats();
    // On top of damage that nobody has read yet a loss of its peers might be one too many.
    const whole = vnodes.filter(({ id }) => id !== this.damagedAt);
    return this.allowed ? this.noted(this.random.pick(whole).id) : undefined;
  }

  /** Whose data may be damaged now. */
  toDamage(): string | undefined {
    if (!this.allowed) return undefined;
    this.damagedAt ??= this.random.pick(this.store.stats().vnodes).id;
    return this.noted(this.damagedAt);
  }

  private noted(vnode: string): string {
    this.nextMs = performance.now() + NOTICED_MS;
    return vnode;
  }
}
