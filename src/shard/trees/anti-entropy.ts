import { LIMITS } from '../../base/limits.js';
import {
  frameEpoch,
  frameType,
  TREE_COMPARE,
  TREE_DIFFER,
  TREE_FETCH,
  TREE_KEYS,
  TREE_LIST,
  TREE_PUSH,
  TREE_PUSHED,
  TREE_RECORDS,
} from '../../messaging/frames.js';
import type { Engine } from '../../storage/engine.js';
import type { Ring } from '../../ring/ring.js';
import type { Pipeline } from '../../storage/pipeline.js';
import type { Completions } from '../completions.js';
import {
  COUNT_DROPPED,
  COUNT_EXCHANGES,
  COUNT_EXCHANGES_FAILED,
  GAUGE_IN_SYNC_AT,
  GAUGE_TREES,
  type VnodeEnvironment,
} from '../environment.js';
import type { Rebuilding } from '../rebuilding.js';
import type { Replica } from '../replica.js';
import type { Service } from '../service.js';
import { Exchange } from './exchange.js';
import { type Breadth, BROAD, narrower } from './breadth.js';
import { Inflow } from './inflow.js';
import { ARRIVAL_MS } from './rebuild.js';
import { Responder } from './responder.js';
import { TreeFrames } from './tree-frames.js';
import type { Trees } from './trees.js';
import type { TreeWorld } from './world.js';

export const TREES_REBUILDING = 1;
export const TREES_USABLE = 2;

/** Between two slices of a rebuild: requests come first. */
const REBUILD_PAUSE_MS = 1;

interface Peer {
  readonly vnode: number;
  served: boolean;
  /** It came back, or we did: exchange with it as soon as possible. */
  soon: boolean;
  /** It did not compare when it was asked last: others have their turn before it is asked again. */
  refused: boolean;
  /** Of the next exchange with it. */
  breadth: Breadth;
  triedMs: number;
  /** Whether any bucket has both of us among its owners. */
  shares: boolean;
  inSyncMs: number;
}

/**
 * Anti-entropy (paper §4.7): keeps the trees, and every so often compares them with one replica
 * peer's; peers in turn, those first that have just come back. One exchange at a time is under way
 * for which this virtual node asks.
 */
export class AntiEntropy implements Service {
  readonly frames = [
    TREE_COMPARE,
    TREE_DIFFER,
    TREE_LIST,
    TREE_KEYS,
    TREE_FETCH,
    TREE_RECORDS,
    TREE_PUSH,
    TREE_PUSHED,
  ];
  private readonly world: TreeWorld;
  private readonly responder: Responder;
  private readonly peers: Peer[] = [];
  private exchange: Exchange | undefined;
  private request: number;
  /** Between two exchanges, on average. */
  private readonly everyMs: number;
  private nextMs = 0;
  private wasUsable = false;
  /** The peer of the exchange under way, and the ring, when it began. */
  private peerWasWhole = false;
  private begunUnder: Ring | undefined;

  constructor(
    env: VnodeEnvironment,
    pipeline: Pipeline,
    engine: Engine | undefined,
    completions: Completions,
    replica: Replica,
    trees: Trees,
    rebuilding: Rebuilding,
    everyMs: number = LIMITS.exchangeMs,
  ) {
    this.everyMs = everyMs;
    const frames = new TreeFrames(env, trees.set);
    const inflow = new Inflow(env, replica, trees.set);
    this.world = { env, pipeline, engine, completions, replica, trees, frames, inflow, rebuilding };
    this.responder = new Responder(this.world);
    this.meetAll();
    // Answers to a predecessor's questions are not ours.
    this.request = Math.floor(env.random() * 0x1_0000_0000);
    env.gauge(GAUGE_TREES, TREES_REBUILDING);
    env.gauge(GAUGE_IN_SYNC_AT, 0);
  }

  private meetAll(): void {
    const { env } = this.world;
    for (const { ordinal: vnode } of env.ring.vnodes) {
      if (vnode === env.ordinal || this.peers.some((peer) => peer.vnode === vnode)) continue;
      this.peers.push({
        vnode,
        served: false,
        soon: true,
        refused: false,
        breadth: BROAD,
        triedMs: 0,
        shares: false,
        inSyncMs: 0,
      });
    }
  }

  /** There may be new peers, and other trees to compare. */
  ringChanged(): void {
    this.meetAll();
    // Whoever shares nothing any more, or has left, is not waited for.
    const { set, usable } = this.world.trees;
    for (const peer of this.peers) peer.shares = set.sharesAny(peer.vnode);
    if (usable) return;
    this.wasUsable = false;
    this.world.env.gauge(GAUGE_TREES, TREES_REBUILDING);
  }

  /** A peer has what we lack, or the other way round: an exchange with it comes first. */
  hurry(vnode: number): void {
    const peer = this.peers.find((one) => one.vnode === vnode);
    if (peer === undefined || this.exchange?.peer === vnode) return;
    peer.soon = true;
    if (this.exchange === undefined) this.nextMs = Math.min(this.nextMs, this.world.env.clock.nowMs());
  }

  readonly receive = (from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    const stale = frameEpoch(words, at) !== this.world.env.ring.epoch;
    switch (frameType(words, at)) {
      case TREE_COMPARE:
      case TREE_LIST:
      case TREE_FETCH:
      case TREE_PUSH:
        if (this.isVnode(from)) this.responder.receive(from, words, bytes, at, stale);
        else this.world.env.count(COUNT_DROPPED, 1);
        return;
      default:
        if (this.exchange?.peer === from) this.exchange.receive(words, bytes, at);
    }
  };

