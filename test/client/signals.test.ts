import { expect, test } from 'vitest';
import { offAbort, onAbort } from '../../src/client/signals.js';

test('all who listen hear of it, by one listener of the signal, and none who has gone', () => {
  const { signal, abort } = controlled();
  const heard: number[] = [];
  const numbers = Array.from({ length: 20 }, (_, i) => i);
  const callbacks = numbers.map((i) => () => void heard.push(i));
  for (const callback of callbacks) onAbort(signal, callback);
  offAbort(signal, callbacks[3]!);
  abort();
  expect(heard).toEqual(numbers.filter((i) => i !== 3));
});

test('who comes when it has fired hears of it too, a moment later, unless he has gone by then', async () => {
  const { signal, abort } = controlled();
  abort();
  const heard: string[] = [];
  const gone = (): void => void heard.push('gone');
  onAbort(signal, () => heard.push('late'));
  onAbort(signal, gone);
  offAbort(signal, gone);
  expect(heard).toEqual([]);
  await Promise.resolve();
  expect(heard).toEqual(['late']);
});

function controlled(): { signal: AbortSignal; abort: () => void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
