import fc from '../properties.js';
import { describe, expect, test, vi } from 'vitest';
import { LIMITS } from '../../src/base/limits.js';
import { isChunk, Reassembly, writeChunkHeader } from '../../src/messaging/chunks.js';
import { RING_HEADER_BYTES, SharedLayout } from '../../src/messaging/layout.js';
import { RingEndpoint } from '../../src/messaging/ring-endpoint.js';
import { RingConsumer, RingProducer } from '../../src/messaging/ring.js';
import { range, readNumbered, receiveAll, sendNumbered, settle } from './numbered-frames.js';
import { RINGS, sharedPair } from './pairs.js';

/** What holds for rings because they outlive their threads, and what only their words can get wrong. */
const CAPACITY = 4_096;

type WaitAsync = (words: Int32Array, index: number, value: number) => { value: Promise<string> };
const { waitAsync } = Atomics as unknown as { waitAsync: WaitAsync };

test('room is free again while the rest of a full ring is handled, and what takes it arrives in the same turn', () => {
  const { ends } = RINGS.open();
  for (let i = 0; i < 21; i++) sendNumbered(ends[0]!, 1, i, 200);
  ends[0]!.flush();
  expect(ends[0]!.blocked).toBe(true);
  const met: number[] = [];
  let blocked = true;
  ends[1]!.drain(100, (_from, words, bytes, at) => {
    met.push(readNumbered(words, bytes, at));
    if (met.length !== 10) return;
    ends[0]!.flush();
    blocked = ends[0]!.blocked;
  });
  expect(blocked).toBe(false);
  expect(met).toEqual(range(0, 21));
});

