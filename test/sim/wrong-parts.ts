import { planRead, type ReadPlan, type ReadView } from '../../src/client/read-plan.js';
import { Repairs } from '../../src/client/repairs.js';
import { RequestMachine } from '../../src/client/request-machine.js';
import type { Task } from '../../src/client/request.js';
import { Claims } from '../../src/messaging/claims.js';
import { IF_ABSENT, IF_MATCH, IF_NOTHING } from '../../src/messaging/frames.js';
import { ringOfState } from '../../src/ring/live-ring.js';
import type { Ring } from '../../src/ring/ring.js';
import { Completions } from '../../src/shard/completions.js';
import type { VnodeEnvironment } from '../../src/shard/environment.js';
import { GuestActor, type OwnActor } from '../../src/shard/guest-actor.js';
import { type HandoffParts, HintHandoff } from '../../src/shard/hint-handoff.js';
import type { Hints, WaitingHint } from '../../src/shard/hints.js';
import { PutCoordinator, type PutParts } from '../../src/shard/put-coordinator.js';
import type { PutRequest } from '../../src/shard/put-request.js';
import { type ApplyOutcome, Replica } from '../../src/shard/replica.js';
import { Trees } from '../../src/shard/trees/trees.js';
import type { StandParts } from '../../src/shard/reaping/witness-stand.js';
import type { Service } from '../../src/shard/service.js';
import type { Lister } from '../../src/shard/storage-walk.js';
import { VirtualNode, type VirtualNodeParts } from '../../src/shard/virtual-node.js';
import { type Parts, PRODUCT } from '../../src/sim/parts.js';
import { LOG_SEGMENT, SEG_LOG } from '../../src/storage/buffer-layout.js';
import { Journal } from '../../src/storage/journal.js';
import { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { Pipeline } from '../../src/storage/pipeline.js';
import { decodeVector, type StoredValue } from '../../src/storage/record-codec.js';
import {
  bucketAt,
  isTombstone,
  keyAt,
  keyLengthAt,
  lengthAt,
  partitionAt,
  W_KEY_HASH,
} from '../../src/storage/record.js';
import { paddedWords } from '../../src/base/memory.js';
import { type Clock, values, withEntry } from '../../src/versions/dvvs.js';

/** With all that the product's own is given: only the mistake is to be found. */
type ReplicaParts = ConstructorParameters<typeof Replica>;
function replicaParts(
  { env, pipeline, maxRecordBytes }: VirtualNodeParts,
  trees: Trees,
  own: OwnActor,
): ReplicaParts {
  return [pipeline, () => env.tick(), maxRecordBytes, trees, own, () => env.expiryMs()];
}

/** A put supersedes whatever its coordinator has made, seen or not: versions.md, "The trap". */
class PlainVectors extends Replica {
  override coordinate(request: PutRequest, own: number): ApplyOutcome {
    const known = this.known(request);
    const entry = known.find(({ actor }) => actor === own);
    if (entry === undefined) return super.coordinate(request, own);
    return super.coordinate({ ...request, context: withEntry(request.context, entry) }, own);
  }

  private known({ hash, partition, bucket, keyWords, key }: PutRequest): Clock<never> {
    try {
      const at = this.read(hash, partition, bucket, keyWords, key);
      return at < 0 ? [] : decodeVector(this.wordsOf(at), at);
    } catch {
      // A damaged record is not the mistake that is to be found.
      return [];
    }
  }
}

class PlainNode extends VirtualNode {
  protected override makeReplica(parts: VirtualNodeParts, trees: Trees, own: OwnActor): Replica {
    return new PlainVectors(...replicaParts(parts, trees, own));
  }
}

/** A fallback goes on with the actor whose clock it has let go. */
class Absentminded extends GuestActor {
  override forget(): void {
    // It does not.
  }
}
class AbsentmindedNode extends VirtualNode {
  protected override makeGuestActor(fresh: () => number | undefined): GuestActor {
    return new Absentminded(fresh);
  }
}

/** A put with one kind of condition is made whether or not it holds. */
class Unconditional extends Replica {
  private readonly ignored: number;
  constructor(ignored: number, ...parts: ReplicaParts) {
    super(...parts);
    this.ignored = ignored;
  }
  override coordinate(request: PutRequest, own: number): ApplyOutcome {
    const condition = request.condition === this.ignored ? IF_NOTHING : request.condition;
    return super.coordinate({ ...request, condition }, own);
  }
}
class MatchlessNode extends VirtualNode {
  protected override makeReplica(parts: VirtualNodeParts, trees: Trees, own: OwnActor): Replica {
    return new Unconditional(IF_MATCH, ...replicaParts(parts, trees, own));
  }
}
class OverwritingNode extends VirtualNode {
  protected override makeReplica(parts: VirtualNodeParts, trees: Trees, own: OwnActor): Replica {
    return new Unconditional(IF_ABSENT, ...replicaParts(parts, trees, own));
  }
}

/** Lets a hint go when its key was acknowledged, whatever was put meanwhile. */
class ByKey extends HintHandoff {
  protected override unchanged(): boolean {
    return true;
  }
}
class ByKeyNode extends VirtualNode {
  protected override makeHandoff(parts: HandoffParts): HintHandoff {
    return new ByKey(parts);
  }
}

/** Lets a hint go when it is sent. */
class Trusting extends HintHandoff {
  private readonly held: Hints;
  constructor(parts: HandoffParts) {
    super(parts);
    this.held = parts.hints;
  }
  protected override sendOne(owner: number, to: number, text: string, hint: WaitingHint): number {
    const bytes = super.sendOne(owner, to, text, hint);
    this.held.release(owner, text, hint);
    return bytes;
  }
}
class TrustingNode extends VirtualNode {
  protected override makeHandoff(parts: HandoffParts): HintHandoff {
    return new Trusting(parts);
  }
}

/** An owner says that it has what was handed over before it is synced. */
class Unsynced extends Completions {
  override awaitLevel(): boolean {
    return false;
  }
}
class UnsyncedNode extends VirtualNode {
  protected override makeHandoff(parts: HandoffParts): HintHandoff {
    return new HintHandoff({ ...parts, completions: new Unsynced() });
  }
}

/** Puts go to the old owners alone while their partition is handed over. */
class OneSidedNode extends VirtualNode {
  protected override makePuts(parts: PutParts): PutCoordinator {
    const { env } = parts;
    return new PutCoordinator({
      ...parts,
      env: {
        ...env,
        get ring() {
          return { ...env.ring, moves: undefined };
        },
      },
    });
  }
}

/** Some records change without their leaf, and what is above it. */
class Leafless extends Trees {
  private changes = 0;
  override replaced(...change: Parameters<Trees['replaced']>): void {
    if (++this.changes % 50 !== 0) super.replaced(...change);
  }
}
class LeaflessNode extends VirtualNode {
  protected override makeTrees(
    env: VnodeEnvironment,
    { pipeline, engine, completions }: VirtualNodeParts,
  ): Trees {
    return new Leafless(env, pipeline, engine, completions);
  }
}

/** Whoever answers counts towards R. */
class Anybody extends RequestMachine {
  protected override plan(view: ReadView): ReadPlan {
    return planRead({ ...view, n: view.strict ? view.n : view.list.length });
  }
}

/** Waits on for an answer that has not come in time. */
class Patient extends RequestMachine {
  override submit(task: Task, nowMs: number): number {
    return super.submit({ ...task, deadlineMs: task.deadlineMs + 100 }, nowMs);
  }
}
/** Forgets what it was asked. */
class Scatterbrained extends RequestMachine {
  private asked = 0;
  override submit(task: Task, nowMs: number): number {
    return ++this.asked % 100 === 0 ? -1 : super.submit(task, nowMs);
  }
}

/** Keeps the newest value alone, under the whole clock. */
function withoutSiblings(clock: Clock<StoredValue>): Clock<StoredValue> {
  const newest = Math.max(...values(clock).map(({ time }) => time));
  return clock.map((entry) => ({
    ...entry,
    values: entry.values.filter(({ time }, i) => i === 0 && time === newest),
  }));
}

class Overwriting extends Repairs {
  override later(...[key, policy, clock, kind, stale, readMs]: Parameters<Repairs['later']>): void {
    super.later(key, policy, withoutSiblings(clock), kind, stale, readMs);
  }
}

/** What a checkpoint takes for an old record is not copied into the engine. */
class Forgetful extends ObjectBuffer {
  private asked = 0;
  override isNewest(at: number): boolean {
    return ++this.asked % 50 !== 0 && super.isNewest(at);
  }
}

/** The file of a full segment goes when it is written, not when the engine has confirmed it. */
class CutEarly extends Journal {
  private readonly log: ObjectBuffer;
  constructor(...[buffer, disk, onProgress]: ConstructorParameters<typeof Journal>) {
    super(buffer, disk, onProgress);
    this.log = buffer;
  }
  override write(): boolean {
    const good = super.write();
    const open = this.log.segment(LOG_SEGMENT);
    for (const full of this.log.segmentsIn(SEG_LOG)) if (good && full !== open) this.release(full);
    return good;
  }
}

/** Each owner lets a tombstone go when it is old enough, whatever the others have. */
class ByTime implements Service, Lister {
  readonly frames = [];
  private readonly parts: StandParts;
  private readonly queue: { record: Int32Array; dueMs: number }[] = [];
  constructor(parts: StandParts) {
    this.parts = parts;
    parts.replica.onTombstone = (words, at) => {
      const record = words.slice(at, at + (lengthAt(words, at) >>> 2));
      this.queue.push({ record, dueMs: parts.env.clock.nowMs() + 10_000 });
    };
  }
  readonly wantsWalk = false;
  walkBegins(): void {}
  visit(): void {}
  receive(): void {}
  ringChanged(): void {}
  poll(nowMs: number): number {
    for (; this.queue.length > 0 && this.queue[0]!.dueMs <= nowMs; this.queue.shift())
      this.remove(this.queue[0]!.record);
    return this.queue[0]?.dueMs ?? Infinity;
  }
  private remove(record: Int32Array): void {
    const { replica, trees, own, pipeline } = this.parts;
    const key = new Uint8Array(record.buffer).slice(
      keyAt(record, 0) * 4,
      keyAt(record, 0) * 4 + keyLengthAt(record, 0),
    );
    const place = {
      hash: record[W_KEY_HASH]!,
      partition: partitionAt(record, 0),
      bucket: bucketAt(record, 0),
    };
    let at = -1;
    try {
      at = replica.read(place.hash, place.partition, place.bucket, paddedWords(key), key);
    } catch {
      // A damaged record is not the mistake that is to be found.
    }
    if (at < 0 || !isTombstone(replica.wordsOf(at), at)) return;
    const words = replica.wordsOf(at);
    own.forget(words, at);
    trees.hide(words, at);
    if (pipeline.remove(place, paddedWords(key), key) === 'ready') trees.forget(words, at);
  }
}

class ByTimeNode extends VirtualNode {
  protected override makeReaper(parts: StandParts): ByTime {
    return new ByTime(parts);
  }
}

class Hasty extends Pipeline {
  override awaitLevel(): boolean {
    return false;
  }
}

/** Is believed although its peers have not given it back yet what it lost. */
class Believed extends VirtualNode {
  private say: (() => void) | undefined;
  constructor(parts: VirtualNodeParts) {
    super({ ...parts, loss: undefined });
    if (parts.loss !== undefined) this.say = parts.onWhole;
  }
  override poll(nowMs: number): number {
    this.say?.();
    this.say = undefined;
    return super.poll(nowMs);
  }
}

/** Calls a put cancelled that its coordinator may have taken. */
class Unclaimed extends Claims {
  override cancel(caller: number, request: number): boolean {
    super.cancel(caller, request);
    return true;
  }
}

/** The second of each list is another virtual node of the first one's node, where there is one. */
function crowded(ring: Ring): Ring {
  const preference = Int32Array.from(ring.preference);
  for (let at = 0; at < preference.length; at += ring.preferenceLength) {
    const first = ring.vnodes[preference[at]!]!;
    const twin = ring.vnodes.find(({ node, ordinal }) => node === first.node && ordinal !== first.ordinal);
    if (twin !== undefined) preference[at + 1] = twin.ordinal;
  }
  return { ...ring, preference };
}

/** Mistake → the product with it. */
export const WRONG: Readonly<Record<string, Parts>> = {
  'plain vector clocks': { ...PRODUCT, virtualNode: (parts) => new PlainNode(parts) },
  'no new actor after a crash': { ...PRODUCT, actor: (vnode) => 1_000 + vnode },
  'read repair that overwrites siblings': { ...PRODUCT, repairs: (world) => new Overwriting(world) },
  'a fallback that reuses a dot after its hint was deleted': {
    ...PRODUCT,
    virtualNode: (parts) => new AbsentmindedNode(parts),
  },
  'a put if the context matches that is made in any case': {
    ...PRODUCT,
    virtualNode: (parts) => new MatchlessNode(parts),
  },
  'a put if absent that is made in any case': {
    ...PRODUCT,
    virtualNode: (parts) => new OverwritingNode(parts),
  },
  'a request that outlives its deadline': { ...PRODUCT, machine: (world) => new Patient(world) },
  'a request that is never answered': { ...PRODUCT, machine: (world) => new Scatterbrained(world) },
  'a hint deleted by key': { ...PRODUCT, virtualNode: (parts) => new ByKeyNode(parts) },
  'a hint deleted before its acknowledgement': {
    ...PRODUCT,
    virtualNode: (parts) => new TrustingNode(parts),
  },
  'a confirmation that counts unsynced data': { ...PRODUCT, virtualNode: (parts) => new UnsyncedNode(parts) },
  'transfer that drops writes made meanwhile': {
    ...PRODUCT,
    virtualNode: (parts) => new OneSidedNode(parts),
  },
  'a tree leaf not updated': { ...PRODUCT, virtualNode: (parts) => new LeaflessNode(parts) },
  'a fallback’s absence counted': { ...PRODUCT, machine: (world) => new Anybody(world) },
  'a flush that forgets a record': { ...PRODUCT, buffer: (...parts) => new Forgetful(...parts) },
  'a journal cut too early': { ...PRODUCT, journal: (...parts) => new CutEarly(...parts) },
  'tombstones reaped by time': { ...PRODUCT, virtualNode: (parts) => new ByTimeNode(parts) },
  'a rebuild that is believed before it is proven': {
    ...PRODUCT,
    virtualNode: (parts) => new Believed(parts),
  },
  'an acknowledgement before the write': { ...PRODUCT, pipeline: (...parts) => new Hasty(...parts) },
  'a retry after a claim': { ...PRODUCT, claims: (...parts) => new Unclaimed(...parts) },
  'preference lists with two virtual nodes of one node': {
    ...PRODUCT,
    ring: (state) => crowded(ringOfState(state)),
  },
};
