import { RingletError } from '../base/errors.js';
import type { Lease, LeaseName } from '../messaging/lease-table.js';
import { checkRequest } from './arguments.js';
import { contentTypeOf } from './bucket-writes.js';
import type {
  GetOrSetOptions,
  GetOrSetResult,
  GetResult,
  Key,
  Load,
  PutOptions,
  PutResult,
  Value,
} from './api.js';
import type { Connection } from './connection.js';
import { VectorContext } from './context.js';
import { Flight } from './flight.js';
import { GET_OR_SET_OPTIONS } from './known-options.js';
import { aborted } from './located.js';
import { checkLifetime, checkTtl, timeoutOf } from './policy.js';
import { bufferOf } from './value-pool.js';

/** What the bucket does for it. */
export interface Cached {
  readonly name: string;
  readonly connection: Connection;
  get(key: Key, options: { readonly timeoutMs: number; readonly signal?: AbortSignal }): Promise<GetResult>;
  put(key: Key, value: Value, options: PutOptions): Promise<PutResult>;
  /** Leaves a tombstone; one with a time says that it is known until then that there is nothing. */
  remove(key: Key, options: PutOptions): Promise<PutResult>;
  /** Of values that are put without one; 0: for ever. */
  ttlMs(): number;
}

interface Wanted {
  readonly key: Key;
  readonly load: Load;
  readonly lifeMs: number;
  readonly staleMs: number;
  readonly negativeMs: number;
  readonly contentType: string | undefined;
}

export type GetOrSetFlight = Flight<GetOrSetResult>;
type Freshness = 'missing' | 'fresh' | 'stale';

const NOTHING_YET = new VectorContext([]);

/**
 * Gets that load what is missing, one at a time per key over all threads of the process.
 *
 * In one thread those who want the same key share a *flight*. Over threads a flight holds the key's
 * lease (messaging/lease-table.ts) while it loads; the others wait until the lease is gone and read
 * again. Values travel through the store alone. What was loaded is put on the condition that the key
 * is as it was before the load: whoever put or deleted it meanwhile knows better.
 */
export class GetOrSet {
  private readonly cached: Cached;
  private readonly seed: number;

  constructor(cached: Cached) {
    this.cached = cached;
    let seed = 0x1ea5e;
    for (let i = 0; i < cached.name.length; i++)
      seed = Math.imul(seed ^ cached.name.charCodeAt(i), 0x01000193);
    this.seed = seed;
  }

  async run(key: Key, load: Load, options: GetOrSetOptions): Promise<GetOrSetResult> {
    const { connection } = this.cached;
    checkRequest(options, GET_OR_SET_OPTIONS);
    const timeoutMs = timeoutOf(options.timeoutMs);
    const { signal } = options;
    if (signal?.aborted === true) throw aborted(false);
    const wanted = this.wantedOf(key, load, options);
    const startedMs = connection.clock.nowMs();
    const seen = await this.cached.get(key, { timeoutMs, ...(signal === undefined ? {} : { signal }) });
    const freshness = this.freshnessOf(seen, wanted.staleMs);
    if (freshness === 'fresh') return { ...seen, source: 'stored' };
    connection.assertOpen();
    if (freshness === 'stale') {
      this.refresh(wanted, timeoutMs);
      return { ...seen, source: 'stale' };
    }
    const leftMs = Math.max(1, timeoutMs - (connection.clock.nowMs() - startedMs));
    return this.flightOf(wanted).join(connection.clock.nowMs(), leftMs, signal);
  }