describe('a ring whose thread dies', () => {
  test('inside a handler, without any clean-up: the successor goes on behind the frame that killed it', () => {
    const { ends, restart } = RINGS.open();
    for (let i = 0; i < 6; i++) sendNumbered(ends[0]!, 1, i, 200);
    ends[0]!.flush();
    const met: number[] = [];
    const successors: number[] = [];
    ends[1]!.drain(100, (_from, words, bytes, at) => {
      if (successors.length > 0) return;
      met.push(readNumbered(words, bytes, at));
      if (met.length < 3) return;
      // The old thread gets no further than this line.
      restart(1);
      successors.push(...receiveAll(ends[1]!));
    });
    expect(met).toEqual([0, 1, 2]);
    expect(successors).toEqual([3, 4, 5]);
  });

  test('inside the handler of the last frame of a full ring: its room is free again at once', () => {
    const { ends, restart } = RINGS.open();
    for (let i = 0; i < 21; i++) sendNumbered(ends[0]!, 1, i, 200);
    ends[0]!.flush();
    let count = 0;
    let freed = false;
    ends[1]!.drain(20, () => {
      if (++count < 20) return;
      restart(1);
      ends[0]!.flush();
      freed = !ends[0]!.blocked;
    });
    expect(count).toBe(20);
    expect(freed).toBe(true);
  });

  test('inside a handler: the frame in progress is not overwritten while it is handled', () => {
    const { ends } = RINGS.open();
    for (let i = 0; i < 4; i++) sendNumbered(ends[0]!, 1, i, 1_000);
    ends[0]!.flush();
    ends[1]!.drain(2, (_from, words, bytes, at) => {
      for (let i = 0; i < 8; i++) sendNumbered(ends[0]!, 1, 100 + i, 1_000);
      ends[0]!.flush();
      readNumbered(words, bytes, at);
    });
  });

  test('after it freed space and before it rang: its successor wakes the sender that waits for it', () => {
    const { ends, shared, layout, restart } = RINGS.open();
    for (let i = 0; i < 100; i++) sendNumbered(ends[0]!, 1, i, 200);
    ends[0]!.flush();
    // A consumer alone takes everything and does not look whether somebody waits.
    new RingConsumer(shared.rings, layout.ringAt(0, 1), CAPACITY).drain(100, () => undefined);
    const control = new Int32Array(shared.control);
    control[layout.doorbellWord(0)] = 1;
    expect(ends[0]!.idle()).toBe(true);
    restart(1);
    expect(control[layout.doorbellWord(0)]).toBe(0);
    expect(ends[0]!.idle()).toBe(false);
    expect(settle(ends[0]!, ends[1]!).at(-1)).toBe(99);
  });

  test('and whose successor ignores everything (a caller slot): that wakes the sender too', () => {
    const { ends, shared, layout } = RINGS.open();
    for (let i = 0; i < 100; i++) sendNumbered(ends[0]!, 1, i, 200);
    ends[0]!.flush();
    const control = new Int32Array(shared.control);
    control[layout.doorbellWord(0)] = 1;
    (ends[1] as RingEndpoint).skipAll();
    expect(control[layout.doorbellWord(0)]).toBe(0);
    expect(ends[0]!.idle()).toBe(false);
  });

  test.each([1, 0])(
    'in the middle of a ring, the word still or no longer %i: its successor wakes the sleeper',
    async (word) => {
      const { shared, layout, restart } = RINGS.open();
      const control = new Int32Array(shared.control);
      const bell = layout.doorbellWord(0);
      control[bell] = 1;
      const { value: woken } = waitAsync(control, bell, 1);
      // Space is free, a frame is out, nobody is marked as parked: only the notification is missing.
      control[bell] = word;
      restart(1);
      expect(control[bell]).toBe(0);
      expect(await woken).toBe('ok');
    },
  );

  test('any number of times, on both sides: short frames are never lost by a receiver, nor met twice', () => {
    const step = fc.tuple(
      fc.constantFrom('send', 'send', 'send', 'flush', 'drain', 'drain', 'receiver dies', 'poison'),
      fc.integer({ min: 16, max: 1_024 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300, size: 'max' }), (steps) => {
        const { ends, restart } = RINGS.open();
        const arrived: number[] = [];
        let sent = 0;
        let poison = false;
        const take = (_from: number, words: Int32Array, bytes: Uint8Array, at: number): void => {
          arrived.push(readNumbered(words, bytes, at));
          if (poison) throw new Error('poison');
        };
        for (const [what, bytes] of steps) {
          if (what === 'send') sendNumbered(ends[0]!, 1, sent++, bytes);
          else if (what === 'flush') ends[0]!.flush();
          else if (what === 'drain') ends[1]!.drain(1 + (bytes % 10), take);
          else {
            poison = what === 'poison';
            try {
              ends[1]!.drain(1 + (bytes % 10), take);
            } catch {
              // It dies of it.
            }
            poison = false;
            restart(1);
          }
        }
        arrived.push(...settle(ends[0]!, ends[1]!));
        expect(arrived).toEqual(range(0, sent));
      }),
      { numRuns: 150 },
    );
  });
});

describe('a ring that is full', () => {
  test('and is emptied just before its producer says that it waits: the producer looks again', () => {
    const { ends } = RINGS.open();
    for (let i = 0; i < 21; i++) sendNumbered(ends[0]!, 1, i, 200);
    const { park } = RingProducer.prototype;
    const early: number[] = [];
    const spy = vi.spyOn(RingProducer.prototype, 'park').mockImplementationOnce(function parkLate(
      this: RingProducer,
    ) {
      this.publish();
      early.push(...receiveAll(ends[1]!));
      park.call(this);
    });
    ends[0]!.flush();
    spy.mockRestore();
    expect(early.length).toBeGreaterThan(0);
    expect(ends[0]!.blocked).toBe(false);
    expect([...early, ...receiveAll(ends[1]!)]).toEqual(range(0, 21));
  });

  test.each([0, 2 ** 31 - 64, 2 ** 31, 2 ** 32 - 4_096, 2 ** 32 - 8])(
    'positions are counted modulo 2^32: it begins at %d',
    (position) => {
      const shared = sharedPair();
      const layout = new SharedLayout(shared.shape);
      const header = new Int32Array(shared.rings, layout.ringAt(0, 1), RING_HEADER_BYTES / 4);
      for (const word of [0, 16, 32]) header[word] = position | 0;
      const ends = [new RingEndpoint(shared, 0), new RingEndpoint(shared, 1)];
      for (let i = 0; i < 500; i++) sendNumbered(ends[0]!, 1, i, 16 + ((i * 88) % 900));
      expect(settle(ends[0]!, ends[1]!)).toEqual(range(0, 500));
    },
  );
});

