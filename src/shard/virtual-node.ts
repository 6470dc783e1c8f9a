import { ringOfState } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import type { Engine } from '../storage/engine.js';
import type { Pipeline } from '../storage/pipeline.js';
import { Acknowledgements } from './acknowledgements.js';
import { CacheKeeper } from './cache/cache-keeper.js';
import { Completions } from './completions.js';
import { ConditionalPuts } from './conditional-puts.js';
import { CopyReceiver } from './copy-receiver.js';
import type { VnodeEnvironment } from './environment.js';
import { Expiry } from './expiry/expiry.js';
import { FailureDetector, judgedBy } from './failure-detector.js';
import { Gossip } from './gossip.js';
import { GuestActor, OwnActor } from './guest-actor.js';
import { type HandoffParts, HintHandoff } from './hint-handoff.js';
import { HintLoader } from './hint-loader.js';
import { Hints } from './hints.js';
import { Inbox } from './inbox.js';
import { publishGauges } from './node-gauges.js';
import { OldCopies } from './old-copies.js';
import { PutCoordinator, type PutParts } from './put-coordinator.js';
import { ReadAnswers } from './read-answers.js';
import { type Loss, Rebuilding } from './rebuilding.js';
import { Reaper } from './reaping/reaper.js';
import type { StandParts } from './reaping/witness-stand.js';
import { Replica } from './replica.js';
import { Scanner } from './scanner.js';
import { Scrub, type ScrubPace } from './scrub.js';
import { ServedRequests } from './served-requests.js';
import type { Service } from './service.js';
import { SyncRequests } from './sync-requests.js';
import { Transfer, type TransferParts } from './transfer.js';
import { AntiEntropy } from './trees/anti-entropy.js';
import { type Lister, StorageWalk } from './storage-walk.js';
import { Trees } from './trees/trees.js';
import { WriteIntake } from './write-intake.js';

const SWEEP_MS = 50;

export interface VirtualNodeParts {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly completions: Completions;
  readonly engine: Engine | undefined;
  readonly actor: number;
  /** The greatest dot that the same actor had forgotten before a clean stop. */
  readonly dotFloor?: number;
  readonly maxRecordBytes: number;
  /** How fast what is stored is read again; default: as in LIMITS. */
  readonly scrub?: ScrubPace | undefined;
  /** Between two tree exchanges, on average; default: as in LIMITS. */
  readonly exchangeMs?: number | undefined;
  /** Silence that is held against no peer; default: as in failure-detector.ts. */
  readonly silenceMs?: number | undefined;
  /** It lost its data and is to be rebuilt from its peers; `onWhole` is called when it is. */
  readonly loss?: Loss | undefined;
  readonly onWhole?: () => void;
}

interface WithRing {
  ring: Ring;
}

/**
 * A virtual node: drains its inbox, does what is due, says when to be called next. It runs the
 * same under a worker thread and under a simulator; whatever it needs comes with `parts`.
 */
export class VirtualNode {
  private readonly env: VnodeEnvironment & WithRing;
  /** What was given; both with the ring as it is now. */
  private readonly world: VnodeEnvironment & WithRing;
  private readonly own: OwnActor;
  private readonly guest: GuestActor;
  /** For whoever compares them with what is stored. */
  readonly trees: Trees;
  private readonly repair: AntiEntropy;
  private readonly lifetimes: readonly Lister[];
  private readonly transfer: Transfer | undefined;
  private readonly pipeline: Pipeline;
  private readonly engine: Engine | undefined;
  private readonly completions: Completions;
  private readonly replica: Replica;
  private readonly hints: Hints;
  private readonly puts: PutCoordinator;
  private readonly conditional: ConditionalPuts;
  private readonly writes: WriteIntake;
  private readonly served: ServedRequests;
  private readonly scanner: Scanner;
  private readonly inbox: Inbox;
  private readonly acknowledgements: Acknowledgements;
  private readonly rebuilding: Rebuilding;
  private readonly detector: FailureDetector;
  private readonly gossip: Gossip;
  /** What else runs beside requests. */
  private readonly services: readonly Service[];
  /** When one of them wants to be called, and what had happened by the time when they were. */
  private servicesMs = Number.NEGATIVE_INFINITY;
  private happened = -1;
  /** Changes of the ring, and of who is suspected. */
  private changes = 0;
  private nextSweepMs = 0;