  private wantedOf(key: Key, load: Load, options: GetOrSetOptions): Wanted {
    if (typeof load !== 'function')
      throw new RingletError('BAD_REQUEST', 'load is a function', { type: typeof load });
    checkLifetime(options.ttlMs === undefined ? {} : { ttlMs: options.ttlMs });
    const { staleWhileRevalidateMs: staleMs = 0, negativeTtlMs: negativeMs = 0 } = options;
    checkTtl(staleMs, 0, 'staleWhileRevalidateMs');
    checkTtl(negativeMs, 0, 'negativeTtlMs');
    const { connection } = this.cached;
    const ttlMs = options.ttlMs ?? this.cached.ttlMs();
    const lifeMs = ttlMs === 0 ? 0 : ttlMs + staleMs;
    checkTtl(lifeMs, 0, 'ttlMs + staleWhileRevalidateMs');
    // Now, and not when the value is there.
    contentTypeOf('', options.contentType);
    connection.router.locate(key);
    // Whoever waits in another turn must find the bytes as they are now.
    const own = typeof key === 'string' ? key : Uint8Array.from(key);
    return { key: own, load, lifeMs, staleMs, negativeMs, contentType: options.contentType };
  }

  private freshnessOf(seen: GetResult, staleMs: number): Freshness {
    const nowMs = this.cached.connection.expiry.nowMs();
    if (!seen.found) return (seen.absentUntilMs ?? 0) > nowMs ? 'fresh' : 'missing';
    const isStale = seen.siblings.some(
      ({ expiresAtMs }) => expiresAtMs !== undefined && expiresAtMs - staleMs <= nowMs,
    );
    return isStale ? 'stale' : 'fresh';
  }

  private nameOf(key: Key): { readonly flight: string; readonly lease: LeaseName } {
    const { connection, name } = this.cached;
    const { router } = connection;
    router.locate(key);
    const bytes = Buffer.from(router.bytes.buffer, 0, router.keyBytes).toString('latin1');
    return {
      flight: `${name}/${bytes}`,
      lease: connection.leases.nameOf(this.seed, router.hash, router.words, router.keyWords),
    };
  }

  /** The flight of this thread for a key: the one there is, or a new one. */
  private flightOf(wanted: Wanted): GetOrSetFlight {
    const { flights } = this.cached.connection;
    const { flight: name, lease } = this.nameOf(wanted.key);
    const known = flights.get(name);
    if (known !== undefined) return known;
    return this.begin(name, (flight) => this.fly(flight, lease, wanted));
  }

  private begin(name: string, work: (flight: GetOrSetFlight) => Promise<GetOrSetResult>): GetOrSetFlight {
    const { flights } = this.cached.connection;
    const flight: GetOrSetFlight = new Flight(() => flights.delete(name));
    flights.set(name, flight);
    // After somebody has joined: then it is known how long it is waited for.
    flight.begin(() => Promise.resolve().then(() => work(flight)));
    return flight;
  }

  /** Loads anew in the background what is stale, unless somebody does so already. */
  private refresh(wanted: Wanted, timeoutMs: number): void {
    const { connection } = this.cached;
    const { flights, leases, caller, clock } = connection;
    const { flight: name, lease } = this.nameOf(wanted.key);
    if (flights.has(name)) return;
    const nowMs = clock.nowMs();
    const held = leases.take(lease, caller, nowMs, nowMs + timeoutMs);
    if (!held.taken) return;
    const flight = this.begin(name, (begun) => this.loadHolding(held, begun, wanted));
    // What is stale goes on to be told until its time is over; after that errors are.
    flight.join(nowMs, timeoutMs, undefined, true).catch(() => undefined);
  }

  private async fly(flight: GetOrSetFlight, name: LeaseName, wanted: Wanted): Promise<GetOrSetResult> {
    const { leases, caller, clock } = this.cached.connection;
    for (;;) {
      this.cached.connection.assertOpen();
      const nowMs = clock.nowMs();
      const lease = leases.take(name, caller, nowMs, flight.untilMs);
      if (lease.taken) return await this.loadHolding(lease, flight, wanted);
      await flight.unlessEnded(leases.wait(lease, nowMs, flight.untilMs - nowMs + 1));
      const seen = await this.look(flight, wanted.key);
      if (this.freshnessOf(seen, wanted.staleMs) !== 'missing') return { ...seen, source: 'stored' };
    }
  }

