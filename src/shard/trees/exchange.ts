import { LIMITS } from '../../base/limits.js';
import {
  frameDeadline,
  frameRequest,
  frameType,
  LIST_GOES_ON,
  LIST_IS_CUT,
  OK,
  OUT_TOO_LARGE,
  TREE_DIFFER,
  TREE_ENTRY_WORDS,
  TREE_KEYS,
  TREE_PUSHED,
  TREE_RECORDS,
  TREE_RECORDS_AT,
  TREE_WORDS_AT,
} from '../../messaging/frames.js';
import type { WorkStep } from '../../storage/admission.js';
import type { Breadth } from './breadth.js';
import { Comparison } from './comparison.js';
import { Digest, numberOf } from './digest.js';
import { collectPage, Listing } from './listing.js';
import { addChildren } from './nodes.js';
import { ARRIVAL_MS } from './rebuild.js';
import type { Envelope } from './tree-frames.js';
import type { TreeWorld } from './world.js';

/**
 * How an exchange ended. `equal`: nothing differs. `repaired`: what differed was sent. `more`: there
 * is more than one exchange takes. `refused`: the peer has no trees yet, or serves another. `failed`:
 * it fell silent, is gone, or could not take what we sent.
 */
export type ExchangeEnd = 'equal' | 'repaired' | 'more' | 'refused' | 'failed';

/**
 *   comparing   TREE_COMPARE is out: roots, then the children of whatever differs
 *   settling    some nodes differ; writes that are on their way get time to arrive
 *   rechecking  TREE_COMPARE of those nodes is out
 *   listing     both sides list the keys below what still differs; then the lists are compared
 *   fetching    TREE_FETCH is out: records that we lack
 *   taking      they are being merged
 *   pushing     TREE_PUSH is out: records that the peer lacks
 *   pausing     between two pages
 */
type Phase =
  | 'comparing'
  | 'settling'
  | 'rechecking'
  | 'listing'
  | 'fetching'
  | 'taking'
  | 'pushing'
  | 'pausing';

/**
 * The side of an exchange that asks (paper §4.7): compares trees with one peer from the roots down
 * and then both send what the other lacks. One question is out at a time; an answer that does not
 * fit to it is not looked at, and silence ends the exchange. Nothing depends on its end: whatever
 * was sent was merged, and the next exchange begins at the roots.
 */
export class Exchange {
  readonly peer: number;
  /** Set once, when it is over. */
  end: ExchangeEnd | undefined;
  /** There were too many keys below the nodes: the next exchange shall be narrower. */
  tooMany = false;
  private readonly world: TreeWorld;
  private readonly breadth: Breadth;
  private readonly deadlineMs: number;
  private nowMs: number;
  private heardMs: number;
  private phase: Phase = 'comparing';
  private untilMs = 0;
  private request: number;
  /** Nodes to compare; the last ones first, so that it stays short. */
  private readonly todo: number[];
  private asked: number[] = [];
  /** Nodes that differ and are not looked into any further. */
  private found: number[] = [];
  /** Keys below them. */
  private expected = 0;
  private more = false;
  private listRequest = -1;
  private ours: Listing | undefined;
  private readonly lists = new Comparison();
  private theirsEnded = false;
  private cut = false;
  private differed = false;
  /** Records were left out by either side: their versions together are more than a record may have. */
  private leftOut = false;
  private wanted: number[] = [];
  private surplus: readonly number[] = [];
  private pushed = 0;
  private readonly digest = new Digest();

  /** @param roots of the trees that the two have in common */
  constructor(
    world: TreeWorld,
    peer: number,
    roots: number[],
    request: number,
    breadth: Breadth,
    nowMs: number,
  ) {
    this.world = world;
    this.peer = peer;
    this.request = request;
    this.breadth = breadth;
    this.nowMs = nowMs;
    this.heardMs = nowMs;
    this.deadlineMs = nowMs + LIMITS.exchangeLifeMs;
    this.todo = roots;
    this.compareNext();
  }

  /** It cannot go on: our trees are made anew. */
  abandon(): void {
    if (this.end === undefined) this.finish('failed');
  }

  /** The number of the last question, so that the next exchange takes another one. */
  get lastRequest(): number {
    return this.request;
  }

  private question(): Envelope {
    this.request = (this.request + 1) >>> 0;
    return { to: this.peer, request: this.request, deadlineMs: this.deadlineMs };
  }

