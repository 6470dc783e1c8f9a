import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';
import { expect, test } from 'vitest';
import { decodeClock, encodeRecord, type StoredValue } from '../../src/storage/record-codec.js';
import { KIND_PLAIN } from '../../src/storage/record.js';

setFlagsFromString('--allow-natives-syntax');
const haveSameShape = runInThisContext('(a, b) => %HaveSameMap(a, b)') as (a: object, b: object) => boolean;

/** As whoever reads a record gets it. */
function stored(value: StoredValue): StoredValue {
  const key = new Uint8Array([1]);
  const clock = [{ actor: 1, n: 1, values: [value] }];
  const { words, bytes } = encodeRecord({ hash: 1, partition: 0, bucket: 1 }, key, KIND_PLAIN, clock);
  return decodeClock(words, bytes, 0)[0]!.values[0]!;
}

test('all values that are read from records have one shape for V8, those that expire and tombstones too', () => {
  const common = { bytes: new Uint8Array(3), contentType: 'text/plain', time: 2 ** 40 + 0.5, deleted: false };
  const first = stored(common);
  expect(haveSameShape(first, stored({ ...common, time: 1 }))).toBe(true);
  expect(haveSameShape(first, stored({ ...common, expiresAtMs: 2 ** 41 }))).toBe(true);
  expect(haveSameShape(first, stored({ ...common, deleted: true }))).toBe(true);
});