test('a long frame that is under way does not count as waiting: what comes behind it is not refused because of it', () => {
  const { ends } = RINGS.open();
  const outbox = ends[0]!.to(1);
  sendNumbered(ends[0]!, 1, 0, 1 << 20);
  expect(outbox.waitingBytes).toBe(0);
  sendNumbered(ends[0]!, 1, 1, 64);
  sendNumbered(ends[0]!, 1, 2, 2 << 20);
  ends[0]!.flush();
  expect(outbox.waitingBytes).toBe(64 + (2 << 20));
  receiveAll(ends[1]!);
  ends[0]!.flush();
  expect(outbox.waitingBytes).toBe(64 + (2 << 20));
  const arrived: number[] = [];
  while (arrived.length < 2) {
    arrived.push(...receiveAll(ends[1]!));
    ends[0]!.flush();
  }
  expect([arrived, outbox.waitingBytes, ends[0]!.blocked]).toEqual([[0, 1], 0, true]);
  expect(settle(ends[0]!, ends[1]!)).toEqual([2]);
  expect([outbox.waitingBytes, ends[0]!.blocked]).toEqual([0, false]);
});

test('of each frame that waits no more than a quarter of the limit counts: one long value does not have small ones refused', () => {
  const { ends } = RINGS.open();
  const outbox = ends[0]!.to(1);
  for (let i = 0; i < 5; i++) sendNumbered(ends[0]!, 1, i, 3 << 20);
  expect(outbox.waitingBytes).toBe(LIMITS.outboxBytes);
  sendNumbered(ends[0]!, 1, 5, 64);
  expect(outbox.waitingBytes).toBe(LIMITS.outboxBytes + 64);
  expect(settle(ends[0]!, ends[1]!)).toEqual([0, 1, 2, 3, 4, 5]);
  expect([outbox.waitingBytes, outbox.leftBytes]).toEqual([0, outbox.queuedBytes]);
});

describe('chunks', () => {
  const chunk = (whole: number, offset: number, bytes: number): Int32Array => {
    const words = new Int32Array(4 + bytes / 4);
    words[0] = words.length * 4;
    writeChunkHeader(words, 0, whole, offset);
    return words;
  };

  test('half a frame is let go as soon as anything else arrives', () => {
    const shared = sharedPair();
    const layout = new SharedLayout(shared.shape);
    const producer = new RingProducer(shared.rings, layout.ringAt(0, 1), CAPACITY);
    const put = (frame: Int32Array): void => {
      const at = producer.reserve(frame.length * 4);
      for (let i = 1; i < frame.length; i++) producer.words[at + i] = frame[i]!;
      producer.append(at);
    };
    put(chunk(64, 0, 32));
    put(Int32Array.of(0, 1, 7, 16));
    put(chunk(64, 32, 32));
    producer.publish();
    expect(receiveAll(new RingEndpoint(shared, 1))).toEqual([7]);
  });

  test.each([
    ['without their beginning', [chunk(64, 32, 32)]],
    ['of another frame', [chunk(64, 0, 32), chunk(72, 32, 40)]],
    ['with a gap', [chunk(96, 0, 32), chunk(96, 64, 32)]],
    ['twice', [chunk(64, 0, 32), chunk(64, 0, 32)]],
    ['of no length', [chunk(0, 0, 32)]],
    ['of a length below zero', [chunk(-64, 0, 32), chunk(-64, 32, 32)]],
    ['of a length that no frame has', [chunk(0x7fff_fff8, 0, 32)]],
    ['beyond the end of their frame', [chunk(64, 0, 32), chunk(64, 32, 40)]],
  ])('chunks %s make no frame', (_, chunks) => {
    const reassembly = new Reassembly();
    for (const words of chunks) {
      expect(isChunk(words, 0)).toBe(true);
      expect(reassembly.add(words, 0)).toBeUndefined();
    }
  });
});
