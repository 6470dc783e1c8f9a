import { writeDouble } from '../base/memory.js';
import { PUT_REPLY, PUT_REPLY_WORDS, writeHeader } from '../messaging/frames.js';
import { COUNT_REFUSED, type VnodeEnvironment } from './environment.js';
import type { Refusal } from './outcome.js';

const NOTHING = new Int32Array(0);

/** Writes the answers to puts. */
export class PutReplies {
  private readonly env: VnodeEnvironment;

  constructor(env: VnodeEnvironment) {
    this.env = env;
  }

  refuse(to: number, request: number, refusal: Refusal): void {
    this.env.count(COUNT_REFUSED, 1);
    this.send(to, request, refusal.outcome, refusal.got, refusal.need, 0, NOTHING, 0);
  }

  /** @param vector pairs (actor, n), the first `entries` of which are sent */
  send(
    to: number,
    request: number,
    outcome: number,
    got: number,
    need: number,
    total: number,
    vector: Int32Array,
    entries: number,
  ): void {
    const outbox = this.env.endpoint.to(to);
    const at = outbox.begin((PUT_REPLY_WORDS + entries * 2) * 4);
    const { words } = outbox;
    writeHeader(words, at, PUT_REPLY, 0, request, this.env.ring.epoch, 0);
    words[at + 6] = outcome;
    words[at + 7] = got;
    words[at + 8] = need;
    words[at + 9] = entries;
    writeDouble(words, at + 10, total);
    for (let i = 0; i < entries * 2; i++) words[at + PUT_REPLY_WORDS + i] = vector[i]!;
    outbox.end();
  }
}