  private look(flight: GetOrSetFlight, key: Key): Promise<GetResult> {
    const leftMs = Math.max(1, flight.untilMs - this.cached.connection.clock.nowMs());
    return this.cached.get(key, { timeoutMs: leftMs, signal: flight.signal });
  }

  private async loadHolding(lease: Lease, flight: GetOrSetFlight, wanted: Wanted): Promise<GetOrSetResult> {
    const { connection } = this.cached;
    const { leases } = connection;
    flight.onExtended = (untilMs) => leases.extend(lease, untilMs);
    try {
      // Somebody may have stored it after we looked and before we had the lease.
      const seen = await this.look(flight, wanted.key);
      if (this.freshnessOf(seen, wanted.staleMs) === 'fresh') return { ...seen, source: 'stored' };
      const { key, load } = wanted;
      const loading = Promise.resolve(load({ key, signal: flight.signal }));
      const value = await flight.unlessEnded(loading);
      return await this.store(wanted, seen, value, flight);
    } finally {
      flight.onExtended = undefined;
      // The slot of a caller that is closed may be another's by now; the host clears what it held.
      if (!connection.isClosed) leases.giveUp(lease);
    }
  }

  /** An error that passes by itself is no reason to keep from the caller what was loaded. */
  private async store(
    wanted: Wanted,
    seen: GetResult,
    value: Value | undefined,
    flight: GetOrSetFlight,
  ): Promise<GetOrSetResult> {
    const loaded = this.resultOf(wanted, value);
    if (value === undefined && wanted.negativeMs === 0 && !seen.found)
      return seen.context === undefined ? loaded : { ...loaded, context: seen.context };
    try {
      const { context } = await this.write(wanted, seen, value, flight);
      return { ...loaded, context };
    } catch (error) {
      if (!(error instanceof RingletError)) throw error;
      if (error.code === 'CONDITION_FAILED') {
        const now = await this.look(flight, wanted.key);
        if (this.freshnessOf(now, wanted.staleMs) === 'fresh') return { ...now, source: 'stored' };
      } else if (!error.retryable || error.code === 'ABORTED') {
        throw error;
      }
      return { ...loaded, error };
    }
  }

  private write(
    wanted: Wanted,
    seen: GetResult,
    value: Value | undefined,
    flight: GetOrSetFlight,
  ): Promise<PutResult> {
    const { connection } = this.cached;
    const { key, lifeMs, negativeMs, contentType } = wanted;
    const common = {
      ifMatch: seen.context ?? NOTHING_YET,
      timeoutMs: Math.max(1, flight.untilMs - connection.clock.nowMs()),
      signal: flight.signal,
    };
    if (value !== undefined) {
      const type = contentType === undefined ? {} : { contentType };
      return this.cached.put(key, value, { ...common, ...type, ttlMs: lifeMs });
    }
    const absence = negativeMs === 0 ? {} : { expiresAtMs: connection.expiry.nowMs() + negativeMs };
    return this.cached.remove(key, { ...common, ...absence });
  }

  private resultOf({ lifeMs, negativeMs, contentType }: Wanted, value: Value | undefined): GetOrSetResult {
    const nowMs = this.cached.connection.expiry.nowMs();
    if (value === undefined) {
      const absence = negativeMs === 0 ? {} : { absentUntilMs: nowMs + negativeMs };
      return { found: false, siblings: [], degraded: false, source: 'loaded', ...absence };
    }
    const isText = typeof value === 'string';
    const bytes = isText ? Buffer.from(value) : bufferOf(value);
    const sibling = {
      value: bytes,
      contentType: contentType ?? (isText ? 'text/plain;charset=utf-8' : 'application/octet-stream'),
      modifiedAtMs: nowMs,
      ...(lifeMs === 0 ? {} : { expiresAtMs: nowMs + lifeMs }),
    };
    return { found: true, value: bytes, siblings: [sibling], degraded: false, source: 'loaded' };
  }
}