  private isVnode(party: number): boolean {
    return party < this.world.env.ring.vnodes.length;
  }

  poll(nowMs: number): number {
    const { trees, inflow } = this.world;
    inflow.poll(nowMs);
    const listMs = this.responder.poll(nowMs);
    if (!trees.usable) {
      if (this.wasUsable) this.begunAnew(nowMs);
      if (trees.waiting) return Math.min(listMs, nowMs + ARRIVAL_MS);
      if (nowMs < this.nextMs) return Math.min(listMs, this.nextMs);
      const { admission } = this.world.pipeline;
      admission.slice('trees', nowMs, () => trees.step());
      this.nextMs = Math.max(nowMs + REBUILD_PAUSE_MS, admission.nextMs);
      return Math.min(listMs, this.nextMs);
    }
    if (!this.wasUsable) {
      this.wasUsable = true;
      this.world.env.gauge(GAUGE_TREES, TREES_USABLE);
      this.nextMs = nowMs;
    }
    this.lookForPeers(nowMs);
    this.world.rebuilding.poll();
    if (this.exchange === undefined && nowMs >= this.nextMs) this.begin(nowMs);
    const exchangeMs = this.exchange?.poll(nowMs) ?? this.nextMs;
    if (this.exchange?.end !== undefined) this.ended(this.exchange, nowMs);
    const next = this.exchange === undefined ? this.nextMs : exchangeMs;
    return Math.min(listMs, next, inflow.busy ? nowMs + 1 : Infinity);
  }

  /** The trees are made anew: what was compared so far counts for nothing. */
  private begunAnew(nowMs: number): void {
    this.wasUsable = false;
    this.world.env.gauge(GAUGE_TREES, TREES_REBUILDING);
    this.nextMs = nowMs;
    this.exchange?.abandon();
    if (this.exchange !== undefined) this.ended(this.exchange, nowMs);
    this.nextMs = nowMs;
  }

  private lookForPeers(nowMs: number): void {
    for (const peer of this.peers) {
      const serves = this.world.env.isServing(peer.vnode);
      if (serves && !peer.served) {
        peer.soon = true;
        this.nextMs = Math.min(this.nextMs, nowMs + LIMITS.exchangeSettleMs * this.world.env.random());
      }
      peer.served = serves;
    }
  }

  /** A whole peer has what we have lost. */
  private wants(peer: number): boolean {
    const { env, rebuilding } = this.world;
    return rebuilding.needs(peer) && env.isWhole(peer);
  }

  private begin(nowMs: number): void {
    const { env } = this.world;
    this.nextMs = nowMs + this.everyMs * (0.5 + this.world.env.random());
    if (this.world.pipeline.engineFailed) return;
    const waiting = this.peers.filter(({ served }) => served);
    const urgency = ({ vnode, soon, refused }: Peer): number =>
      refused ? 0 : (this.wants(vnode) ? 2 : 0) + (soon ? 1 : 0);
    waiting.sort((a, b) => urgency(b) - urgency(a) || a.triedMs - b.triedMs);
    for (const peer of waiting) {
      const { set } = this.world.trees;
      peer.shares = set.sharesAny(peer.vnode);
      peer.soon = false;
      const roots = set.rootsToAsk(peer.vnode);
      if (roots.length === 0) continue;
      peer.triedMs = nowMs;
      this.peerWasWhole = env.isWhole(peer.vnode);
      this.begunUnder = env.ring;
      this.exchange = new Exchange(this.world, peer.vnode, roots, this.request, peer.breadth, nowMs);
      return;
    }
  }

  private ended(exchange: Exchange, nowMs: number): void {
    const { env, rebuilding } = this.world;
    this.exchange = undefined;
    this.request = exchange.lastRequest;
    if (exchange.end === 'failed') env.count(COUNT_EXCHANGES_FAILED, 1);
    else if (exchange.end !== 'refused') env.count(COUNT_EXCHANGES, 1);
    const peer = this.peers.find(({ vnode }) => vnode === exchange.peer)!;
    if (exchange.tooMany) peer.breadth = narrower(peer.breadth);
    else if (exchange.end === 'equal') peer.breadth = BROAD;
    if (exchange.end === 'equal') peer.inSyncMs = nowMs;
    const ended = exchange.end === 'equal' || exchange.end === 'repaired';
    const proves = this.peerWasWhole && env.isWhole(peer.vnode) && env.ring === this.begunUnder;
    if (ended && proves) rebuilding.prove(peer.vnode);
    if (exchange.end === 'more' || exchange.end === 'refused') peer.soon = true;
    if (exchange.end === 'refused') peer.refused = true;
    else for (const one of this.peers) one.refused = false;
    if (exchange.end === 'refused') this.nextMs = nowMs + LIMITS.exchangeSettleMs * (1 + env.random());
    else if (
      this.peers.some(({ vnode, soon, served, shares }) => served && (soon || (shares && this.wants(vnode))))
    )
      this.nextMs = nowMs;
    const oldest = Math.min(...this.peers.filter(({ shares }) => shares).map(({ inSyncMs }) => inSyncMs));
    env.gauge(GAUGE_IN_SYNC_AT, oldest === 0 ? 0 : Math.floor(oldest) & 0x7fffffff || 1);
  }
}
