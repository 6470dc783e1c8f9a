import { LIMITS } from '../base/limits.js';
import { align, copyWords, Memory } from '../base/memory.js';
import { ring, rouse } from './doorbell.js';
import { Reassembly, CHUNK_HEADER_WORDS, isChunk, writeChunkHeader } from './chunks.js';
import { Fifo } from './fifo.js';
import { SharedLayout, type SharedBuffers } from './layout.js';
import { RingConsumer, RingProducer, type RingHandler } from './ring.js';
import type { Endpoint, FrameHandler, Outbox } from './transport.js';

/** One long frame that waits does not have everything refused that comes behind it, however long values may be. */
const MOST_COUNTED_BYTES = LIMITS.outboxBytes / 4;

function countedBytes({ byteLength }: Waiting): number {
  return Math.min(byteLength, MOST_COUNTED_BYTES);
}

/** A frame on its way that did not fit into the ring, or not yet whole. */
interface Waiting {
  readonly words: Int32Array;
  readonly byteLength: number;
  /** Bytes already sent as chunks. */
  sent: number;
}

class RingOutbox implements Outbox {
  readonly peer: number;
  words: Int32Array;
  bytes: Uint8Array;
  /**
   * A long frame that has begun to leave is under way and does not count: one that exceeds the limit of
   * senders would have everything refused that comes behind it.
   */
  waitingBytes = 0;
  queuedBytes = 0;
  leftBytes = 0;
  private readonly producer: RingProducer;
  private readonly waiting = new Fifo<Waiting>();
  private at = -1;
  private heap: Memory | undefined;
  /** Those of its endpoint that have something to publish, or that waits; whoever is in it says so. */
  private readonly busy: RingOutbox[];
  private isBusy = false;

  constructor(peer: number, producer: RingProducer, busy: RingOutbox[]) {
    this.peer = peer;
    this.producer = producer;
    this.busy = busy;
    this.words = producer.words;
    this.bytes = producer.bytes;
  }

  begin(frameBytes: number): number {
    if (!this.isBusy) {
      this.isBusy = true;
      this.busy.push(this);
    }
    const bytes = align(frameBytes, 8);
    if (this.waiting.length === 0 && bytes <= this.producer.maxFrameBytes) {
      this.at = this.producer.reserve(bytes);
      if (this.at >= 0) {
        this.words = this.producer.words;
        this.bytes = this.producer.bytes;
        this.heap = undefined;
        return this.at;
      }
    }
    this.heap = Memory.allocate(bytes);
    this.words = this.heap.words;
    this.bytes = this.heap.bytes;
    return 0;
  }

  end(): void {
    if (this.heap === undefined) {
      this.producer.append(this.at);
      return;
    }
    this.heap.words[0] = this.heap.bytes.length;
    const frame = { words: this.heap.words, byteLength: this.heap.bytes.length, sent: 0 };
    this.waiting.push(frame);
    this.waitingBytes += countedBytes(frame);
    this.queuedBytes += frame.byteLength;
    this.heap = undefined;
    this.pump();
  }

  /** Moves waiting frames into the ring as far as there is room; true when none is left. */
  pump(): boolean {
    for (let frame = this.waiting.first; frame !== undefined; frame = this.waiting.first) {
      if (!this.sendSome(frame)) return false;
      this.waiting.shift();
      if (frame.sent > 0) continue;
      this.waitingBytes -= countedBytes(frame);
      this.leftBytes += frame.byteLength;
    }
    return true;
  }

  private sendSome(frame: Waiting): boolean {
    const { producer } = this;
    if (frame.byteLength <= producer.maxFrameBytes) {
      const at = producer.reserve(frame.byteLength);
      if (at < 0) return false;
      copyWords(frame.words, 0, producer.words, at, frame.byteLength >>> 2);
      producer.append(at);
      return true;
    }
    const most = producer.maxFrameBytes - CHUNK_HEADER_WORDS * 4;
    while (frame.sent < frame.byteLength) {
      const bytes = Math.min(most, frame.byteLength - frame.sent);
      const at = producer.reserve(CHUNK_HEADER_WORDS * 4 + bytes);
      if (at < 0) return false;
      writeChunkHeader(producer.words, at, frame.byteLength, frame.sent);
      copyWords(frame.words, frame.sent >>> 2, producer.words, at + CHUNK_HEADER_WORDS, bytes >>> 2);
      producer.append(at);
      if (frame.sent === 0) this.waitingBytes -= countedBytes(frame);
      frame.sent += bytes;
      this.leftBytes += bytes;
    }
    return true;
  }

  get blocked(): boolean {
    return this.waiting.length > 0;
  }

