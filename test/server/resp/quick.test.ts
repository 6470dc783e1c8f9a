import { expect, test } from 'vitest';
import { request } from './client.js';
import { openDoor } from './harness.js';

const door = openDoor();
const FULL = 16;

/** Requests of the door's bucket that were measured, by operation and outcome. */
function measured(): Record<string, number> {
  return Object.fromEntries(
    door.store
      .latencies()
      .filter(({ bucket }) => bucket === 'redis-5')
      .map(({ operation, outcome, count }) => [`${operation} ${outcome}`, count]),
  );
}

test('a pipeline of SETs and GETs without options is answered in its order, values of any length', async () => {
  const client = await door.connect();
  await client.call('SELECT', 4);
  const lengths = Array.from({ length: 40 }, (_, i) => (i < 20 ? i : i * 97));
  const value = (i: number): string => String.fromCharCode(65 + (i % 26)).repeat(lengths[i]!);
  for (const [i] of lengths.entries()) client.send(request('SET', `k${i}`, value(i)));
  for (const _ of lengths) expect(await client.next()).toBe('OK');
  for (const [i] of lengths.entries()) client.send(request('GET', `k${i}`));
  for (const [i] of lengths.entries()) expect(await client.next()).toBe(value(i));
});

test('the quick ways of GET and SET are measured like the others', async () => {
  const client = await door.connect();
  await client.call('SELECT', 5);
  // The first makes the bucket.
  await client.call('SET', 'a', '1', 'EX', 100);
  for (let i = 0; i < FULL; i++) client.send(request('SET', `q${i}`, 'v'));
  for (let i = 0; i < FULL; i++) await client.next();
  for (let i = 0; i < FULL; i++) client.send(request('GET', `q${i}`));
  for (let i = 0; i < FULL; i++) await client.next();
  await expect.poll(measured).toEqual({ 'put ok': 1 + FULL, 'get ok': FULL });
});
