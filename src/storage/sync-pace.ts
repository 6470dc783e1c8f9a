/** What requests may wait for background work too (storage/admission.ts); handing a sync over costs two wake-ups. */
const BRIEF_MS = 2;
/** Weight of the last sync. */
const WEIGHT = 1 / 8;

/** How long syncs of a disk take, by their moving average. Unknown at first: then they are not brief. */
export class SyncPace {
  private averageMs = Number.POSITIVE_INFINITY;

  note(tookMs: number): void {
    if (this.averageMs === Number.POSITIVE_INFINITY) this.averageMs = tookMs;
    else this.averageMs += (tookMs - this.averageMs) * WEIGHT;
  }

  get brief(): boolean {
    return this.averageMs < BRIEF_MS;
  }
}
