import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Link } from './link.js';
import { nowMs } from '../measure/clock.js';
import { LIMITS } from '../../src/base/limits.js';
import { copyWords } from '../../src/base/memory.js';
import { AnswerWatch } from '../../src/client/answer-watch.js';
import { allocateShared, SharedLayout, type SharedBuffers } from '../../src/messaging/layout.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import { nextTurn } from '../../src/messaging/sleeper.js';

/** The echoing thread takes the place of a virtual node, this side that of a caller. */
export const ECHO_PARTY = 0;
const CALLER_PARTY = 1;

/** Words of a message: length (the ring's), a type that is no chunk mark, its number, then the body. */
export const TYPE_WORD = 1;
export const ID_WORD = 2;
export const BODY_WORD = 3;
export const MESSAGE_TYPE = 1;
/** The number that ends the echoing thread. */
export const STOP_ID = -1;

const LOOK_MS = 10;

export const DRAIN_BUDGET = 1_000;

/** The store's own ring buffers and doorbells; bodies are copied in and out, as a clone would. */
export async function openRingLink(bytes: number): Promise<Link> {
  const shared = allocateShared({
    vnodes: 1,
    callers: 1,
    claimsPerCaller: 16,
    callerRingBytes: LIMITS.callerRingBytes,
    vnodeRingBytes: LIMITS.vnodeRingBytes,
  });
  const worker = new Worker(new URL('./ring-echo.js', import.meta.url), { workerData: shared });
  await once(worker, 'online');
  return new RingLink(shared, worker, bytes);
}

class RingLink implements Link {
  readonly #endpoint: RingEndpoint;
  readonly #control: Int32Array;
  readonly #doorbell: number;
  readonly #worker: Worker;
  readonly #body: Int32Array;
  readonly #received: Int32Array;
  readonly #watch = new AnswerWatch();
  #pending = 0;
  #closed = false;
  #gone = false;
  #listening = false;
  #wake: (() => void) | undefined;

  constructor(shared: SharedBuffers, worker: Worker, bytes: number) {
    this.#endpoint = new RingEndpoint(shared, CALLER_PARTY);
    this.#control = new Int32Array(shared.control);
    this.#doorbell = new SharedLayout(shared.shape).doorbellWord(CALLER_PARTY);
    this.#worker = worker;
    this.#body = new Int32Array((bytes + 3) >>> 2);
    this.#received = new Int32Array(this.#body.length);
  }

  start(onReply: (id: number) => void): void {
    void this.#serve(onReply);
  }

  send(id: number): void {
    const outbox = this.#endpoint.to(ECHO_PARTY);
    const at = outbox.begin((BODY_WORD + this.#body.length) * 4);
    outbox.words[at + TYPE_WORD] = MESSAGE_TYPE;
    outbox.words[at + ID_WORD] = id;
    copyWords(this.#body, 0, outbox.words, at + BODY_WORD, this.#body.length);
    outbox.end();
    this.#pending++;
  }

  flush(): void {
    this.#endpoint.flush();
  }

  async close(): Promise<void> {
    this.#closed = true;
    const exited = once(this.#worker, 'exit');
    this.send(STOP_ID);
    this.flush();
    await exited;
    this.#gone = true;
  }

  async #serve(onReply: (id: number) => void): Promise<void> {
    // A pending waitAsync does not keep the process alive. And as in the store, a look now and then.
    const alive = setInterval(() => this.#wake?.(), LOOK_MS);
    // Up to the end of the echoing thread: the message that ends it may have to wait for room.
    while (!this.#gone) {
      this.#endpoint.drain(DRAIN_BUDGET, (_from, words, _bytes, at) => {
        if (this.#closed) return;
        this.#pending--;
        copyWords(words, at + BODY_WORD, this.#received, 0, this.#received.length);
        onReply(words[at + ID_WORD]!);
      });
      this.#endpoint.flush();
      await this.#sleep();
    }
    clearInterval(alive);
  }

  /** As a caller of the store: with few requests on their way it looks for the answer, if that proves to be sooner. */
  async #sleep(): Promise<void> {
    let looks = this.#watch.begin(this.#pending, nowMs());
    while (looks && this.#endpoint.idle()) {
      await nextTurn();
      looks = this.#watch.goOn(nowMs());
    }
    if (this.#endpoint.idle()) await this.#doze();
    this.#watch.answered(nowMs());
  }

  async #doze(): Promise<void> {
    Atomics.store(this.#control, this.#doorbell, 1);
    if (this.#endpoint.idle()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        this.#listen();
      });
      this.#wake = undefined;
    }
    Atomics.store(this.#control, this.#doorbell, 0);
  }

  /** A wait cannot be cancelled: one that is pending is used again. */
  #listen(): void {
    if (this.#listening) return;
    const waiting = Atomics.waitAsync(this.#control, this.#doorbell, 1);
    if (!waiting.async) {
      this.#wake?.();
      return;
    }
    this.#listening = true;
    void waiting.value.then(() => {
      this.#listening = false;
      this.#wake?.();
    });
  }
}
