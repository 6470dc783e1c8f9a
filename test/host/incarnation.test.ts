import { MessageChannel } from 'node:worker_threads';
import { afterEach, expect, test, vi } from 'vitest';
import { Incarnation, type Ready } from '../../src/host/incarnation.js';

afterEach(() => {
  vi.useRealTimers();
});

test('a thread that replays its journal for an hour is waited for, and serves then', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const { port1, port2 } = new MessageChannel();
  const onReady = vi.fn();
  const incarnation = new Incarnation(
    'n1.0',
    { port: port1, abort: new AbortController(), run: new Promise(() => undefined), wake: () => undefined },
    {
      ready: onReady,
      whole: () => undefined,
      actors: () => [],
      facts: () => undefined,
    },
  );
  vi.advanceTimersByTime(3_600_000);
  const ready: Ready & { readonly type: 'ready' } = {
    type: 'ready',
    recoveredRecords: 7,
    recoveryMs: 3_600_000,
  };
  port2.postMessage(ready);
  expect(await incarnation.ready).toMatchObject({ recoveredRecords: 7 });
  expect(onReady).toHaveBeenCalledOnce();
  port1.close();
});
