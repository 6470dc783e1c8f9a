import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { ring } from './doorbell.js';
import { SharedLayout, type SharedBuffers } from './layout.js';
import { PortInbox } from './port-inbox.js';
import { PortOutbox } from './port-outbox.js';
import type { Endpoint, FrameHandler, Outbox } from './transport.js';

/**
 * The second transport: everything over MessagePorts, one channel per pair of parties, so that the
 * suite can compare it with the rings. Of the shared memory it uses the doorbells alone.
 *
 * A message is an ArrayBuffer, transferred:
 *
 *   word 0  bytes of the receiver's own frames that the sender has handled since it last said so
 *        1  bytes of this message, header included        2… frames, as in frames.ts
 *
 * or a number: such an acknowledgement alone. What was written in a turn leaves with `flush`, in
 * one message per peer as long as it fits a batch, which is a quarter of the window.
 *
 * Back-pressure is by credit: nothing more is posted to a peer that has `windowBytes` unhandled.
 *
 * Waking: `postMessage` puts a message into the receiver's queue before it returns, and
 * `receiveMessageOnPort` sees it at once, so the doorbell protocol of the rings holds word for word
 * and both kinds of sleep work. The port's own event is not used: a thread that blocks in
 * `Atomics.wait` would not hear it. No listener is ever attached, so a port keeps no thread alive.
 *
 * A port dies with its thread, and what was posted to it dies too (a ring keeps it). The successor
 * of a thread gets new ports, and its peers learn of them by {@link connect}.
 */
export const PORT_WINDOW_BYTES = 256 << 10;

interface Link {
  port: MessagePort;
  readonly inbox: PortInbox;
  readonly outbox: PortOutbox;
}

export class PortEndpoint implements Endpoint {
  readonly party: number;
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  private readonly peers: number[] = [];
  private readonly links: (Link | undefined)[] = [];
  private readonly windowBytes: number;

  /**
   * @param ports one for each peer, by its party; they belong to this endpoint from now on
   * @param windowBytes the same at both ends: one posts as far as it, the other acknowledges in quarters of it
   */
  constructor(
    shared: Pick<SharedBuffers, 'shape' | 'control'>,
    party: number,
    ports: ReadonlyMap<number, MessagePort>,
    windowBytes: number = PORT_WINDOW_BYTES,
  ) {
    this.layout = new SharedLayout(shared.shape);
    this.control = new Int32Array(shared.control);
    this.party = party;
    this.windowBytes = windowBytes;
    for (const [peer, port] of ports) this.connect(peer, port);
  }

  /**
   * Another thread has taken a peer's place: what the old one posted is still handed over, what it
   * had not taken from its port is lost, and what has not been posted goes to the new one.
   */
  connect(peer: number, port: MessagePort): void {
    const link = this.links[peer];
    if (link === undefined) {
      this.peers.push(peer);
      this.links[peer] = { port, inbox: new PortInbox(), outbox: new PortOutbox(this.windowBytes) };
      return;
    }
    this.receive(link);
    link.port.close();
    link.port = port;
    link.inbox.forgetSender();
    link.outbox.forgetReceiver();
  }

  to(peer: number): Outbox {
    return this.links[peer]!.outbox;
  }

  grow(): void {
    // Whoever has a port is a peer already.
  }

  drain(budget: number, handle: FrameHandler): boolean {
    let more = false;
    for (const peer of this.peers) {
      const link = this.links[peer]!;
      this.receive(link);
      if (link.inbox.drain(budget, peer, handle) === budget) more = true;
    }
    return more;
  }

  flush(): void {
    for (const peer of this.peers) {
      const link = this.links[peer]!;
      if (link.outbox.blocked) this.receive(link);
      if (this.post(link)) ring(this.control, this.layout, peer);
    }
  }

  idle(): boolean {
    for (const peer of this.peers) {
      const link = this.links[peer]!;
      this.receive(link);
      if (!link.inbox.empty || link.outbox.movable) return false;
    }
    return true;
  }

  get blocked(): boolean {
    return this.peers.some((peer) => this.links[peer]!.outbox.blocked);
  }

  close(): void {
    for (const peer of this.peers) this.links[peer]!.port.close();
  }

  /** Takes everything out of the port: acknowledgements may stand behind frames. Bounded by the peer's credit. */
  private receive({ port, inbox, outbox }: Link): void {
    for (;;) {
      const received = receiveMessageOnPort(port);
      if (received === undefined) return;
      const message = received.message as ArrayBuffer | number;
      outbox.acknowledged(typeof message === 'number' ? message : inbox.add(message));
    }
  }

  private post({ port, inbox, outbox }: Link): boolean {
    let posted = false;
    while (outbox.movable) {
      const batch = outbox.takeBatch(inbox.takeHandled());
      port.postMessage(batch, [batch]);
      posted = true;
    }
    // Often enough that a peer without credit gets it back, and no more: it wakes a thread.
    if (inbox.handledBytes * 4 >= this.windowBytes) {
      port.postMessage(inbox.takeHandled());
      posted = true;
    }
    return posted;
  }
}

/** A channel for every pair of parties that speak to each other; element p is what party p gets (transfer the ports). */
export function openPorts(layout: SharedLayout): ReadonlyMap<number, MessagePort>[] {
  const ports = Array.from({ length: layout.parties }, () => new Map<number, MessagePort>());
  for (let one = 0; one < layout.shape.vnodes; one++) {
    for (let other = one + 1; other < layout.parties; other++) {
      const { port1, port2 } = new MessageChannel();
      ports[one]!.set(other, port1);
      ports[other]!.set(one, port2);
    }
  }
  return ports;
}
