import { expect, test } from 'vitest';
import { SyncPace } from '../../src/storage/sync-pace.js';

test('syncs are brief once they have been measured, not after a slow one, and again when that has passed', () => {
  const pace = new SyncPace();
  expect(pace.brief).toBe(false);
  pace.note(0.2);
  expect(pace.brief).toBe(true);
  pace.note(20);
  expect(pace.brief).toBe(false);
  for (let i = 0; i < 20; i++) pace.note(0.2);
  expect(pace.brief).toBe(true);
});
