import { parentPort, workerData, type MessagePort } from 'node:worker_threads';
import { mix } from '../../src/base/hash.js';
import { SharedLayout, type SharedBuffers } from '../../src/messaging/layout.js';
import { PortEndpoint } from '../../src/messaging/port-endpoint.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import { Sleeper } from '../../src/messaging/sleeper.js';
import { readNumbered, sendNumbered } from './numbered-frames.js';

/** Half of a conversation between two threads in which each sends `frames` numbered frames to the other. */
export interface TrafficTask {
  readonly shared: SharedBuffers;
  readonly party: 0 | 1;
  /** Rings without, MessagePorts with. */
  readonly ports?: ReadonlyMap<number, MessagePort>;
  readonly frames: number;
  /** The largest frame; most are far smaller. */
  readonly maxBytes: number;
  /** A party may be ahead of what it has received by so many frames: few make both sleep often. */
  readonly ahead: number;
  readonly sleep: 'block' | 'event loop' | 'both';
}

export interface TrafficReport {
  readonly received: number;
  readonly error?: string;
  /** Times that the thread armed its doorbell, saw nothing and went to sleep. */
  readonly sleeps: number;
  /** Times that nobody woke it although the conversation was not over. */
  readonly timeouts: number;
  /** … and a frame had arrived, or there was room to send. */
  readonly missed: number;
}

/** Never reached by a peer that runs, however loaded the machine is. */
const SLEEP_MS = 20_000;
const WAITING_BYTES = 64 << 10;

async function converse(task: TrafficTask): Promise<TrafficReport> {
  const { shared, party, frames, maxBytes, ahead } = task;
  const peer = 1 - party;
  const endpoint =
    task.ports === undefined ? new RingEndpoint(shared, party) : new PortEndpoint(shared, party, task.ports);
  let sleeps = 0;
  const counted = {
    party,
    idle: () => {
      const idle = endpoint.idle();
      if (idle) sleeps++;
      return idle;
    },
  } as unknown as RingEndpoint;
  const sleeper = new Sleeper(new Int32Array(shared.control), new SharedLayout(shared.shape), counted);
  const outbox = endpoint.to(peer);
  let random = party + 1;
  const next = (below: number): number => ((random = mix(random + 0x9e3779b9)) >>> 0) % below;
  let sent = 0;
  let received = 0;
  let timeouts = 0;
  let missed = 0;
  const take = (from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
    const number = readNumbered(words, bytes, at);
    if (number !== received || from !== peer)
      throw new Error(`frame ${number} of ${from} after ${received} frames`);
    received++;
  };
  for (;;) {
    const more = endpoint.drain(256, take);
    const until = Math.min(frames, received + ahead, sent + 1 + next(256));
    while (sent < until && outbox.waitingBytes < WAITING_BYTES) {
      const large = maxBytes > 64 && next(16) === 0;
      sendNumbered(endpoint, peer, sent++, 16 + next(large ? maxBytes - 16 : 48));
    }
    endpoint.flush();
    if (more || (sent < Math.min(frames, received + ahead) && outbox.waitingBytes < WAITING_BYTES)) continue;
    if (sent === frames && received === frames && !endpoint.blocked) break;
    const startedMs = performance.now();
    if (task.sleep === 'block' || (task.sleep === 'both' && next(2) === 0)) {
      sleeper.block(SLEEP_MS);
    } else {
      // A native completion comes now and then.
      if (next(32) === 0) setImmediate(sleeper.wake);
      await sleeper.onEventLoop(SLEEP_MS);
    }
    if (performance.now() - startedMs < SLEEP_MS * 0.95) continue;
    timeouts++;
    if (!endpoint.idle()) missed++;
    break;
  }
  return { received, sleeps, timeouts, missed };
}

const task = workerData as TrafficTask;
const report = await converse(task).catch((error: unknown): TrafficReport => ({
  received: -1,
  error: String(error),
  sleeps: 0,
  timeouts: 0,
  missed: 0,
}));
parentPort!.postMessage(report);
