/** Whom a party suspects, as two words of bits: bit v is virtual node v. Written by that party alone. */
export function markSuspicion(control: Int32Array, at: number, vnode: number, suspected: boolean): void {
  const word = at + (vnode >>> 5);
  const bit = 1 << (vnode & 31);
  if (suspected) Atomics.or(control, word, bit);
  else Atomics.and(control, word, ~bit);
}

export function isSuspected(control: Int32Array, at: number, vnode: number): boolean {
  return (Atomics.load(control, at + (vnode >>> 5)) & (1 << (vnode & 31))) !== 0;
}

/** Its thread is gone, and with it what it thought. */
export function clearSuspicions(control: Int32Array, at: number): void {
  Atomics.store(control, at, 0);
  Atomics.store(control, at + 1, 0);
}
