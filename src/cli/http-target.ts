import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import type {
  BucketProperties,
  Fault,
  RingDescription,
  Sibling,
  StoreStats,
  TimelineEvent,
} from '../client/api.js';
import type { JoinRequest, RingPlan, RingProgress } from '../client/ring-api.js';
import { type Call, type Credentials, HttpCaller, problemError, readBody } from './http-call.js';
import type { Found, Inspected, Listed, ListOptions, Target, WriteOptions } from './target.js';

interface SiblingLine {
  readonly value: string;
  readonly contentType: string;
  readonly modifiedAt: string;
  readonly expiresAt?: string;
}

interface InspectionAnswer extends Omit<Inspected, 'degraded' | 'deleted' | 'siblings' | 'timeline'> {
  readonly result: {
    readonly found: boolean;
    readonly degraded: boolean;
    readonly context?: string;
    readonly siblings: readonly SiblingLine[];
    readonly timeline?: readonly TimelineEvent[];
  };
}

interface KeyLine {
  readonly key?: string;
  readonly keyBase64?: string;
  readonly cursor: string;
  readonly context: string;
  readonly values?: readonly SiblingLine[];
  readonly error?: object;
}

/** It is answered from memory. */
const HEALTH_MS = 10_000;

/** A store that runs elsewhere, by its HTTP interface. */
export class HttpTarget implements Target {
  readonly #caller: HttpCaller;
  /** For what is under `/admin/`. */
  readonly #admin: HttpCaller;

  constructor(url: string, credentials: Credentials = {}, adminUrl = url) {
    this.#caller = new HttpCaller(url, credentials);
    this.#admin = adminUrl === url ? this.#caller : new HttpCaller(adminUrl, credentials);
  }

  /** Which run of a store answers here; undefined when none does, as when it was killed or hangs. */
  async instance(answerMs = HEALTH_MS): Promise<string | undefined> {
    try {
      const response = await this.#caller.send({ method: 'GET', path: '/healthz', answerMs });
      // 503 as well names the instance: a store that recovers is still the one that runs there.
      return (JSON.parse((await readBody(response)).toString()) as { instance?: string }).instance;
    } catch {
      return undefined;
    }
  }

  async get(bucket: string, key: string | Uint8Array): Promise<Found> {
    const response = await this.#caller.send({ method: 'GET', path: keyPath(bucket, key) });
    const body = await readBody(response);
    const context = header(response, 'ringlet-context');
    const siblings = siblingsIn(response, body);
    return {
      siblings,
      degraded: header(response, 'ringlet-degraded') === 'true',
      ...(context === undefined ? {} : { context }),
    };
  }

