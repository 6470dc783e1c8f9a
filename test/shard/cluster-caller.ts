import { paddedWords, writeDouble } from '../../src/base/memory.js';
import type { Claims } from '../../src/messaging/claims.js';
import {
  FLAG_ANY,
  FLAG_REPAIR,
  FLAG_STRICT,
  frameRequest,
  frameType,
  GET,
  GET_FIXED_WORDS,
  GET_REPLY,
  OK,
  OP_PUT,
  PUT,
  PUT_FIXED_WORDS,
  PUT_REPLY,
  PUT_REPLY_WORDS,
  RECORD_AT,
  REPLICATE,
  writeHeader,
} from '../../src/messaging/frames.js';
import type { Endpoint } from '../../src/messaging/transport.js';
import type { Ring } from '../../src/ring/ring.js';
import { decodeClock, encodeContentType, type StoredValue } from '../../src/storage/record-codec.js';
import { type Clock, values } from '../../src/versions/dvvs.js';
import { keyBytesOf } from '../storage/support.js';

export interface PutOptions {
  readonly value?: string;
  readonly operation?: number;
  readonly context?: Clock<never>;
  readonly condition?: number;
  readonly w?: number;
  readonly r?: number;
  readonly n?: number;
  readonly rule?: number;
  readonly by?: number;
  readonly to?: number;
  readonly timeoutMs?: number;
  readonly strict?: boolean;
}

export interface PutResult {
  readonly outcome: number | 'lost';
  readonly got: number;
  readonly need: number;
  readonly vector: Clock<never>;
  readonly total: number;
}

interface Pending {
  readonly to: number;
  readonly incarnation: number;
  readonly deadlineMs: number;
  readonly resend: () => void;
  readonly done: (result: PutResult) => void;
}

/** What the caller knows of the virtual nodes. */
export interface CallerWorld {
  readonly nowMs: number;
  readonly ring: Ring;
  readonly n: number;
  /** Conflict rule of the bucket. */
  readonly rule: number;
  hash(name: string): number;
  partitionOf(name: string): number;
  owners(name: string): number[];
  /** Owners, then fallbacks. */
  preference(name: string): number[];
  /** undefined: it does not run */
  incarnationOf(v: number): number | undefined;
}

/** The one caller of a cluster: what it has asked for, and what was not answered yet. */
export class ClusterCaller {
  private readonly world: CallerWorld;
  private readonly endpoint: Endpoint;
  private readonly claims: Claims;
  private readonly pending = new Map<number, Pending>();
  private readonly gets = new Map<number, (outcome: number, texts: string[]) => void>();
  private slot = 0;

  constructor(world: CallerWorld, endpoint: Endpoint, claims: Claims) {
    this.world = world;
    this.endpoint = endpoint;
    this.claims = claims;
  }

  /** Sends a put to `to` or the first of the preference list that serves; false if none does. */
  put(name: string, options: PutOptions, done: (result: PutResult) => void): boolean {
    const list = options.strict === true ? this.world.owners(name) : this.world.preference(name);
    const to = options.to ?? list.find((v) => this.world.incarnationOf(v) !== undefined);
    const incarnation = to === undefined ? undefined : this.world.incarnationOf(to);
    if (to === undefined || incarnation === undefined) return false;
    const slot = this.slot++ % 4_096;
    const request = this.claims.open(0, slot);
    const deadlineMs = this.world.nowMs + (options.timeoutMs ?? 500);
    this.write(name, options, to, request, deadlineMs);
    this.pending.set(request, {
      to,
      incarnation,
      deadlineMs,
      done,
      resend: () => {
        if (!this.put(name, options, done)) done({ outcome: 'lost', got: 0, need: 0, vector: [], total: -1 });
      },
    });
    return true;
  }

  /** Has a virtual node coordinate a get (server-driven). */
  serveGet(v: number, name: string, r: number, done: (outcome: number, texts: string[]) => void): void {
    const keyWords = paddedWords(keyBytesOf(name));
    const request = this.gets.size;
    const outbox = this.endpoint.to(v);
    const at = outbox.begin((GET_FIXED_WORDS + keyWords.length) * 4);
    const { words } = outbox;
    writeHeader(words, at, GET, FLAG_ANY, request, this.world.ring.epoch, this.world.nowMs + 60_000);
    words[at + 6] = r | (this.world.n << 8);
    words[at + 7] = this.world.hash(name);
    words[at + 8] = 1 | (this.world.partitionOf(name) << 16);
    words[at + 9] = keyBytesOf(name).length;
    words.set(keyWords, at + GET_FIXED_WORDS);
    outbox.end();
    this.gets.set(request, done);
  }