  constructor(parts: VirtualNodeParts) {
    const { pipeline, completions, engine, actor } = parts;
    this.world = {
      ...parts.env,
      publishSuspicion: (vnode, suspected) => {
        this.changes++;
        parts.env.publishSuspicion(vnode, suspected);
      },
    };
    const detector = new FailureDetector(this.world, parts.silenceMs);
    const env = judgedBy(detector, this.world);
    this.env = env;
    this.own = new OwnActor(actor, () => env.freshActor(), parts.dotFloor);
    this.pipeline = pipeline;
    this.engine = engine;
    this.completions = completions;
    const trees = this.makeTrees(env, parts);
    const { loss, onWhole = () => undefined } = parts;
    this.rebuilding = new Rebuilding({ env, pipeline, completions, sets: trees.set, loss, onWhole });
    const replica = this.makeReplica(parts, trees, this.own);
    const guest = this.makeGuestActor(() => env.freshActor());
    this.guest = guest;
    const hints = new Hints(env, pipeline, replica, guest);
    const loader = new HintLoader(env, pipeline, engine, hints);
    this.trees = trees;
    this.replica = replica;
    this.hints = hints;
    this.puts = this.makePuts({
      env,
      pipeline,
      replica,
      completions,
      hints,
      guest,
      own: this.own,
      actor,
    });
    this.conditional = new ConditionalPuts(env, this.puts, actor, () => this.rebuilding.partial);
    this.served = new ServedRequests(env, replica, this.puts, actor, () => this.rebuilding.partial);
    const { damage } = trees;
    const mend = (bucket: number, key: Uint8Array): boolean =>
      replica.rewrite(bucket, key) || damage.found(bucket, key);
    const scanner = new Scanner(env, pipeline, engine, mend);
    this.scanner = scanner;
    if (engine === undefined) replica.onNew = (words, at) => scanner.noteNew(words, at);
    const copies = new CopyReceiver({ env, pipeline, completions, replica, hints });
    const { puts, conditional, rebuilding } = this;
    this.writes = new WriteIntake({ env, replica, puts, conditional, copies });
    const reads = new ReadAnswers({ env, completions, replica, rebuilding, scanner });
    this.repair = new AntiEntropy(
      env,
      pipeline,
      engine,
      completions,
      replica,
      trees,
      this.rebuilding,
      parts.exchangeMs,
    );
    const partial = (): boolean => this.rebuilding.partial;
    const lifetimes = {
      env,
      pipeline,
      completions,
      replica,
      hints,
      loader,
      trees,
      own: this.own,
      guest,
      partial,
    };
    const reaper = this.makeReaper(lifetimes);
    const expiry = new Expiry(lifetimes);
    const keeper = env.caches && new CacheKeeper(lifetimes);
    this.lifetimes = [reaper, expiry, ...(keeper === undefined ? [] : [keeper])];
    // In a memory engine that is full, caches give way to whatever is put.
    if (keeper !== undefined && engine === undefined) replica.onFull = (bytes) => keeper.giveWay(bytes);
    this.detector = detector;
    this.gossip = new Gossip(this.world);
    const services: Service[] = [
      new SyncRequests(pipeline),
      this.makeHandoff({ env, pipeline, replica, completions, hints, loader, actor }),
      this.repair,
      reaper,
      expiry,
      ...(keeper === undefined ? [] : [keeper]),
      new StorageWalk(lifetimes, engine, this.lifetimes),
    ];
    const source = env.ringSource;
    if (source !== undefined) {
      const { repair } = this;
      this.transfer = this.makeTransfer({ env, source, pipeline, completions, trees, repair, rebuilding });
      services.push(this.transfer);
      services.push(new OldCopies({ env, source, pipeline, engine, completions, hints, loader }));
      if (env.ring.cleaning !== undefined) this.own.renew();
      source.announce(env.ring.revision);
    }
    if (engine !== undefined) {
      const onPass = (): void => trees.doubt();
      services.push(new Scrub({ env, pipeline, engine, damage, replica, hints, pace: parts.scrub, onPass }));
    }
    this.services = services;
    const { served, writes } = this;
    const acknowledgements = new Acknowledgements(pipeline, puts);
    this.acknowledgements = acknowledgements;
    const followRing = (): void => this.followRing();
    this.inbox = new Inbox({
      env,
      detector,
      acknowledgements,
      served,
      writes,
      reads,
      services: [detector, this.gossip, ...services],
      followRing,
    });
  }