  async put(
    bucket: string,
    key: string | Uint8Array,
    value: Uint8Array,
    options: WriteOptions,
  ): Promise<string> {
    const headers = {
      'Content-Type': options.contentType ?? 'application/octet-stream',
      ...(options.context === undefined ? {} : { 'Ringlet-Context': options.context }),
      ...(options.ifAbsent === true ? { 'If-None-Match': '*' } : {}),
    };
    const response = await this.#caller.send({
      method: 'PUT',
      path: keyPath(bucket, key) + lifetimeQuery(options.expiresAtMs),
      headers,
      body: value,
    });
    return contextAfterWrite(response);
  }

  async delete(bucket: string, key: string, { context }: Pick<WriteOptions, 'context'>): Promise<string> {
    const headers: Record<string, string> = context === undefined ? {} : { 'Ringlet-Context': context };
    const response = await this.#caller.send({ method: 'DELETE', path: keyPath(bucket, key), headers });
    return contextAfterWrite(response);
  }

  async *list(bucket: string, { prefix, limit, cursor, values = true }: ListOptions): AsyncGenerator<Listed> {
    const query = new URLSearchParams({ values: String(values) });
    if (prefix !== undefined) query.set('prefix', prefix);
    if (limit !== undefined) query.set('limit', String(limit));
    if (cursor !== undefined) query.set('cursor', cursor);
    const path = `/buckets/${encodeURIComponent(bucket)}/keys?${query.toString()}`;
    const response = await this.#caller.send({ method: 'GET', path });
    if (response.statusCode !== 200) throw await failure(response);
    let broken: Error | undefined;
    response.on('error', (error) => (broken = error));
    const lines = createInterface({ input: response, crlfDelay: Infinity });
    // Also of a list that nobody goes on with, which close() breaks off.
    lines.on('error', (error: Error) => (broken = error));
    for await (const text of lines) {
      const line = JSON.parse(text) as KeyLine;
      if (line.error !== undefined) throw problemError(JSON.stringify(line.error), 500);
      const key =
        line.key === undefined ? Buffer.from(line.keyBase64 ?? '', 'base64') : Buffer.from(line.key);
      yield { key, cursor: line.cursor, context: line.context, siblings: (line.values ?? []).map(siblingOf) };
    }
    // readline ends quietly when its input breaks off.
    if (broken !== undefined || !response.complete)
      throw this.#caller.broken(broken ?? new Error('broken off'), false);
  }

  async ensureBucket(name: string, properties: Partial<BucketProperties>): Promise<BucketProperties> {
    const { buckets } = await this.#json<{ buckets: ({ name: string } & BucketProperties)[] }>({
      method: 'GET',
      path: '/buckets',
    });
    const existing = buckets.find((bucket) => bucket.name === name);
    if (existing !== undefined) return existing;
    const path = `/buckets/${encodeURIComponent(name)}/props`;
    const body = Buffer.from(JSON.stringify(properties));
    return this.#json({ method: 'PUT', path, body });
  }

  async inspect(bucket: string, key: string): Promise<Inspected> {
    const query = new URLSearchParams({ bucket, key });
    const path = `/admin/inspect?${query.toString()}`;
    const { result, ...where } = await this.#json<InspectionAnswer>({ method: 'GET', path }, this.#admin);
    const siblings = result.siblings.map(({ value, contentType, modifiedAt }) => ({
      bytes: Buffer.from(value, 'base64').length,
      contentType,
      modifiedAt,
    }));
    const deleted = !result.found && result.context !== undefined;
    const { degraded, timeline = [] } = result;
    return { ...where, degraded, deleted, siblings, timeline };
  }

  ring(): Promise<RingDescription> {
    return this.#json({ method: 'GET', path: '/ring' });
  }

  stats(): Promise<StoreStats> {
    return this.#json({ method: 'GET', path: '/stats' });
  }

  /** Returns what is broken then. */
  inject(fault: Fault): Promise<StoreStats['faults']> {
    const body = Buffer.from(JSON.stringify(fault));
    return this.#json({ method: 'POST', path: '/admin/faults', body }, this.#admin);
  }

  plan(request: Readonly<Record<string, unknown>>): Promise<RingPlan> {
    const body = Buffer.from(JSON.stringify(request));
    return this.#json({ method: 'POST', path: '/admin/ring/plan', body }, this.#admin);
  }

  join(request: JoinRequest): Promise<RingProgress> {
    return this.#change('/admin/ring/join', request);
  }

  leave(node: string): Promise<RingProgress> {
    return this.#change('/admin/ring/leave', { node });
  }

  async #change(path: string, request: object): Promise<RingProgress> {
    const body = Buffer.from(JSON.stringify(request));
    return (await this.#json<{ change: RingProgress }>({ method: 'POST', path, body }, this.#admin)).change;
  }

  /** The change under way, or the last one. */
  async ringProgress(): Promise<RingProgress | undefined> {
    const call = { method: 'GET', path: '/admin/ring' } as const;
    return (await this.#json<{ change: RingProgress | null }>(call, this.#admin)).change ?? undefined;
  }

  async rollBack(abandon: boolean): Promise<RingProgress> {
    const call = { method: 'DELETE', path: `/admin/ring${abandon ? '?abandon=true' : ''}` } as const;
    return (await this.#json<{ change: RingProgress }>(call, this.#admin)).change;
  }

  async *backup(without: readonly string[]): AsyncGenerator<Uint8Array> {
    const query = without.length === 0 ? '' : `?without=${encodeURIComponent(without.join(','))}`;
    const response = await this.#admin.send({ method: 'POST', path: `/admin/backup${query}` });
    if (response.statusCode !== 200) throw await failure(response);
    try {
      yield* response as AsyncIterable<Uint8Array>;
    } catch (error) {
      throw this.#admin.broken(error as Error, false);
    }
  }

  clearFaults(): Promise<StoreStats['faults']> {
    return this.#json({ method: 'DELETE', path: '/admin/faults' }, this.#admin);
  }

  async close(): Promise<void> {
    this.#caller.close();
    this.#admin.close();
  }

  async #json<T>(call: Call, caller = this.#caller): Promise<T> {
    const response = await caller.send(call);
    const { statusCode = 0 } = response;
    if (statusCode !== 200 && statusCode !== 202) throw await failure(response);
    return JSON.parse((await readBody(response)).toString()) as T;
  }
}

/** All that is not unreserved is encoded, dots too where a proxy could take them for directories. */
function keyPath(bucket: string, key: string | Uint8Array): string {
  const text = typeof key === 'string' ? key : undefined;
  const encoded =
    text === undefined
      ? Buffer.from(key).toString('hex').replaceAll(/../g, '%$&')
      : /^\.+$/.test(text)
        ? text.replaceAll('.', '%2E')
        : encodeURIComponent(text);
  return `/buckets/${encodeURIComponent(bucket)}/keys/${encoded}`;
}

function header(response: IncomingMessage, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function siblingsIn(response: IncomingMessage, body: Buffer): Sibling[] {
  const { statusCode = 0, headers } = response;
  if (statusCode === 200) {
    const contentType = headers['content-type'] ?? 'application/octet-stream';
    const modifiedAtMs = Date.parse(headers['last-modified'] ?? '');
    const expires = header(response, 'ringlet-expires');
    return [{ value: body, contentType, modifiedAtMs, ...(expires && { expiresAtMs: Date.parse(expires) }) }];
  }
  if (statusCode === 300)
    return (JSON.parse(body.toString()) as { siblings: SiblingLine[] }).siblings.map(siblingOf);
  const isMiss =
    statusCode === 404 && (JSON.parse(body.toString()) as { code?: string }).code === 'NOT_FOUND';
  if (isMiss) return [];
  throw problemError(body.toString(), statusCode);
}

function siblingOf({ value, contentType, modifiedAt, expiresAt }: SiblingLine): Sibling {
  const sibling = {
    value: Buffer.from(value, 'base64'),
    contentType,
    modifiedAtMs: Date.parse(modifiedAt),
  };
  return expiresAt === undefined ? sibling : { ...sibling, expiresAtMs: Date.parse(expiresAt) };
}

/** HTTP has lifetimes; a value whose time is over is gone after the shortest one. */
function lifetimeQuery(expiresAtMs: number | undefined): string {
  return expiresAtMs === undefined ? '' : `?ttl=${Math.max(1, Math.round(expiresAtMs - Date.now()))}`;
}

async function contextAfterWrite(response: IncomingMessage): Promise<string> {
  if (response.statusCode !== 204) throw await failure(response);
  response.resume();
  return header(response, 'ringlet-context') ?? '';
}

async function failure(response: IncomingMessage): Promise<Error> {
  return problemError((await readBody(response)).toString(), response.statusCode ?? 0);
}