  /** Frames wait, and the peer has made room since we parked: it may have rung before we slept. */
  get movable(): boolean {
    return this.waiting.length > 0 && !this.producer.parked;
  }

  /** Publishes; returns whether the peer has something new. */
  publish(): boolean {
    if (this.waiting.length > 0 && !this.pump()) {
      this.producer.park();
      this.pump();
    }
    this.isBusy = this.waiting.length > 0;
    if (!this.producer.unpublished) return false;
    this.producer.publish();
    return true;
  }
}

/** The endpoint over ring buffers; wakes peers through their doorbells. */
export class RingEndpoint implements Endpoint {
  readonly party: number;
  private readonly shared: SharedBuffers;
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  private readonly peers: number[] = [];
  private readonly outboxes: (RingOutbox | undefined)[] = [];
  /** A turn writes to few of its peers: only these are looked at. */
  private readonly busy: RingOutbox[] = [];
  private readonly consumers: RingConsumer[] = [];
  private readonly reassemblies: Reassembly[] = [];
  /** Virtual nodes below this number are among the peers; there may be room for more. */
  private vnodes = 0;

  /** @param vnodes so many of them speak for now; each costs a look per turn, and a page when it is first looked at */
  constructor(shared: SharedBuffers, party: number, vnodes = shared.shape.vnodes) {
    this.shared = shared;
    this.layout = new SharedLayout(shared.shape);
    this.control = new Int32Array(shared.control);
    this.party = party;
    this.grow(vnodes);
    if (!this.layout.isVnode(party)) return;
    for (let caller = 0; caller < shared.shape.callers; caller++)
      this.connect(this.layout.callerParty(caller));
  }

  grow(vnodes: number): void {
    for (; this.vnodes < vnodes; this.vnodes++) if (this.vnodes !== this.party) this.connect(this.vnodes);
  }

  private connect(peer: number): void {
    const { layout, party, shared } = this;
    this.outboxes[peer] = new RingOutbox(
      peer,
      new RingProducer(shared.rings, layout.ringAt(party, peer), layout.ringBytes(party, peer)),
      this.busy,
    );
    const consumer = new RingConsumer(
      shared.rings,
      layout.ringAt(peer, party),
      layout.ringBytes(peer, party),
    );
    this.peers.push(peer);
    this.consumers.push(consumer);
    this.reassemblies.push(new Reassembly());
    this.rouse(peer, consumer);
  }

  /**
   * Our predecessor may have died after it freed space or published a frame and before it rang:
   * nobody knows whom it still owed a ring, so everybody gets one.
   */
  private rouse(peer: number, consumer: RingConsumer): void {
    consumer.takeParked();
    rouse(this.control, this.layout, peer);
  }

  to(peer: number): Outbox {
    return this.outboxes[peer]!;
  }

  drain(budget: number, handle: FrameHandler, onPart?: (from: number) => void): boolean {
    let more = false;
    for (let i = 0; i < this.peers.length; i++) {
      const consumer = this.consumers[i]!;
      if (consumer.seemsEmpty) continue;
      const peer = this.peers[i]!;
      const take: RingHandler = (words, bytes, at) => {
        if (!isChunk(words, at)) {
          this.reassemblies[i]!.discard();
          handle(peer, words, bytes, at);
          return;
        }
        const whole = this.reassemblies[i]!.add(words, at);
        if (whole !== undefined) handle(peer, whole.words, whole.bytes, 0);
        else onPart?.(peer);
      };
      let left = budget;
      // In pieces of the ring: a peer that waits for room goes on while the rest is handled.
      do {
        left -= consumer.drain(left, take);
        if (consumer.takeParked()) ring(this.control, this.layout, peer);
      } while (left > 0 && !consumer.seemsEmpty);
      if (left === 0) more = true;
    }
    return more;
  }

  flush(): void {
    const { busy } = this;
    let kept = 0;
    for (let i = 0; i < busy.length; i++) {
      const outbox = busy[i]!;
      if (outbox.publish()) ring(this.control, this.layout, outbox.peer);
      if (outbox.blocked) busy[kept++] = outbox;
    }
    busy.length = kept;
  }

  idle(): boolean {
    for (const consumer of this.consumers) if (!consumer.empty) return false;
    for (const outbox of this.busy) if (outbox.movable) return false;
    return true;
  }

  get blocked(): boolean {
    for (const outbox of this.busy) if (outbox.blocked) return true;
    return false;
  }

  /** A caller that takes over a slot ignores what was meant for its predecessor. */
  skipAll(): void {
    for (const consumer of this.consumers) consumer.skipAll();
    for (const reassembly of this.reassemblies) reassembly.discard();
    this.peers.forEach((peer, i) => this.rouse(peer, this.consumers[i]!));
  }
}
