import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { range, readNumbered, receiveAll, sendNumbered, settle } from './numbered-frames.js';
import type { Pair, Transport } from './pairs.js';

/** What every transport promises, whoever carries the frames. Run it on each. */
export function describeEndpoint(transport: Transport): void {
  describe(`an endpoint over ${transport.name}`, () => {
    let pair: Pair;
    beforeEach(() => {
      pair = transport.open();
    });
    afterEach(() => pair.close());
    const send = (from: 0 | 1, number: number, bytes: number): void =>
      sendNumbered(pair.ends[from]!, 1 - from, number, bytes);

    test('frames arrive in order, both ways at once, with the sender’s number', () => {
      for (const from of [0, 1] as const) for (let i = 0; i < 50; i++) send(from, i, 16 + (i % 7) * 8);
      for (const end of pair.ends) end.flush();
      for (const end of pair.ends) {
        const numbers: number[] = [];
        end.drain(1_000, (from, words, bytes, at) => {
          expect(from).toBe(1 - end.party);
          numbers.push(readNumbered(words, bytes, at));
        });
        expect(numbers).toEqual(range(0, 50));
      }
    });

    test('nothing is seen before flush, and an opened frame that never ended is not seen at all', () => {
      send(0, 0, 64);
      expect(receiveAll(pair.ends[1]!)).toEqual([]);
      expect(pair.ends[1]!.idle()).toBe(true);
      pair.ends[0]!.to(1).begin(128);
      pair.ends[0]!.flush();
      expect(pair.ends[1]!.idle()).toBe(false);
      expect(receiveAll(pair.ends[1]!)).toEqual([0]);
      expect(pair.ends[1]!.idle()).toBe(true);
      send(0, 1, 64);
      expect(settle(pair.ends[0]!, pair.ends[1]!)).toEqual([1]);
    });

    test('frames of every size from 16 bytes to beyond a ring pass its end thousands of times', () => {
      let next = 0;
      for (let round = 0; round < 400; round++) {
        const from = next;
        for (let i = 0; i < 1 + (round % 9); i++) send(0, next++, 16 + ((round * 331 + i * 89) % 1_009));
        if (round % 50 === 0) send(0, next++, 16 + round * 40);
        expect(settle(pair.ends[0]!, pair.ends[1]!)).toEqual(range(from, next));
      }
    });

    test('the budget is kept per drain, and the rest is still there', () => {
      for (let i = 0; i < 10; i++) send(0, i, 24);
      pair.ends[0]!.flush();
      let count = 0;
      expect(pair.ends[1]!.drain(4, () => count++)).toBe(true);
      expect(count).toBe(4);
      expect(pair.ends[1]!.idle()).toBe(false);
      expect(receiveAll(pair.ends[1]!)).toEqual(range(4, 10));
    });

    test('values longer than a frame, up to 5 MiB, arrive whole between short ones', () => {
      const sizes = [40, 1_024, 1_025, 4_096, 70_000, 16, 1 << 20, 32, 5 << 20, 48];
      sizes.forEach((bytes, number) => send(0, number, bytes));
      expect(settle(pair.ends[0]!, pair.ends[1]!)).toEqual(range(0, sizes.length));
      expect(pair.ends[0]!.blocked).toBe(false);
      expect(pair.ends[0]!.to(1).waitingBytes).toBe(0);
    });

    /** Sends to a receiver that does not look, and checks the books all the while. */
    function overwhelm(frames: number): void {
      const outbox = pair.ends[0]!.to(1);
      for (let i = 0; i < frames; i++) {
        send(0, i, 104);
        if (i % 10 !== 9) continue;
        pair.ends[0]!.flush();
        const underWay = (i + 1) * 104 - outbox.waitingBytes;
        if (underWay <= 0 || underWay > transport.slackBytes) expect.fail(`${underWay} bytes are under way`);
      }
    }

    test('a stopped receiver: what is under way stays bounded, waitingBytes tells the rest, nothing is lost', () => {
      const outbox = pair.ends[0]!.to(1);
      overwhelm(30_000);
      expect(outbox.waitingBytes).toBeGreaterThan(29_000 * 104);
      expect(pair.ends[0]!.blocked).toBe(true);
      expect(pair.ends[0]!.idle()).toBe(true);
      expect(settle(pair.ends[0]!, pair.ends[1]!)).toEqual(range(0, 30_000));
      expect(outbox.waitingBytes).toBe(0);
      expect(pair.ends[0]!.blocked).toBe(false);
    });

    test('a full way out does not hold up the way in', () => {
      for (let i = 0; i < 200; i++) send(0, i, 104);
      pair.ends[0]!.flush();
      for (let i = 0; i < 1_000; i++) {
        send(1, i, 32);
        expect(settle(pair.ends[1]!, pair.ends[0]!)).toEqual([i]);
      }
      expect(receiveAll(pair.ends[1]!).length).toBeGreaterThan(0);
    });

    describe('a party that dies', () => {
      test('as a sender in the middle of a frame: what it published arrives, the rest is never seen', () => {
        for (let i = 0; i < 5; i++) send(0, i, 64);
        pair.ends[0]!.flush();
        send(0, 5, 64);
        pair.ends[0]!.to(1).begin(512);
        pair.restart(0);
        send(0, 100, 40);
        expect(settle(pair.ends[0]!, pair.ends[1]!)).toEqual([...range(0, 5), 100]);
      });

      test.each([
        ['a short one', 48],
        ['a long one of the same length', 9_000],
      ])(
        'as a sender in the middle of a long frame: its half is discarded, the successor sends %s',
        (_, bytes) => {
          send(0, 0, 9_000);
          pair.ends[0]!.flush();
          const first = receiveAll(pair.ends[1]!);
          pair.restart(0);
          send(0, 1, bytes);
          send(0, 2, 9_000);
          // A port carries a long frame in one message, a ring in chunks.
          expect([...first, ...settle(pair.ends[0]!, pair.ends[1]!)]).toEqual(
            transport.keepsPublished ? [1, 2] : [0, 1, 2],
          );
        },
      );

      test('as a receiver while it handles a frame: its successor does not meet that frame', () => {
        for (let i = 0; i < 10; i++) send(0, i, 64);
        pair.ends[0]!.flush();
        const met: number[] = [];
        expect(() =>
          pair.ends[1]!.drain(100, (_from, words, bytes, at) => {
            met.push(readNumbered(words, bytes, at));
            if (met.length === 4) throw new Error('poison');
          }),
        ).toThrow('poison');
        pair.restart(1);
        for (let i = 10; i < 400; i++) send(0, i, 64);
        expect(settle(pair.ends[0]!, pair.ends[1]!)).toEqual(range(transport.keepsPublished ? 4 : 10, 400));
      });

      test('as a sender: what it left behind neither takes nor gives room to its successor', () => {
        for (let i = 0; i < 30; i++) send(0, i, 104);
        pair.ends[0]!.flush();
        pair.restart(0);
        expect(receiveAll(pair.ends[1]!)).toEqual(range(0, 30));
        overwhelm(500);
        expect(settle(pair.ends[0]!, pair.ends[1]!)).toEqual(range(0, 500));
      });

      test('as a receiver with frames waiting for it: a sleeping sender is woken and they go to the successor', () => {
        for (let i = 0; i < 500; i++) send(0, i, 64);
        pair.ends[0]!.flush();
        const control = new Int32Array(pair.shared.control);
        control[pair.layout.doorbellWord(0)] = 1;
        expect(pair.ends[0]!.idle()).toBe(true);
        pair.restart(1);
        receiveAll(pair.ends[1]!).forEach((number, i) => expect(number).toBe(i));
        expect(control[pair.layout.doorbellWord(0)] === 0 || !pair.ends[0]!.idle()).toBe(true);
        const arrived = settle(pair.ends[0]!, pair.ends[1]!);
        expect(arrived.length).toBeGreaterThan(350);
        expect(arrived).toEqual(range(arrived[0]!, 500));
      });

      test('at both ends at once: the successors speak to each other', () => {
        for (const from of [0, 1] as const) {
          for (let i = 0; i < 300; i++) send(from, i, 72);
          pair.ends[from]!.flush();
        }
        pair.restart(0);
        pair.restart(1);
        for (const from of [0, 1] as const) send(from, 1_000, 72);
        for (const to of [0, 1] as const) {
          expect(settle(pair.ends[1 - to]!, pair.ends[to]!).at(-1)).toBe(1_000);
        }
      });
    });
  });
}
