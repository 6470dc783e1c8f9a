import { STORE_READER_EPOCH, VNODE_STATE, type SharedLayout } from './layout.js';

/**
 * STORE_READER_EPOCH counts whatever readers of other threads' memory must hear of: something was
 * unlinked and may be reused (storage/readers.ts), an index moved to another table, a virtual node
 * began or ceased to serve, hints for one began or ceased to wait, the store closes.
 *
 * Who changes such a word stores it first and raises the epoch before it relies on the change (before
 * it acknowledges, reuses, or serves). A reader that meets the epoch that it has met before may go on
 * with what it knew then: every change behind it is still under way, and so concurrent to the read.
 */
export function raiseReaderEpoch(control: Int32Array): number {
  const epoch = (Atomics.add(control, STORE_READER_EPOCH, 1) + 1) | 0;
  // Never 0: in a reader's word that says "reads nothing".
  return epoch === 0 ? (Atomics.add(control, STORE_READER_EPOCH, 1) + 1) | 0 : epoch;
}

/** The only way to write a virtual node's state word: readers keep what they saw of it. */
export function setVnodeState(control: Int32Array, layout: SharedLayout, vnode: number, state: number): void {
  Atomics.store(control, layout.vnodeWord(vnode) + VNODE_STATE, state);
  raiseReaderEpoch(control);
}
