import { LIMITS } from '../../base/limits.js';
import {
  frameDeadline,
  frameRequest,
  frameType,
  LIST_ENDS,
  LIST_GOES_ON,
  LIST_IS_CUT,
  OK,
  ABSENT,
  OUT_NO_TREES,
  OUT_OVERLOADED,
  OUT_STALE_RING,
  TREE_COMPARE,
  TREE_ENTRY_WORDS,
  TREE_FETCH,
  TREE_LIST,
  TREE_PUSH,
  TREE_RECORDS_AT,
  TREE_WORDS_AT,
} from '../../messaging/frames.js';
import { collectPage, Listing } from './listing.js';
import { ARRIVAL_MS } from './rebuild.js';
import type { Envelope } from './tree-frames.js';
import type { TreeWorld } from './world.js';

/** A list that was asked for; it stays until it is released, or nobody has asked for long. */
interface Serving {
  readonly envelope: Envelope;
  readonly list: Listing;
  sent: number;
  /** An empty page says that we are still at it. */
  nextSignMs: number;
  ended: boolean;
  usedMs: number;
}

const NOTHING = new Int32Array(0);
const SIGN_MS = 1_000;

/** The side of an exchange that is asked. It remembers nothing but one list at a time. */
export class Responder {
  private readonly world: TreeWorld;
  private serving: Serving | undefined;
  private nowMs = 0;

  constructor(world: TreeWorld) {
    this.world = world;
  }

  receive(from: number, words: Int32Array, bytes: Uint8Array, at: number, stale: boolean): void {
    this.nowMs = this.world.env.clock.nowMs();
    const deadlineMs = Math.min(frameDeadline(words, at), this.nowMs + LIMITS.exchangeLifeMs);
    const envelope = { to: from, request: frameRequest(words, at), deadlineMs };
    const { env, frames, trees, pipeline } = this.world;
    // Behind an engine that has failed nothing arrives that a list would have to wait for.
    const ready = trees.usable && !pipeline.engineFailed;
    const refusal = stale ? OUT_STALE_RING : ready ? OK : OUT_NO_TREES;
    const mute = env.endpoint.to(from).waitingBytes > LIMITS.outboxBytes;
    if (mute) return;
    switch (frameType(words, at)) {
      case TREE_COMPARE:
        if (refusal === OK) this.compare(envelope, words, at);
        else frames.differ(envelope, refusal, 0, NOTHING);
        return;
      case TREE_LIST:
        if (refusal === OK) this.list(envelope, words, at);
        else frames.keys(envelope, refusal, undefined, 0, 0, LIST_ENDS);
        return;
      case TREE_FETCH:
        if (refusal === OK) pipeline.admission.spend(() => this.fetch(envelope, words, at));
        else frames.records(envelope, refusal, [], 0);
        return;
      case TREE_PUSH:
        if (stale) {
          frames.pushed(envelope, refusal);
        } else {
          const done = (outcome: number): void => frames.pushed(envelope, outcome);
          pipeline.admission.spend(() =>
            this.world.inflow.take(words, bytes, at + TREE_RECORDS_AT, words[at + 7]!, deadlineMs, done),
          );
        }
    }
  }

  private compare(envelope: Envelope, words: Int32Array, at: number): void {
    const { set } = this.world.trees;
    const nodes = words[at + 6]!;
    const bits = new Int32Array((nodes + 31) >>> 5);
    for (let i = 0; i < nodes; i++) {
      const word = at + TREE_WORDS_AT + i * TREE_ENTRY_WORDS;
      const node = words[word]!;
      // What we do not share with the asker does not differ: nothing of it is to be exchanged.
      if (!set.shares(envelope.to, node)) continue;
      if (set.low(node) === words[word + 1] && set.high(node) === words[word + 2]) continue;
      bits[i >>> 5] = bits[i >>> 5]! | (1 << (i & 31));
    }
    this.world.frames.differ(envelope, OK, nodes, bits);
  }

  private list(envelope: Envelope, words: Int32Array, at: number): void {
    const { frames, trees } = this.world;
    if (this.serving !== undefined && this.serving.envelope.to !== envelope.to) {
      frames.keys(envelope, OUT_OVERLOADED, undefined, 0, 0, LIST_ENDS);
      return;
    }
    const nodes = words.subarray(at + TREE_WORDS_AT, at + TREE_WORDS_AT + words[at + 6]!);
    const shared = Array.from(nodes).filter((node) => trees.set.shares(envelope.to, node));
    this.serving = {
      envelope,
      list: new Listing(this.world, shared),
      sent: 0,
      nextSignMs: this.nowMs + SIGN_MS,
      ended: false,
      usedMs: this.nowMs,
    };
  }

  private fetch(envelope: Envelope, words: Int32Array, at: number): void {
    const { serving } = this;
    const known =
      serving?.ended === true &&
      serving.envelope.to === envelope.to &&
      serving.envelope.request === words[at + 7]! >>> 0;
    if (words[at + 6] === 0) {
      if (known) this.serving = undefined;
      return;
    }
    if (!known) {
      this.world.frames.records(envelope, ABSENT, [], 0);
      return;
    }
    serving.usedMs = this.nowMs;
    const positions = Array.from(words.subarray(at + TREE_WORDS_AT, at + TREE_WORDS_AT + words[at + 6]!));
    const { records, next } = collectPage(serving.list, positions, 0, () => true);
    this.world.frames.records(envelope, OK, records, next);
  }

  /** Moves a list on. Returns when to be called next. */
  poll(nowMs: number): number {
    this.nowMs = nowMs;
    const { serving } = this;
    if (serving === undefined) return Infinity;
    const { env, frames } = this.world;
    const { envelope, list } = serving;
    const silent = nowMs - serving.usedMs > LIMITS.exchangeSilenceMs;
    if (nowMs > envelope.deadlineMs || (serving.ended && silent) || !env.isServing(envelope.to)) {
      this.serving = undefined;
      return Infinity;
    }
    if (serving.ended) return serving.usedMs + LIMITS.exchangeSilenceMs + 1;
    const { admission } = this.world.pipeline;
    if (!list.waiting) admission.slice('trees', nowMs, () => list.step());
    if (list.done) {
      const to = Math.min(list.length, serving.sent + LIMITS.treeNodes);
      serving.ended = to === list.length;
      const end = !serving.ended ? LIST_GOES_ON : list.cut ? LIST_IS_CUT : LIST_ENDS;
      frames.keys(envelope, OK, list, serving.sent, to, end);
      serving.sent = to;
      serving.usedMs = nowMs;
    } else if (nowMs >= serving.nextSignMs) {
      serving.nextSignMs = nowMs + SIGN_MS;
      frames.keys(envelope, OK, list, 0, 0, LIST_GOES_ON);
    }
    return list.waiting ? nowMs + ARRIVAL_MS : Math.max(nowMs + 1, admission.nextMs);
  }
}
