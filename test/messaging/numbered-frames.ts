import { mix } from '../../src/base/hash.js';
import type { Endpoint } from '../../src/messaging/transport.js';

/**
 * Frames that tell when they were lost, doubled, moved or damaged: word 1 a type that is no chunk
 * mark, word 2 a number, word 3 the length that was asked for, then words that follow from the number.
 */
export const LEAST_BYTES = 16;

export function sendNumbered(endpoint: Endpoint, to: number, number: number, bytes: number): void {
  const outbox = endpoint.to(to);
  const at = outbox.begin(bytes);
  const { words } = outbox;
  words[at + 1] = 1;
  words[at + 2] = number;
  words[at + 3] = bytes;
  const end = at + (bytes >>> 2);
  for (let word = at + 4, value = mix(number); word < end; word++) words[word] = value++ | 0;
  outbox.end();
}

/** The frame's number. @throws if anything of it is not as it was sent */
export function readNumbered(words: Int32Array, bytes: Uint8Array, at: number): number {
  const number = words[at + 2]!;
  const asked = words[at + 3]!;
  if (words[at] !== ((asked + 7) & ~7))
    throw new Error(`frame ${number} of ${asked} bytes says ${words[at]}`);
  if (words[at + 1] !== 1) throw new Error(`frame ${number}: type ${words[at + 1]}`);
  const end = at + (asked >>> 2);
  for (let word = at + 4, value = mix(number); word < end; word++) {
    if (words[word] !== (value++ | 0)) throw new Error(`frame ${number} is damaged at word ${word - at}`);
  }
  if (bytes.byteOffset !== words.byteOffset || bytes.buffer !== words.buffer) {
    throw new Error('bytes and words are views of different memory');
  }
  return number;
}

/** Takes everything that is there and returns the numbers. */
export function receiveAll(endpoint: Endpoint, budget = 1_000): number[] {
  const numbers: number[] = [];
  for (let more = true; more;) {
    more = endpoint.drain(budget, (_from, words, bytes, at) => numbers.push(readNumbered(words, bytes, at)));
  }
  endpoint.flush();
  return numbers;
}

/** Turns of both ends until nothing is on its way to `receiver`. */
export function settle(sender: Endpoint, receiver: Endpoint): number[] {
  const numbers: number[] = [];
  for (let turns = 0, quiet = 0; turns < 20_000; turns++) {
    sender.flush();
    const arrived = receiveAll(receiver);
    for (const number of arrived) numbers.push(number);
    // Chunks move without a frame to show for it, but not without the sender being blocked.
    quiet = arrived.length === 0 && !sender.blocked ? quiet + 1 : 0;
    if (quiet === 2) return numbers;
  }
  throw new Error(`frames are still waiting after 20,000 turns; ${numbers.length} have arrived`);
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
