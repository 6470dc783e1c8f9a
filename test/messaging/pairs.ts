import type { MessagePort } from 'node:worker_threads';
import { MessageChannel } from 'node:worker_threads';
import { allocateShared, SharedLayout, type SharedBuffers } from '../../src/messaging/layout.js';
import { FaultTable } from '../../src/messaging/fault-table.js';
import { FaultyEndpoint } from '../../src/messaging/faults.js';
import { openPorts, PortEndpoint } from '../../src/messaging/port-endpoint.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import type { Endpoint } from '../../src/messaging/transport.js';

/** Two parties, 0 and 1, of which each can be replaced by a successor as if its thread had died. */
export interface Pair {
  readonly ends: Endpoint[];
  readonly shared: SharedBuffers;
  readonly layout: SharedLayout;
  restart(party: 0 | 1): void;
  close(): void;
}

export interface Transport {
  readonly name: string;
  /** Whether what was published survives the death of its receiver. */
  readonly keepsPublished: boolean;
  open(): Pair;
  /** The most bytes of frames that can be between two ends beyond `waitingBytes`. */
  readonly slackBytes: number;
}

const RING_BYTES = 4_096;
const WINDOW_BYTES = 4_096;

export function sharedPair(ringBytes: number = RING_BYTES): SharedBuffers {
  return allocateShared({
    vnodes: 2,
    callers: 0,
    claimsPerCaller: 0,
    callerRingBytes: 4_096,
    vnodeRingBytes: ringBytes,
  });
}

export const RINGS: Transport = {
  name: 'rings',
  keepsPublished: true,
  slackBytes: RING_BYTES,
  open() {
    const shared = sharedPair();
    const ends: Endpoint[] = [new RingEndpoint(shared, 0), new RingEndpoint(shared, 1)];
    const restart = (party: 0 | 1): void => {
      ends[party] = new RingEndpoint(shared, party);
    };
    return { ends, shared, layout: new SharedLayout(shared.shape), restart, close: () => undefined };
  },
};

/** Rings in a store that allows faults, while none is armed. */
export const FAULTLESS: Transport = {
  ...RINGS,
  name: 'rings that can be broken, but are not',
  open() {
    const pair = RINGS.open();
    const table = new FaultTable(FaultTable.allocate(2), 2);
    const random = (): number => {
      throw new Error('nothing is left to chance while no fault is armed');
    };
    const wrap = (end: Endpoint): Endpoint => new FaultyEndpoint(end, { table, nowMs: () => 1, random });
    const ends = pair.ends.map(wrap);
    const restart = (party: 0 | 1): void => {
      pair.restart(party);
      ends[party] = wrap(pair.ends[party]!);
    };
    return { ...pair, ends, restart };
  },
};

export const PORTS: Transport = {
  name: 'ports',
  keepsPublished: false,
  slackBytes: WINDOW_BYTES + WINDOW_BYTES / 4,
  open() {
    const shared = sharedPair();
    const layout = new SharedLayout(shared.shape);
    const ends = openPorts(layout).map(
      (ports, party) => new PortEndpoint(shared, party, ports, WINDOW_BYTES),
    );
    const restart = (party: 0 | 1): void => {
      const { port1, port2 } = new MessageChannel();
      const ports = new Map<number, MessagePort>([[1 - party, port1]]);
      ends[party] = new PortEndpoint(shared, party, ports, WINDOW_BYTES);
      ends[1 - party]!.connect(party, port2);
    };
    return {
      ends,
      shared,
      layout,
      restart,
      close: () => {
        for (const end of ends) end.close();
      },
    };
  },
};
