import { paddedWords } from '../../src/base/memory.js';
import { Claims } from '../../src/messaging/claims.js';
import { frameType } from '../../src/messaging/frames.js';
import { FaultTable } from '../../src/messaging/fault-table.js';
import { FaultyEndpoint } from '../../src/messaging/faults.js';
import { allocateShared, SharedLayout, STATE_SERVING, VNODE_STATE } from '../../src/messaging/layout.js';
import { RingTable } from '../../src/messaging/ring-table.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import type { Endpoint } from '../../src/messaging/transport.js';
import { beginJoin, beginLeave, rollBack, startMoving, withFacts } from '../../src/ring/change.js';
import { firstState, type RingFact, type RingState } from '../../src/ring/state.js';
import { ringOfState } from '../../src/ring/live-ring.js';
import type { Ring } from '../../src/ring/ring.js';
import { SharedRingSource } from '../../src/shard/ring-source.js';
import { Completions } from '../../src/shard/completions.js';
import type { Loss } from '../../src/shard/rebuilding.js';
import { VirtualNode } from '../../src/shard/virtual-node.js';
import { type BufferShape, BufferLayout } from '../../src/storage/buffer-layout.js';
import { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { Reclaimer } from '../../src/storage/readers.js';
import { decodeClock, encodeRecord, type StoredValue } from '../../src/storage/record-codec.js';
import { KIND_PLAIN, lengthAt } from '../../src/storage/record.js';
import type { Clock } from '../../src/versions/dvvs.js';
import { seeded } from '../versions/model.js';
import { hashOf, keyBytesOf } from '../storage/support.js';
import { type CallerWorld, ClusterCaller, type PutOptions, type PutResult } from './cluster-caller.js';

type Random = (below: number) => number;

export const BUFFER: BufferShape = { bytes: 8 * 65_536, segmentBytes: 65_536, segments: 8, maxTableBits: 12 };
const { store } = Atomics;

interface Vnode {
  node: VirtualNode | undefined;
  pipeline: Pipeline;
  readonly memory: SharedArrayBuffer;
  incarnation: number;
  /** What it counted, and its gauges, by number. */
  counts: number[];
}

class Stopped extends Error {}

/** Virtual nodes of the memory engine and one caller, connected by rings, in one thread and virtual time. */
export class Cluster implements CallerWorld {
  nowMs = 1_000;
  ring: Ring;
  /** What a store would have in its manifest: it changes before anybody hears of it. */
  state: RingState;
  readonly vnodes: Vnode[] = [];
  readonly endpoints: Endpoint[] = [];
  private readonly shared;
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  private readonly claims: Claims;
  private readonly table: RingTable;
  private readonly caller: ClusterCaller;
  private ticks = 0;
  /** As while a backup is read. */
  retains = false;
  nextActor = 100;
  private readonly chance = seeded(1);
  /** Conflict rule of the bucket. */
  rule = 0;
  /** Of threads that start from now on; default: as a segment has room for. */
  maxRecordBytes: number | undefined;
  /** Whether a frame is lost on its way; nobody hears of it. */
  loses: (from: number, to: number, type: number) => boolean = () => false;
  /** Virtual nodes that lost their data and are not whole yet. */
  readonly rebuilding = new Set<number>();
  /** Per virtual node those who may hold hints for it. */
  readonly hinted: Set<number>[] = [];

  readonly n: number;
  readonly shape: BufferShape;

  /** Faults of links, if the cluster was made to have them. */
  readonly faults: FaultTable | undefined;
  readonly hash: (name: string) => number;

  /**
   * @param hash of a key's name; the default has few values, so that keys collide
   * @param room for virtual nodes that join
   */
  constructor(
    count: number,
    n: number,
    shape: BufferShape = BUFFER,
    hash = hashOf,
    allowFaults = false,
    room = 0,
  ) {
    this.n = n;
    this.shape = shape;
    this.hash = hash;
    const nodes = Array.from({ length: count }, (_, i) => ({ id: `n${i}`, capacity: 1, vnodes: 1 }));
    this.state = firstState({ nodes, partitions: 16, spacing: n });
    this.ring = ringOfState(this.state);
    this.shared = allocateShared(
      {
        vnodes: count + room,
        callers: 1,
        claimsPerCaller: 4_096,
        callerRingBytes: 64 << 10,
        vnodeRingBytes: 64 << 10,
      },
      allowFaults,
    );
    this.faults = this.shared.faults && new FaultTable(this.shared.faults, count + room);
    this.layout = new SharedLayout(this.shared.shape);
    this.control = new Int32Array(this.shared.control);
    this.claims = new Claims(this.control, this.layout);
    this.caller = new ClusterCaller(this, this.endpointOf(count + room), this.claims);
    this.table = new RingTable(this.shared.control, this.shared.topology);
    this.table.publish(this.state);
    for (let v = 0; v < count; v++) this.hinted.push(new Set());
    for (let v = 0; v < count; v++) this.add();
  }

  /** The next virtual node. */
  private add(): void {
    const memory = new SharedArrayBuffer(new BufferLayout(this.shape).totalBytes);
    this.hinted[this.vnodes.length] ??= new Set();
    this.vnodes.push({ node: undefined, pipeline: undefined as never, memory, incarnation: 0, counts: [] });
    this.start(this.vnodes.length - 1, true);
  }

  /** Durable, but nobody knows it until {@link publish}. */
  private reported: RingFact[] = [];

  /** Everybody can see the state that is durable, with the facts that were reported. */
  publish(): void {
    this.state = withFacts(this.state, this.reported.splice(0));
    if (this.state.revision === this.table.revision) return;
    this.table.publish(this.state);
    this.ring = ringOfState(this.state);
  }

  /** A node joins: its thread starts, then everybody hears of it. */
  join(id: string, capacity = 1): void {
    this.state = beginJoin(this.state, { id, capacity, vnodes: 1 }, [this.n], this.shared.shape.vnodes);
    this.publish();
    this.add();
    this.state = startMoving(this.state);
    this.publish();
  }

  leave(id: string): void {
    this.state = beginLeave(this.state, id, [this.n]);
    this.publish();
  }

  rollBack(): void {
    this.state = rollBack(this.state);
    this.publish();
  }

  private ringSource(v: number, reclaimer: Reclaimer): SharedRingSource {
    const source = new SharedRingSource(this.control, this.layout, this.table, v, reclaimer, (facts) => {
      this.reported.push(...facts);
    });
    // Here a state word is whether there is a node, and hints are told by sets.
    source.hinted = (vnode) => this.hinted[vnode]!.size > 0;
    const announced = source.announced.bind(source);
    source.announced = (revision) => {
      this.vnodes.forEach(({ node }, other) =>
        store(
          this.control,
          this.layout.vnodeWord(other) + VNODE_STATE,
          node === undefined ? 0 : STATE_SERVING,
        ),
      );
      return announced(revision);
    };
    return source;
  }

  private endpointOf(party: number): Endpoint {
    const rings = new RingEndpoint(this.shared, party);
    if (this.faults === undefined) return rings;
    const world = { table: this.faults, nowMs: () => this.nowMs, random: () => this.random() };
    return new FaultyEndpoint(rings, world);
  }

  /** @param lost it was there before, and lost everything */
  start(v: number, fresh = false, lost?: Loss): void {
    const vnode = this.vnodes[v]!;
    const reclaimer = new Reclaimer(this.control, this.layout);
    const buffer = new ObjectBuffer(vnode.memory, new BufferLayout(this.shape), reclaimer);
    if (fresh) buffer.startAt(0, 1, 0);
    const completions = new Completions();
    const options = { flushMs: 20, checkpointMs: 1_000, onProgress: () => undefined };
    vnode.pipeline = new Pipeline(buffer, undefined, options, (token) => completions.reached(token));
    completions.pipeline = vnode.pipeline;
    vnode.incarnation++;
    const endpoint = this.endpointOf(v);
    this.endpoints[v] = endpoint;
    const drain = endpoint.drain.bind(endpoint);
    endpoint.drain = (budget, handle, onPart) =>
      drain(
        budget,
        (from, words, bytes, at) => {
          if (!this.loses(from, v, frameType(words, at))) handle(from, words, bytes, at);
        },
        onPart,
      );
    if (lost !== undefined) this.rebuilding.add(v);
    this.suspicions[v] = new Set();
    vnode.node = new VirtualNode({
      env: {
        ordinal: v,
        ring: ringOfState(this.table.read()),
        ringSource: this.ringSource(v, reclaimer),
        endpoint,
        claims: this.claims,
        clock: { nowMs: () => this.nowMs, wallMs: () => this.nowMs },
        tick: () => ++this.ticks,
        expiryMs: () => this.nowMs,
        isServing: (other) => this.isServing(other),
        isWhole: (other) => this.isServing(other) && !this.rebuilding.has(other),
        replicasOf: (bucket) => (bucket === 1 ? this.n : 0),
        ruleOf: () => this.rule,
        count: (counter, by) => {
          vnode.counts[counter] = (vnode.counts[counter] ?? 0) + by;
        },
        gauge: (gauge, value) => {
          vnode.counts[gauge] = value;
        },
        retains: () => this.retains,
        freshActor: () => this.nextActor++,
        holdsHintsFor: (owner, holds) => {
          if (holds) this.hinted[owner]!.add(v);
          else this.hinted[owner]!.delete(v);
        },
        hasHintsFor: (holder, owner) => this.hinted[owner]!.has(holder),
        incarnation: vnode.incarnation,
        random: () => this.random(),
        publishSuspicion: (other, suspected) => {
          if (suspected) this.suspicions[v]!.add(other);
          else this.suspicions[v]!.delete(other);
        },
        publishMembership: (digest) => (this.digests[v] = digest),
      },
      pipeline: vnode.pipeline,
      completions,
      engine: undefined,
      actor: this.nextActor++,
      maxRecordBytes: this.maxRecordBytes ?? this.shape.segmentBytes - 64,
      loss: lost,
      onWhole: () => this.rebuilding.delete(v),
    });
  }

  /** For what is left to chance inside virtual nodes. */
  random = (): number => this.chance(1 << 20) / (1 << 20);
  /** Per virtual node what it has published. */
  readonly suspicions: Set<number>[] = [];
  readonly digests: number[] = [];

  /** As virtual nodes see it; a test may let them see something else. */
  isServing = (v: number): boolean => this.vnodes[v]!.node !== undefined;

  stop(v: number): void {
    this.vnodes[v]!.node = undefined;
  }

  /** The storage of a virtual node that does not run is gone. */
  lose(v: number): void {
    new Uint8Array(this.vnodes[v]!.memory).fill(0);
  }

  /** Everybody has turns for so long. */
  advance(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; this.nowMs += 5) {
      this.pollCaller();
      for (let v = 0; v < this.vnodes.length; v++) this.poll(v);
    }
  }

  /** One virtual node hears of a record, and nobody else. */
  tell(v: number, record: Int32Array): void {
    this.caller.tell(v, record);
    this.poll(v);
  }

  /** A turn of one virtual node; it dies before its k-th atomic store if `k` is given. */
  poll(v: number, k = Infinity): void {
    const { node } = this.vnodes[v]!;
    if (node === undefined) return;
    let left = k;
    Atomics.store = ((words: Int32Array, at: number, stored: number) => {
      if (left-- === 0) throw new Stopped();
      return store(words, at, stored);
    }) as typeof Atomics.store;
    try {
      node.poll(this.nowMs);
    } catch (error) {
      if (!(error instanceof Stopped)) throw error;
      this.stop(v);
    } finally {
      Atomics.store = store;
    }
  }

  partitionOf(name: string): number {
    return ((this.hash(name) >>> 0) * 7) % 16;
  }

  /** A record of a key in memory of its own. */
  record(name: string, clock: Clock<StoredValue>, kind = KIND_PLAIN): Int32Array {
    const place = { hash: this.hash(name), partition: this.partitionOf(name), bucket: 1 };
    const { words } = encodeRecord(place, keyBytesOf(name), kind, clock);
    return words.slice(0, lengthAt(words, 0) >>> 2);
  }

  owners(name: string): number[] {
    const partition = this.partitionOf(name);
    return Array.from(
      { length: this.n },
      (_, i) => this.ring.preference[partition * this.ring.preferenceLength + i]!,
    );
  }

  /** Owners, then fallbacks. */
  preference(name: string): number[] {
    const { preference, preferenceLength } = this.ring;
    const first = this.partitionOf(name) * preferenceLength;
    return [...preference.subarray(first, first + preferenceLength)];
  }

  /** Keys that a virtual node must still hand over. */
  hintsAt(v: number): number {
    return this.vnodes[v]!.node?.hintsWaiting ?? 0;
  }

  /** Sends a put to `to` or the first of the preference list that serves; false if none does. */
  put(name: string, options: PutOptions, done: (result: PutResult) => void): boolean {
    return this.caller.put(name, options, done);
  }

  /** Has a virtual node coordinate a get (server-driven). */
  serveGet(v: number, name: string, r: number, done: (outcome: number, texts: string[]) => void): void {
    this.caller.serveGet(v, name, r, done);
  }

  pollCaller(): void {
    this.caller.poll();
  }

  incarnationOf(v: number): number | undefined {
    const { node, incarnation } = this.vnodes[v]!;
    return node === undefined ? undefined : incarnation;
  }

  get idle(): boolean {
    return this.caller.idle;
  }

  /** Everybody has turns, in random order, until nothing is left to answer. */
  settle(random: Random): void {
    for (let i = 0; i < 600 || !this.idle; i++) {
      this.nowMs += 5;
      this.pollCaller();
      for (let j = 0; j < this.vnodes.length; j++) this.poll(random(this.vnodes.length));
      if (i > 5_000) throw new Error('puts without an answer');
    }
  }

  /** The clock of a key at one virtual node, values copied. */
  clockAt(v: number, name: string): Clock<StoredValue> {
    const { buffer } = this.vnodes[v]!.pipeline;
    const key = keyBytesOf(name);
    const byte = buffer.find(this.hash(name), 1, paddedWords(key), key.length);
    return byte === 0 ? [] : decodeClock(buffer.words, buffer.memory.bytes, byte >>> 2);
  }
}
