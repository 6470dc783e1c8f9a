import type { ServerResponse } from 'node:http';
import type { Latency, RingDescription, Store } from '../../client/api.js';
import { quantileUs } from '../../client/latencies.js';
import { offAbort, onAbort } from '../../client/signals.js';

const EVERY_MS = 1_000;
/** Pages that watch at the same time. */
const MAX_WATCHERS = 32;
/** What a page that does not read may leave unread. */
const MAX_UNREAD_BYTES = 4 << 20;

/** How long requests of one kind took in the last second; null without any. */
interface Pace {
  readonly perSecond: number;
  readonly errorsPerSecond: number;
  readonly p50Us: number | null;
  readonly p99Us: number | null;
  readonly p999Us: number | null;
}

/**
 * What the dashboard shows, once a second, to all pages that watch (server-sent events). Nothing is
 * read while nobody does.
 */
export class Feed {
  readonly #store: Store;
  readonly #watchers = new Set<ServerResponse>();
  #timer: NodeJS.Timeout | undefined;
  #before: { readonly atMs: number; readonly latencies: readonly Latency[] } | undefined;
  /** What all pages have been told last. */
  #lists: RingDescription['preferenceLists'] | undefined;
  #pending = false;

  constructor(store: Store) {
    this.#store = store;
  }

  get full(): boolean {
    return this.#watchers.size >= MAX_WATCHERS;
  }

  /** @param gone fires with the connection: an answer that begins after its end does not hear of it */
  watch(response: ServerResponse, gone: AbortSignal): void {
    if (gone.aborted) return;
    response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    });
    const leave = (): void => {
      offAbort(gone, leave);
      this.#leave(response);
    };
    response.once('close', leave);
    onAbort(gone, leave);
    this.#watchers.add(response);
    this.#lists = undefined;
    if (this.#timer === undefined) {
      this.#before = { atMs: performance.now(), latencies: this.#store.latencies() };
      this.#timer = setInterval(() => void this.#tell(), EVERY_MS);
      this.#timer.unref();
    }
    void this.#tell();
  }

  close(): void {
    for (const response of this.#watchers) {
      response.end();
      // At once: it may be long until the page has read the end, and nothing is written behind it.
      this.#leave(response);
    }
  }

  #leave(response: ServerResponse): void {
    this.#watchers.delete(response);
    if (this.#watchers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #tell(): Promise<void> {
    if (this.#pending) return;
    this.#pending = true;
    try {
      const { preferenceLists, ...ring } = this.#store.ring();
      const moment = {
        atMs: Date.now(),
        ring,
        stats: this.#store.stats(),
        pace: this.#pace(),
        buckets: await this.#store.buckets(),
      };
      // A store describes one ring by the same lists each time.
      const isTold = preferenceLists === this.#lists;
      const owners = isTold ? '' : JSON.stringify({ epoch: ring.epoch, preferenceLists });
      this.#lists = preferenceLists;
      this.#send(
        `${isTold ? '' : `event: owners\ndata: ${owners}\n\n`}event: moment\ndata: ${JSON.stringify(moment)}\n\n`,
      );
    } catch {
      // A store that closes has nothing to tell any more.
      this.close();
    } finally {
      this.#pending = false;
    }
  }

  #send(text: string): void {
    for (const response of this.#watchers) {
      if (response.writableLength > MAX_UNREAD_BYTES) response.destroy();
      else response.write(text);
    }
  }

  #pace(): Record<string, Pace> {
    const now = { atMs: performance.now(), latencies: this.#store.latencies() };
    const { atMs, latencies } = this.#before ?? now;
    const seconds = Math.max(0.05, (now.atMs - atMs) / 1000);
    // A page that has just come is told at once: that says nothing about a second yet.
    if (seconds > 0.5) this.#before = now;
    const paces: Record<string, Pace> = {};
    for (const operation of ['get', 'put', 'delete', 'increment'] as const) {
      const was = latencies.filter((latency) => latency.operation === operation);
      const is = now.latencies.filter((latency) => latency.operation === operation);
      paces[operation] = paceOf(was, is, seconds);
    }
    return paces;
  }
}

function paceOf(was: readonly Latency[], is: readonly Latency[], seconds: number): Pace {
  const cells: number[] = [];
  let count = 0;
  let errors = 0;
  for (const [latencies, sign] of [
    [was, -1],
    [is, 1],
  ] as const) {
    for (const latency of latencies) {
      count += sign * latency.count;
      if (latency.outcome === 'error') errors += sign * latency.count;
      latency.cells.forEach((value, cell) => (cells[cell] = (cells[cell] ?? 0) + sign * value));
    }
  }
  const quantile = (share: number): number | null => (count > 0 ? quantileUs(cells, share) : null);
  return {
    perSecond: count / seconds,
    errorsPerSecond: errors / seconds,
    p50Us: quantile(0.5),
    p99Us: quantile(0.99),
    p999Us: quantile(0.999),
  };
}
