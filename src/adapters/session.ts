import { type SessionData, Store } from 'express-session';
import { RingletError } from '../base/errors.js';
import type { Lifetime } from '../client/api.js';
import { checkKnown, known } from '../client/known-options.js';
import { checkTtl } from '../client/policy.js';
import { type AdapterTarget, AdapterBucket, clear, decode, remove } from './adapter-bucket.js';

export type { AdapterTarget } from './adapter-bucket.js';

export interface SessionStoreOptions {
  /** How long a session lives whose cookie has no end (no `maxAge`), in milliseconds; 1 to ten years, default one day. */
  readonly ttlMs?: number;
}

type Callback<T> = (error: unknown, value?: T) => void;

const OPTIONS = known<SessionStoreOptions>('a session store has no option', { ttlMs: true });
const DAY_MS = 86_400_000;
/** express-session holds the response back until its session is prolonged. */
const TOUCH_MS = 500;
/** What says that it could not be prolonged in that time. */
const TOO_LATE: readonly string[] = ['CONDITION_UNAVAILABLE', 'TIMEOUT'];

/**
 * A store for express-session:
 *
 *     app.use(session({ store: new RingletSessionStore({ store }), secret, resave: false, saveUninitialized: false }));
 *
 * A session is JSON under its id and ends with its cookie. The bucket holds nothing but sessions:
 * `all`, `length` and `clear` mean everything that is in it.
 */
export class RingletSessionStore extends Store {
  private readonly home: AdapterBucket;
  private readonly ttlMs: number;

  /**
   * @param target the bucket is "sessions" if it names none
   * @throws RingletError BAD_REQUEST; methods hand RingletErrors to their callbacks
   */
  constructor(target: AdapterTarget, options: SessionStoreOptions = {}) {
    super();
    checkKnown(options, OPTIONS);
    const { ttlMs = DAY_MS } = options;
    checkTtl(ttlMs, 1);
    this.home = new AdapterBucket(target, 'sessions');
    this.ttlMs = ttlMs;
  }

  override get(sid: string, callback: Callback<SessionData | null>): void {
    this.answer(this.read(sid), callback);
  }

  private async read(sid: string): Promise<SessionData | null> {
    const { siblings } = await (await this.home.get()).get(sid);
    return siblings[0] === undefined ? null : (JSON.parse(decode(siblings[0].value)) as SessionData);
  }

  override set(sid: string, session: SessionData, callback?: Callback<void>): void {
    this.answer(this.write(sid, session), callback);
  }

  private async write(sid: string, session: SessionData): Promise<void> {
    const lifetime = this.lifetimeOf(session);
    const bucket = await this.home.get();
    await bucket.put(sid, JSON.stringify(session), {
      contentType: 'application/json',
      ...(typeof lifetime === 'number' ? { ttlMs: lifetime } : lifetime),
    });
  }

  override destroy(sid: string, callback?: Callback<void>): void {
    this.answer(
      this.home.get().then(async (bucket) => {
        await remove(bucket, sid);
      }),
      callback,
    );
  }

  /**
   * Prolongs a session without writing it again. While the key's first owner is away that cannot
   * be: after half a second the callback gets no error, and the next request tries again.
   */
  override touch(sid: string, session: SessionData, callback?: Callback<void>): void {
    this.answer(this.prolong(sid, session), callback);
  }

  private async prolong(sid: string, session: SessionData): Promise<void> {
    try {
      const bucket = await this.home.get();
      await bucket.touch(sid, this.lifetimeOf(session), { timeoutMs: TOUCH_MS });
    } catch (error) {
      if (!(error instanceof RingletError && TOO_LATE.includes(error.code))) throw error;
    }
  }

  /** All sessions, each with its `id`, in no order. */
  override all(callback: Callback<SessionData[]>): void {
    this.answer(this.list(), callback);
  }

  private async list(): Promise<SessionData[]> {
    const sessions: SessionData[] = [];
    for await (const { key, siblings } of (await this.home.get()).scan()) {
      if (siblings[0] === undefined) continue;
      const session = JSON.parse(decode(siblings[0].value)) as SessionData;
      sessions.push(Object.assign(session, { id: decode(key) }));
    }
    return sessions;
  }

  override length(callback: Callback<number>): void {
    this.answer(this.count(), callback);
  }

  private async count(): Promise<number> {
    let sessions = 0;
    for await (const { siblings } of (await this.home.get()).scan()) if (siblings.length > 0) sessions++;
    return sessions;
  }

  override clear(callback?: Callback<void>): void {
    this.answer(
      this.home.get().then((bucket) => clear(bucket, '')),
      callback,
    );
  }

  /** Closes the store under it if it has opened that itself. */
  async close(): Promise<void> {
    await this.home.close();
  }

  private lifetimeOf({ cookie: { expires } }: SessionData): Lifetime {
    if (expires === null || expires === undefined || typeof expires === 'boolean') return this.ttlMs;
    // The time itself and not how long until then: one that is over makes the session unseen at once.
    return { expiresAtMs: Math.max(1, new Date(expires).getTime()) };
  }

  /** Callbacks run outside of the promise: what they throw is theirs and no rejection of ours. */
  private answer<T>(work: Promise<T>, callback: Callback<T> | undefined): void {
    work.then(
      (value) => callback && process.nextTick(callback, null, value),
      (error: unknown) => {
        if (callback !== undefined) process.nextTick(callback, error);
        else if (this.listenerCount('error') > 0) this.emit('error', error);
      },
    );
  }
}
