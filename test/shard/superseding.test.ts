import { describe, expect, it } from 'vitest';
import { paddedWords } from '../../src/base/memory.js';
import { OP_DELETE, OP_PUT, RULE_LWW, RULE_SIBLINGS } from '../../src/messaging/frames.js';
import type { PutRequest } from '../../src/shard/put-request.js';
import { buildSuperseding } from '../../src/shard/superseding.js';
import {
  CONTENT_TYPE_LITERAL,
  CONTENT_TYPES,
  lengthAt,
  sealHead,
  verifyRecord,
} from '../../src/storage/record.js';
import { decodeClock, encodeRecord, type StoredValue } from '../../src/storage/record-codec.js';
import { type Clock, type Entry, join, update, values } from '../../src/versions/dvvs.js';
import { seeded } from '../versions/model.js';
import { keyBytesOf, memoryOf, value } from '../storage/support.js';

type Random = (below: number) => number;
const OWN = 3;

function randomClock(random: Random): Clock<StoredValue> {
  const clock: Entry<StoredValue>[] = [];
  for (let actor = 1; actor <= 5; actor++) {
    if (random(2) === 0) continue;
    const n = 1 + random(3);
    const list = Array.from({ length: random(Math.min(n, 2) + 1) }, (_, i) =>
      value(`${actor}.${n - i}`, { time: random(50) }),
    );
    clock.push({ actor, n, values: list });
  }
  return clock;
}

function randomContext(random: Random, clock: Clock<StoredValue>): Clock<never> {
  if (random(4) === 0) return [];
  const context = new Map(join(clock).map(({ actor, n }) => [actor, n]));
  if (random(3) === 0) context.set(1 + random(8), 1 + random(3));
  if (random(4) === 0) context.delete(1 + random(5));
  return [...context].sort(([a], [b]) => a - b).map(([actor, n]) => ({ actor, n, values: [] }));
}

describe('the quick way of a put', () => {
  it('gives the record that update gives, whenever it gives one, and gives one whenever nothing survives', () => {
    let quick = 0;
    let general = 0;
    for (let seed = 0; seed < 20_000; seed++) {
      const random = seeded(seed);
      const clock = random(6) === 0 ? undefined : randomClock(random);
      const rule = random(4) === 0 ? RULE_LWW : RULE_SIBLINGS;
      const context = randomContext(random, clock ?? []);
      const type = ['application/json', 'x/odd', 'application/octet-stream'][random(3)]!;
      const code = CONTENT_TYPES.indexOf(type as (typeof CONTENT_TYPES)[number]);
      const operation = random(5) === 0 ? OP_DELETE : OP_PUT;
      const expiresAtMs = operation === OP_PUT && random(3) === 0 ? 1_000 + random(9) : 0;
      const floor = random(3) === 0 ? random(6) : 0;
      const text = operation === OP_DELETE ? '' : 'v'.repeat(random(12));
      const key = keyBytesOf('k'.repeat(1 + random(9)));
      const request: PutRequest = {
        hash: 9,
        partition: 5,
        bucket: 6,
        caller: 0,
        operation,
        level: 0,
        w: 1,
        n: 1,
        r: 1,
        rule,
        ownersOnly: false,
        condition: 0,
        by: 0,
        expiresAtMs,
        context,
        key,
        keyWords: paddedWords(key),
        contentTypeCode: code < 0 ? CONTENT_TYPE_LITERAL : code,
        contentTypeBytes: keyBytesOf(code < 0 ? type : ''),
        value: keyBytesOf(text),
      };
      const stored = clock && encodeRecord(request, key, 0, clock);
      const current = stored && stored.words.slice(0, lengthAt(stored.words, 0) >>> 2);
      const built = buildSuperseding(request, current, 0, OWN, 77, floor);

      // In an lww bucket a put supersedes all that its coordinator knows.
      const seen = rule === RULE_LWW ? mergeContext(context, join(clock ?? [])) : context;
      const put: StoredValue = {
        bytes: request.value,
        contentType: type,
        time: 77,
        deleted: operation === OP_DELETE,
        ...(expiresAtMs > 0 ? { expiresAtMs } : {}),
      };
      const expected = update(seen, put, clock ?? [], OWN, floor);
      if (values(expected).length === 1) expect(built, `seed ${seed}`).toBeDefined();
      if (built === undefined) {
        general++;
        continue;
      }
      quick++;
      sealHead(built.words, 0, 1, 1, 0);
      const bytes = built.bytes.slice(0, lengthAt(built.words, 0));
      expect(verifyRecord(bytes), `seed ${seed}`).toBe(true);
      const reference = encodeRecord(request, key, 0, expected);
      sealHead(reference.words, 0, 1, 1, 0);
      const same = Buffer.compare(bytes, reference.bytes.subarray(0, lengthAt(reference.words, 0))) === 0;
      if (!same) expect(plain(bytes), `seed ${seed}`).toEqual(plain(reference.bytes));
      expect(same).toBe(true);
    }
    expect(quick).toBeGreaterThan(5_000);
    expect(general).toBeGreaterThan(3_000);
  });
});

function mergeContext(a: Clock<never>, b: Clock<never>): Clock<never> {
  const all = new Map<number, number>();
  for (const { actor, n } of [...a, ...b]) all.set(actor, Math.max(n, all.get(actor) ?? 0));
  return [...all].sort(([x], [y]) => x - y).map(([actor, n]) => ({ actor, n, values: [] }));
}

function plain(bytes: Uint8Array): unknown {
  const { words, bytes: own } = memoryOf(bytes);
  return decodeClock(words, own, 0).map(({ actor, n, values: list }) => [actor, n, list.length]);
}
