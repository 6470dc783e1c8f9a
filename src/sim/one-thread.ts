/**
 * Shared memory as a simulation uses it. All of its threads are one, so that any access is atomic; a call of
 * the real `Atomics` costs twenty times as much as a plain one, and a turn makes a hundred of them. While
 * a run lasts plain ones take their place, and a thread that is to die between two stores dies in them.
 */

/** A thread that died before one of its stores into shared memory. */
export class Stopped extends Error {}

let counting = false;
let storesLeft = 0;

/** Runs a piece of a thread that dies before the store behind so many; returns how many are left then. @throws Stopped */
export function dyingAfter(stores: number, action: () => void): number {
  counting = true;
  storesLeft = stores;
  try {
    action();
    return storesLeft;
  } finally {
    counting = false;
  }
}

const { load, store, exchange, compareExchange, add, notify } = Atomics;
const REAL = { load, store, exchange, compareExchange, add, notify };
const PLAIN: typeof REAL = {
  load: ((words: Int32Array, at: number) =>
    words instanceof Int32Array ? words[at]! : load(words, at)) as typeof load,
  store: ((words: Int32Array, at: number, value: number) => {
    if (counting && storesLeft-- <= 0) throw new Stopped('died between two stores');
    return words instanceof Int32Array ? (words[at] = value) : store(words, at, value);
  }) as typeof store,
  exchange: ((words: Int32Array, at: number, value: number) => {
    if (!(words instanceof Int32Array)) return exchange(words, at, value);
    const before = words[at]!;
    words[at] = value;
    return before;
  }) as typeof exchange,
  compareExchange: ((words: Int32Array, at: number, expected: number, value: number) => {
    if (!(words instanceof Int32Array)) return compareExchange(words, at, expected, value);
    const before = words[at]!;
    if (before === expected) words[at] = value;
    return before;
  }) as typeof compareExchange,
  add: ((words: Int32Array, at: number, by: number) => {
    if (!(words instanceof Int32Array)) return add(words, at, by);
    const before = words[at]!;
    words[at] = before + by;
    return before;
  }) as typeof add,
  // Nobody waits: who sleeps is a word (turns.ts).
  notify: () => 0,
};

/** Runs a simulation with plain accesses in the place of `Atomics`. */
export function asOneThread<T>(simulation: () => T): T {
  Object.assign(Atomics, PLAIN);
  try {
    return simulation();
  } finally {
    Object.assign(Atomics, REAL);
  }
}
