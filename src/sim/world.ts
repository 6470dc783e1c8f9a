import type { RingletError } from '../base/errors.js';
import { RULE_LWW } from '../messaging/frames.js';
import { firstState, slotsOfNodes } from '../ring/state.js';
import { LEVELS } from '../client/policy.js';
import { otherOwners, ringOfState } from '../ring/live-ring.js';
import { type Ring, STAYS } from '../ring/ring.js';
import { type OwnerName, ownerName } from '../shard/hint-record.js';
import { KIND_REMOVED, kindAt } from '../storage/record.js';
import type { Place } from '../storage/record-codec.js';
import { drawBuckets } from './buckets.js';
import { BufferView } from './buffer-view.js';
import { History, type SimBucket, type SimKey } from './history.js';
import { Machine } from './machine.js';
import { Network } from './network.js';
import type { Parts } from './parts.js';
import { SimProcess } from './process.js';
import { drawProfile, type Profile } from './profile.js';
import { Random } from './random.js';
import { Scheduler } from './scheduler.js';
import { hintKey, type StoredKey } from './stored-key.js';

const START_MS = 1_000;
const CALLERS = 3;
const PARTITIONS = 32;
/** How many of the nodes have two virtual nodes, of those that join later too. */
export const TWO_VNODES = 0.3;

export interface WorldOptions {
  readonly seed: number;
  readonly parts: Parts;
  /** Takes the lines of the transcript. */
  readonly trace: ((line: string) => void) | undefined;
}

/** How a process may end. */
export type End = 'clean stop' | 'process kill' | 'power cut';

/** Who keeps the books hears of everything that changes what is promised. */
export interface Bookkeeper {
  /** The process has ended: its memory is still there to look at. */
  ended(process: SimProcess, end: End): void;
  /** A virtual node has recovered and begins to serve. */
  recovered(vnode: number): void;
  /** What a virtual node has on its disk is lost, by `change`, which says whether all of it is. */
  loses(vnode: number, change: () => boolean): void;
  /** It has been rebuilt. */
  whole(vnode: number): void;
  /** It has left, with all its files. */
  left(vnode: number): void;
  /** A virtual node is about to let a key go. */
  removes(vnode: number, place: Place, key: Uint8Array): void;
  /** A virtual node gives a tombstone to nobody for a while, or until it goes. */
  hides(vnode: number, bucket: number, key: Uint8Array): void;
}

/** One simulated machine with its process, and what its clients did. */
export class World {
  readonly seed: number;
  readonly random: Random;
  readonly scheduler = new Scheduler(START_MS);
  readonly parts: Parts;
  readonly machine: Machine;
  readonly network: Network;
  readonly buckets: readonly SimBucket[];
  readonly history: History;
  /** What happened how often. */
  readonly counts = new Map<string, number>();
  readonly violations: string[] = [];
  readonly profile: Profile;
  /** The key with the most load, and until when it keeps it in any case. */
  readonly focus: { key: SimKey | undefined; keptUntilMs: number } = { key: undefined, keptUntilMs: 0 };
  process!: SimProcess;
  private books!: Bookkeeper;
  /** When virtual nodes lost something that they had on their disks. */
  private readonly lossesMs: number[] = [];
  /** No load any more. */
  ended = false;
  /** In the liveness phase nothing may fail. */
  mustSucceed = false;
  private readonly trace: ((line: string) => void) | undefined;
  private readonly memories: SharedArrayBuffer[] = [];
  private readonly ownerNames: OwnerName[] = [];
  private lists: { of: Ring | undefined; byPartition: number[][] } = { of: undefined, byPartition: [] };
  private first: Ring | undefined;
  private known: Ring | undefined;
  private views: { of: SimProcess; list: BufferView[] } | undefined;

  constructor({ seed, parts, trace }: WorldOptions) {
    this.seed = seed;
    this.parts = parts;
    this.trace = trace;
    this.random = new Random(seed);
    const { random } = this;
    const nodes = Array.from({ length: 5 + random.below(2) }, (_, i) => ({
      id: `n${i + 1}`,
      capacity: 1 + random.below(2),
      vnodes: random.chance(TWO_VNODES) ? 2 : 1,
    }));
    const ring = firstState({ nodes, partitions: PARTITIONS, spacing: 3 });
    this.profile = drawProfile(random);
    this.buckets = drawBuckets(random, nodes.length);
    this.machine = new Machine(ring);
    this.history = new History((text) => this.violation(text));
    this.network = new Network(this.scheduler, random, (party, atMs) => this.process.wake(party, atMs));
    this.introduce();
  }

