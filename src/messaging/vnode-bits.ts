/**
 * A set of virtual nodes in two words of shared memory: bit v is virtual node v. Any thread may read
 * it; who writes which bits stands at the word (layout.ts). `setVnodeBit` says whether it changed.
 */
export function setVnodeBit(control: Int32Array, at: number, vnode: number, on: boolean): boolean {
  const word = at + (vnode >>> 5);
  const bit = 1 << (vnode & 31);
  const before = on ? Atomics.or(control, word, bit) : Atomics.and(control, word, ~bit);
  return ((before & bit) !== 0) !== on;
}

export function hasVnodeBit(control: Int32Array, at: number, vnode: number): boolean {
  return (Atomics.load(control, at + (vnode >>> 5)) & (1 << (vnode & 31))) !== 0;
}

export function anyVnodeBit(control: Int32Array, at: number): boolean {
  return (Atomics.load(control, at) | Atomics.load(control, at + 1)) !== 0;
}

export function clearVnodeBits(control: Int32Array, at: number): void {
  Atomics.store(control, at, 0);
  Atomics.store(control, at + 1, 0);
}
