import type { SharedLayout } from './layout.js';

/**
 * One word per party: 1 while it sleeps, else 0.
 *
 * Sleeper: store 1 → look at every inbox once more → sleep while the word is 1 → store 0.
 * Ringer: publish → if the word is 1, exchange it for 0 and notify. Both orders are sequentially
 * consistent, so either the sleeper sees the message or the ringer sees the sleeper.
 * `Atomics.notify` takes a process-wide mutex even when nobody waits; hence the flag.
 */
export function ring(control: Int32Array, layout: SharedLayout, party: number): void {
  const word = layout.doorbellWord(party);
  if (Atomics.load(control, word) === 1 && Atomics.exchange(control, word, 0) === 1) {
    Atomics.notify(control, word);
  }
}

/**
 * Wakes a party whatever its word says. Whoever takes over from a thread that died calls this: the
 * dead one may have stopped between any two steps of {@link ring}, with the word already cleared.
 */
export function rouse(control: Int32Array, layout: SharedLayout, party: number): void {
  const word = layout.doorbellWord(party);
  Atomics.store(control, word, 0);
  Atomics.notify(control, word);
}