  /** These are called once each, by the constructor: a test puts something else in. */
  protected makeReplica(
    { env, pipeline, maxRecordBytes }: VirtualNodeParts,
    trees: Trees,
    own: OwnActor,
  ): Replica {
    return new Replica(
      pipeline,
      () => env.tick(),
      maxRecordBytes,
      trees,
      own,
      () => env.expiryMs(),
    );
  }
  protected makeReaper(parts: StandParts): Service & Lister {
    return new Reaper(parts);
  }
  protected makeTrees(env: VnodeEnvironment, { pipeline, engine, completions }: VirtualNodeParts): Trees {
    return new Trees(env, pipeline, engine, completions);
  }
  protected makeGuestActor(fresh: () => number | undefined): GuestActor {
    return new GuestActor(fresh);
  }
  protected makeHandoff(parts: HandoffParts): HintHandoff {
    return new HintHandoff(parts);
  }
  protected makePuts(parts: PutParts): PutCoordinator {
    return new PutCoordinator(parts);
  }
  protected makeTransfer(parts: TransferParts): Transfer {
    return new Transfer(parts);
  }

  /** Takes over the newest state of the ring, if it is another one. */
  private followRing(): void {
    const source = this.world.ringSource;
    if (source === undefined || source.revision === this.world.ring.revision) return;
    const ring = ringOfState(source.read());
    this.world.ring = ring;
    this.env.ring = ring;
    this.changes++;
    this.env.endpoint.grow(ring.vnodes.length);
    this.hints.ringChanged();
    if (this.trees.ringChanged() || ring.cleaning?.slots.includes(this.env.ordinal) === true) {
      this.own.renew();
      // Copies that it made as a fallback stay here when it becomes an owner, and go with the others later.
      this.guest.renew();
    }
    this.rebuilding.ringChanged();
    this.repair.ringChanged();
    for (const lister of this.lifetimes) lister.ringChanged();
    this.puts.ringChanged();
    this.conditional.ringChanged();
    this.served.ringChanged();
    this.transfer?.ringChanged();
    source.announce(ring.revision);
  }

  /** As it knows it. */
  get ring(): Ring {
    return this.world.ring;
  }

  /** The actor of its dots, if it has one at the moment that has forgotten nothing. */
  get actor(): number | undefined {
    return this.replica.forgotClock ? undefined : this.own.inUse;
  }

  /** One turn. Returns the monotonic time of the next one, at the latest; a message may come first. */
  poll(nowMs: number): number {
    this.followRing();
    this.pipeline.admission.turn(nowMs);
    this.pipeline.begin(nowMs);
    this.acknowledgements.release();
    this.writes.retry(nowMs);
    const more = this.inbox.take(nowMs);
    this.scanner.step(nowMs);
    const lifeMs = Math.min(this.detector.poll(nowMs), this.gossip.poll(nowMs));
    this.pollServices(nowMs);
    this.pipeline.end(nowMs);
    if (nowMs >= this.nextSweepMs) this.sweep(nowMs);
    this.env.endpoint.flush();
    // The last request of this turn waited as long as it lasted.
    if (this.inbox.requests > 0) this.pipeline.admission.waited(this.env.clock.nowMs() - nowMs);
    const scanMs = this.scanner.nextMs(nowMs);
    if (more || scanMs <= nowMs) return nowMs;
    const next = Math.min(
      this.pipeline.nextMs(nowMs),
      lifeMs,
      this.servicesMs,
      scanMs,
      this.writes.waiting ? nowMs + 1 : Infinity,
    );
    return this.waiting ? Math.min(next, this.nextSweepMs) : next;
  }

  /**
   * Most turns bring a sign of life, an acknowledgement or a question, of which services need not know: they
   * are called when one of them wants to be, and when something may have changed for any of them.
   */
  private pollServices(nowMs: number): void {
    const happened =
      this.pipeline.buffer.lastSequence +
      this.inbox.messages +
      this.completions.ran +
      this.changes +
      (this.trees.usable ? 0.5 : 0);
    if (nowMs < this.servicesMs && happened === this.happened) return;
    this.happened = happened;
    this.servicesMs = Number.POSITIVE_INFINITY;
    for (const service of this.services) this.servicesMs = Math.min(this.servicesMs, service.poll(nowMs));
  }

  /** For a successor that goes on with the same actor; see {@link VirtualNodeParts}. */
  get dotFloor(): number {
    return this.own.floor;
  }

  /** Keys whose copy here must still go to an owner. */
  get hintsWaiting(): number {
    return this.hints.count;
  }

  /** Whether anything is under way that a graceful stop waits for. */
  get waiting(): boolean {
    return (
      this.puts.size > 0 || this.conditional.size > 0 || this.writes.waiting || this.completions.size > 0
    );
  }

  private sweep(nowMs: number): void {
    this.nextSweepMs = nowMs + SWEEP_MS;
    this.puts.sweep(nowMs);
    this.conditional.sweep(nowMs);
    this.served.sweep(nowMs);
    publishGauges(this.env, this.replica, this.pipeline, this.engine);
  }
}