  private compareNext(): void {
    const { nodes } = this.breadth;
    const enough = this.found.length >= nodes || this.expected >= LIMITS.treeListedKeys / 2;
    if (this.todo.length > 0 && !enough) {
      this.phase = 'comparing';
      this.asked = this.todo.splice(-LIMITS.treeNodes);
      this.world.frames.compare(this.question(), this.asked);
      return;
    }
    this.more = this.todo.length > 0 || this.found.length > nodes;
    this.found.length = Math.min(this.found.length, nodes);
    if (this.found.length === 0) {
      this.finish('equal');
      return;
    }
    this.phase = 'settling';
    this.untilMs = this.nowMs + LIMITS.exchangeSettleMs;
  }

  receive(words: Int32Array, bytes: Uint8Array, at: number): void {
    const type = frameType(words, at);
    if (this.end !== undefined || frameRequest(words, at) !== this.request || !this.expects(type)) return;
    this.nowMs = this.world.env.clock.nowMs();
    this.heardMs = this.nowMs;
    const outcome = words[at + 6]!;
    if (type === TREE_PUSHED) {
      this.taken(outcome);
      return;
    }
    if (outcome !== OK) {
      this.finish('refused');
      return;
    }
    if (type === TREE_DIFFER) this.differ(words, at);
    else if (type === TREE_KEYS) this.keys(words, at);
    else this.records(words, bytes, at);
  }

  private expects(type: number): boolean {
    switch (this.phase) {
      case 'comparing':
      case 'rechecking':
        return type === TREE_DIFFER;
      case 'listing':
        return type === TREE_KEYS;
      case 'fetching':
        return type === TREE_RECORDS;
      case 'pushing':
        return type === TREE_PUSHED;
      case 'settling':
      case 'taking':
      case 'pausing':
        return false;
    }
  }

  private differ(words: Int32Array, at: number): void {
    if (words[at + 7] !== this.asked.length) {
      this.finish('failed');
      return;
    }
    const differing = this.asked.filter(
      (_, i) => ((words[at + TREE_WORDS_AT + (i >>> 5)]! >>> (i & 31)) & 1) === 1,
    );
    if (this.phase === 'rechecking') {
      this.found = differing;
      if (differing.length === 0) this.finish(this.more ? 'more' : 'equal');
      else this.beginListing();
      return;
    }
    const { set } = this.world.trees;
    for (const node of differing) {
      if (set.isLeaf(node) || (!this.breadth.leaves && set.hasFew(node))) {
        this.found.push(node);
        this.expected += set.expectedBelow(node);
      } else {
        addChildren(node, this.todo);
      }
    }
    this.compareNext();
  }

  private beginListing(): void {
    this.phase = 'listing';
    this.ours = new Listing(this.world, this.found);
    this.world.frames.list(this.question(), this.found);
    this.listRequest = this.request;
  }

  private keys(words: Int32Array, at: number): void {
    const count = words[at + 7]!;
    const end = words[at + 9]!;
    // An empty page is a sign of life; a gap is a lost frame.
    if (
      count > 0 &&
      (words[at + 8] !== this.lists.length || this.lists.length + count > LIMITS.treeListedKeys)
    ) {
      this.finish('failed');
      return;
    }
    for (let i = 0; i < count; i++) {
      const word = at + TREE_RECORDS_AT + i * TREE_ENTRY_WORDS;
      this.lists.add(numberOf(words[word + 1]!, words[word + 2]!));
    }
    if (end === LIST_GOES_ON) return;
    this.theirsEnded = true;
    this.cut ||= end === LIST_IS_CUT;
  }

  /** True if there is more to do at once. */
  private compareLists(ours: Listing): boolean {
    if (this.lists.step(ours)) return true;
    this.cut ||= ours.cut;
    this.wanted = this.lists.wanted();
    // Behind the end of a list that is cut may stand what seems to be missing in it: then nothing is sent. What
    // seems to be missing here is taken, and brings us further unless it stands behind the end of ours.
    if (!this.cut) {
      this.surplus = this.lists.surplus;
    } else {
      this.tooMany = ours.cut || this.wanted.length === 0;
      this.more = true;
    }
    this.differed = this.wanted.length > 0 || this.surplus.length > 0;
    this.nextPage();
    return false;
  }

  /** First take what the peer has, so that what we then send is merged already. */
  private nextPage(): void {
    this.phase = 'pausing';
    this.untilMs = this.nowMs;
  }