  /** One virtual node hears of a record, and nobody else. */
  tell(v: number, record: Int32Array): void {
    const outbox = this.endpoint.to(v);
    const at = outbox.begin(RECORD_AT * 4 + record.byteLength);
    writeHeader(outbox.words, at, REPLICATE, FLAG_REPAIR, 0, this.world.ring.epoch, this.world.nowMs + 500);
    outbox.words[at + 6] = this.world.rule << 8;
    outbox.words[at + 7] = 0;
    outbox.words.set(record, at + RECORD_AT);
    outbox.end();
    this.endpoint.flush();
  }

  private write(name: string, options: PutOptions, to: number, request: number, deadlineMs: number): void {
    const key = keyBytesOf(name);
    const keyWords = paddedWords(key);
    const bytes = keyBytesOf(options.value ?? '');
    const context = options.context ?? [];
    const outbox = this.endpoint.to(to);
    const at = outbox.begin((PUT_FIXED_WORDS + context.length * 2 + keyWords.length) * 4 + bytes.length + 4);
    const { words } = outbox;
    writeHeader(
      words,
      at,
      PUT,
      options.strict === true ? FLAG_STRICT : 0,
      request,
      this.world.ring.epoch,
      deadlineMs,
    );
    words[at + 6] = 0;
    words[at + 7] = this.world.hash(name);
    words[at + 8] = 1 | (this.world.partitionOf(name) << 16);
    words[at + 9] = key.length | (context.length << 16);
    words[at + 10] =
      (options.operation ?? OP_PUT) | ((options.w ?? 2) << 16) | ((options.n ?? this.world.n) << 24);
    const { code } = encodeContentType('application/json');
    words[at + 11] =
      (options.rule ?? 0) | ((options.condition ?? 0) << 8) | ((options.r ?? 2) << 16) | (code << 24);
    words[at + 12] = bytes.length;
    words[at + 13] = 0;
    writeDouble(words, at + 14, options.by ?? 0);
    let word = at + PUT_FIXED_WORDS;
    for (const { actor, n } of context) {
      words[word++] = actor | 0;
      words[word++] = n | 0;
    }
    words.set(keyWords, word);
    outbox.bytes.set(bytes, (word + keyWords.length) * 4);
    outbox.end();
  }

  /** The caller's turn: replies, and puts whose coordinator is gone. */
  poll(): void {
    this.endpoint.flush();
    this.endpoint.drain(256, (_from, words, bytes, at) => {
      const request = frameRequest(words, at);
      if (frameType(words, at) === GET_REPLY) {
        const found = words[at + 6] === OK;
        const clock = found ? decodeClock(words, bytes, at + RECORD_AT) : [];
        this.gets.get(request)?.(words[at + 6]!, values(clock).map(textOf));
      }
      if (frameType(words, at) !== PUT_REPLY) return;
      const waiting = this.pending.get(request);
      if (waiting === undefined) return;
      this.pending.delete(request);
      const vector = Array.from({ length: words[at + 9]! }, (_, i) => ({
        actor: words[at + PUT_REPLY_WORDS + 2 * i]! >>> 0,
        n: words[at + PUT_REPLY_WORDS + 2 * i + 1]! >>> 0,
        values: [],
      }));
      const outcome = words[at + 6]!;
      const total = new Float64Array(words.slice(at + 10, at + 12).buffer)[0]!;
      waiting.done({ outcome, got: words[at + 7]!, need: words[at + 8]!, vector, total });
    });
    for (const [request, waiting] of Array.from(this.pending)) {
      const gone = this.world.incarnationOf(waiting.to) !== waiting.incarnation;
      if (!gone && this.world.nowMs < waiting.deadlineMs + 100) continue;
      this.pending.delete(request);
      if (this.claims.cancel(0, request)) waiting.resend();
      else waiting.done({ outcome: 'lost', got: 0, need: 0, vector: [], total: 0 });
    }
    this.endpoint.flush();
  }

  get idle(): boolean {
    return this.pending.size === 0;
  }
}

export function textOf(value: StoredValue): string {
  return Buffer.from(value.bytes.slice()).toString('utf8');
}