  /** The heading of the transcript. */
  private introduce(): void {
    const { nodes } = this.machine.ring;
    for (const node of nodes) {
      const slots = slotsOfNodes([node]).map((slot, i) => `${slot} is ${node.id}.${i}`);
      this.note(`node ${node.id}, capacity ${node.capacity}: vnode ${slots.join(', vnode ')}`);
    }
    for (const { number, n, r, w, level, rule, counter, strict } of this.buckets) {
      const kind = counter ? 'counters' : rule === RULE_LWW ? 'lww' : 'siblings';
      const durability = Object.entries(LEVELS).find(([, number]) => number === level)![0];
      this.note(`bucket ${number}: N=${n} R=${r} W=${w} ${durability} ${kind}${strict ? ' strict' : ''}`);
    }
  }

  /** The first process starts. */
  begin(books: Bookkeeper): void {
    this.books = books;
    this.process = this.startProcess();
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  note(text: string): void {
    this.trace?.(`${(this.scheduler.nowMs / 1_000).toFixed(5).padStart(12)}  ${text}`);
  }

  violation(text: string): void {
    this.note(`VIOLATION ${text}`);
    this.violations.push(`at ${(this.scheduler.nowMs / 1_000).toFixed(3)} s: ${text}`);
  }

  /** A request ended with an error. */
  failed(what: string, error: RingletError): void {
    if (!this.mustSucceed) return;
    this.violation(`after healing a ${what} still fails: ${error.code} ${error.message}`);
  }

  private startProcess(): SimProcess {
    this.note('the process starts');
    return new SimProcess({
      parts: this.parts,
      scheduler: this.scheduler,
      random: this.random,
      machine: this.machine,
      network: this.network,
      replicas: this.replicas,
      buckets: this.buckets,
      callers: CALLERS,
      profile: this.profile,
      memoryFor: (vnode, bytes) => this.memoryFor(vnode, bytes),
      note: (text) => this.note(text),
      violation: (text) => this.violation(text),
      onGone: (vnode) => this.books.left(vnode),
      onLoss: (vnode, replace) =>
        this.lose(vnode, () => {
          replace();
          return true;
        }),
      onWhole: (vnode) => this.books.whole(vnode),
      onRecovered: (vnode) => this.books.recovered(vnode),
      onRemove: (vnode, place, key) => this.books.removes(vnode, place, key),
      onHide: (vnode, bucket, key) => this.books.hides(vnode, bucket, key),
      onStartFailed: (error) => {
        this.note(`the start fails: ${error.message}`);
        this.endProcess('process kill', 1_000);
      },
    });
  }

  /** A virtual node loses what it has on its disk; `change` says whether all of it. */
  lose(vnode: number, change: () => boolean): void {
    this.books.loses(vnode, change);
    this.lossesMs.push(this.scheduler.nowMs);
  }

  /** How many virtual nodes have lost something since. */
  lossesSince(sinceMs: number): number {
    return this.lossesMs.length - this.lossesMs.findLastIndex((lossMs) => lossMs < sinceMs) - 1;
  }

  /** The memory of an earlier process serves the next one, cleared: new memory costs more. */
  private memoryFor(vnode: number, bytes: number): SharedArrayBuffer {
    const memory = (this.memories[vnode] ??= new SharedArrayBuffer(bytes));
    new Uint8Array(memory).fill(0);
    return memory;
  }

  /** The process is killed, or the machine loses power; it comes back after a while. */
  endProcess(end: 'process kill' | 'power cut', downMs: number): void {
    const { process } = this;
    if (process.dead) return;
    // What engines had under way ends first, one way or the other: only then is it clear what there is.
    this.close(process, end);
    if (end === 'power cut') this.machine.cutPower(this.random);
    this.startAfter(downMs);
  }

  /** The process is stopped and started again. */
  restart(downMs: number): void {
    const { process } = this;
    this.note('the process is asked to stop');
    process.stop((marks, time) => {
      const whole = Array.from(marks.values()).every((mark) => mark !== undefined);
      this.close(process, whole ? 'clean stop' : 'process kill');
      this.machine.stopped(marks, time);
      this.startAfter(downMs);
    });
  }

  private close(process: SimProcess, end: End): void {
    this.note(`the process ends: ${end}`);
    process.kill();
    this.books.ended(process, end);
  }

  private startAfter(milliseconds: number): void {
    this.scheduler.after(milliseconds, () => {
      this.process = this.startProcess();
    });
  }

  /** n of every bucket, ascending. */
  get replicas(): readonly number[] {
    return [...new Set(this.buckets.map(({ n }) => n))].sort((a, b) => a - b);
  }

  /** The ring that is durable: who follows it may be a moment behind. */
  get ring(): Ring {
    const { ring } = this.machine;
    this.first ??= this.parts.ring(ring);
    if (this.first.revision === ring.revision) return this.first;
    if (this.known?.revision !== ring.revision) this.known = ringOfState(ring);
    return this.known;
  }

  /** The ring change (Moves.since) by which every virtual node that serves decides; 0: none, or not all do yet. */
  get movesSince(): number {
    const since = this.ring.moves?.since ?? 0;
    if (since === 0) return 0;
    const knows = this.process.threads.every(
      (thread) => thread?.node === undefined || thread.node.ring.moves?.since === since,
    );
    return knows ? since : 0;
  }

  /** Owners of the other list of a partition that moves. */
  others({ bucket, stored }: SimKey): readonly number[] {
    return otherOwners(this.ring, stored.partition, bucket.n);
  }

  /** First n of the other list, the common ones included; none where nothing moves. */
  otherList({ bucket, stored }: SimKey): number[] {
    const { moves, preferenceLength } = this.ring;
    if (moves === undefined || moves.state[stored.partition] === STAYS) return [];
    const first = stored.partition * preferenceLength;
    return Array.from(moves.other.subarray(first, first + bucket.n));
  }

  owners(key: SimKey): number[] {
    return this.listOf(key).slice(0, key.bucket.n);
  }

  /** Those who may have a copy that counts, besides the owners. */
  fallbacks(key: SimKey): number[] {
    return key.bucket.strict ? [] : this.listOf(key).slice(key.bucket.n);
  }

  /** Who may hold hints for the owners: also one who was a fallback before the ring changed. */
  holders(key: SimKey): number[] {
    if (key.bucket.strict) return [];
    const owners = this.owners(key);
    return this.ring.vnodes.flatMap(({ ordinal, gone }) =>
      gone === true || owners.includes(ordinal) ? [] : [ordinal],
    );
  }

  /** The whole preference list. */
  private listOf({ stored }: SimKey): readonly number[] {
    const { ring } = this;
    if (this.lists.of !== ring) this.lists = { of: ring, byPartition: [] };
    const { preference, preferenceLength } = ring;
    const first = stored.partition * preferenceLength;
    return (this.lists.byPartition[stored.partition] ??= Array.from(
      preference.subarray(first, first + preferenceLength),
    ));
  }

  /** The hint for an owner of a key, at whoever may hold it. */
  hintFor(owner: number, key: SimKey): StoredKey {
    const name = (this.ownerNames[owner] ??= ownerName(this.ring.vnodes[owner]!.id));
    return hintKey(name, key.stored);
  }

  view(vnode: number): BufferView {
    const { process } = this;
    const { memory } = process;
    if (this.views?.of !== process) this.views = { of: process, list: [] };
    return (this.views.list[vnode] ??= new BufferView(memory.bufferWords[vnode]!, memory.bufferLayout));
  }

  /** A virtual node's copy of a key, or a hint that it holds, wherever it stands. */
  copyAt(vnode: number, key: StoredKey): { words: Int32Array; at: number } | undefined {
    // One that joins has no memory before its thread starts.
    if (this.process.memory.bufferWords[vnode] === undefined) return undefined;
    const view = this.view(vnode);
    const at = view.find(key);
    if (at >= 0) return kindAt(view.words, at) === KIND_REMOVED ? undefined : { words: view.words, at };
    const row = this.machine.vnodes[vnode]!.engine.rows.get(key.row);
    if (row === undefined || row.damaged === true) return undefined;
    return { words: new Int32Array(row.record.buffer, 0, row.record.length >>> 2), at: 0 };
  }
}