  /** Never more to do at once: an answer is waited for. */
  private turnPage(ours: Listing): false {
    if (this.wanted.length > 0) {
      this.phase = 'fetching';
      this.heardMs = this.nowMs;
      this.world.frames.fetch(this.question(), this.listRequest, this.wanted.slice(0, LIMITS.treeNodes));
      return false;
    }
    const { records, next } = collectPage(ours, this.surplus, this.pushed, (record) => {
      this.digest.ofRecord(record, 0);
      return !this.lists.has(this.digest.number);
    });
    this.pushed = next;
    if (records.length > 0) {
      this.phase = 'pushing';
      this.heardMs = this.nowMs;
      this.world.frames.push(this.question(), records);
    } else if (next < this.surplus.length) {
      this.nextPage();
    } else {
      this.finish(this.leftOut ? 'failed' : this.more ? 'more' : this.differed ? 'repaired' : 'equal');
    }
    return false;
  }

  private records(words: Int32Array, bytes: Uint8Array, at: number): void {
    const done = words[at + 8]!;
    if (done < 1 || done > this.wanted.length) {
      this.finish('failed');
      return;
    }
    this.phase = 'taking';
    this.wanted.splice(0, done);
    const deadlineMs = frameDeadline(words, at);
    const { inflow, pipeline } = this.world;
    pipeline.admission.spend(() =>
      inflow.take(words, bytes, at + TREE_RECORDS_AT, words[at + 7]!, deadlineMs, this.taken),
    );
  }

  /** What became of a page, at either side. */
  private readonly taken = (outcome: number): void => {
    if (this.end !== undefined) return;
    this.leftOut ||= outcome === OUT_TOO_LARGE;
    if (outcome === OK || outcome === OUT_TOO_LARGE) this.nextPage();
    else this.finish('failed');
  };

  /** Returns when to be called next. */
  poll(nowMs: number): number {
    this.nowMs = nowMs;
    if (this.end !== undefined) return nowMs;
    if (nowMs > this.deadlineMs || !this.world.env.isServing(this.peer)) {
      this.finish('failed');
      return nowMs;
    }
    this.act();
    if (this.silent) this.finish('failed');
    return this.end === undefined ? this.nextMs : nowMs;
  }

  /** What is due without an answer. */
  private act(): void {
    switch (this.phase) {
      case 'settling':
        if (this.nowMs < this.untilMs) return;
        this.phase = 'rechecking';
        this.heardMs = this.nowMs;
        this.asked = this.found;
        this.world.frames.compare(this.question(), this.asked);
        return;
      case 'listing':
        if (!this.ours!.done && !this.ours!.waiting) this.inSlice(() => this.ours!.step());
        if (this.ours!.done && this.theirsEnded) this.inSlice(() => this.compareLists(this.ours!));
        return;
      case 'pausing':
        if (this.nowMs >= this.untilMs) this.inSlice(() => this.turnPage(this.ours!));
        return;
      case 'comparing':
      case 'rechecking':
      case 'fetching':
      case 'taking':
      case 'pushing':
    }
  }

  /** Listing and sending wait for their turn; to be asked, to merge and to answer does not. */
  private inSlice(work: WorkStep): void {
    this.world.pipeline.admission.slice('trees', this.nowMs, work);
  }

  private get nextMs(): number {
    const { nextMs } = this.world.pipeline.admission;
    if (this.phase === 'settling') return this.untilMs;
    if (this.phase === 'pausing') return Math.max(this.untilMs, nextMs);
    if (this.phase === 'listing' && (!this.ours!.done || this.theirsEnded))
      return this.ours!.waiting ? this.nowMs + ARRIVAL_MS : Math.max(this.nowMs + 1, nextMs);
    return Math.max(this.nowMs, this.heardMs + LIMITS.exchangeSilenceMs) + 1;
  }

  private get silent(): boolean {
    const waits = this.phase !== 'settling' && this.phase !== 'pausing' && this.phase !== 'taking';
    const slow = this.phase === 'listing' && this.theirsEnded;
    return waits && !slow && this.nowMs - this.heardMs > LIMITS.exchangeSilenceMs;
  }

  private finish(end: ExchangeEnd): void {
    this.end = end;
    if (this.listRequest < 0) return;
    const envelope = { to: this.peer, request: this.request, deadlineMs: this.deadlineMs };
    this.world.frames.fetch(envelope, this.listRequest, []);
  }
}
