import { availableParallelism } from 'node:os';
import { workerData } from 'node:worker_threads';
import {
  BODY_WORD,
  DRAIN_BUDGET,
  ECHO_PARTY,
  ID_WORD,
  MESSAGE_TYPE,
  STOP_ID,
  TYPE_WORD,
} from './ring-link.js';
import { copyWords } from '../../src/base/memory.js';
import { nowMs } from '../measure/clock.js';
import { SharedLayout, type SharedBuffers } from '../../src/messaging/layout.js';
import { Lookout } from '../../src/messaging/lookout.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import { Sleeper } from '../../src/messaging/sleeper.js';

/** Entry of the echoing thread: sends every message back, and waits for the next as a virtual node does. */
function echo(shared: SharedBuffers): void {
  const endpoint = new RingEndpoint(shared, ECHO_PARTY);
  const control = new Int32Array(shared.control);
  const layout = new SharedLayout(shared.shape);
  const lookout = new Lookout(control, layout, endpoint, nowMs, availableParallelism());
  const sleeper = new Sleeper(control, layout, endpoint, () => false, lookout);
  let stopped = false;
  for (;;) {
    endpoint.drain(DRAIN_BUDGET, (from, words, _bytes, at) => {
      stopped ||= words[at + ID_WORD] === STOP_ID;
      const bodyWords = (words[at]! >>> 2) - BODY_WORD;
      const outbox = endpoint.to(from);
      const to = outbox.begin(words[at]!);
      outbox.words[to + TYPE_WORD] = MESSAGE_TYPE;
      outbox.words[to + ID_WORD] = words[at + ID_WORD]!;
      copyWords(words, at + BODY_WORD, outbox.words, to + BODY_WORD, bodyWords);
      outbox.end();
    });
    endpoint.flush();
    if (stopped) return;
    sleeper.block(endpoint.blocked ? 1 : 1_000);
  }
}

echo(workerData as SharedBuffers);
