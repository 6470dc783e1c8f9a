import { CALLER_READER_EPOCH, SharedLayout, STORE_READER_EPOCH } from '../messaging/layout.js';

/**
 * Epoch-based reclamation. A reader stores the current epoch into its own word before it looks at
 * an index and 0 when it has copied what it needs. Memory that was unlinked is reused only when
 * every reader's word is 0 or not older than the epoch raised after the unlinking.
 *
 * A reader that loads the epoch, is overtaken by a reclaimer, and only then stores it looks at the
 * index after that store, hence after the unlinking: it finds nothing stale.
 */
export class ReaderEpoch {
  private readonly control: Int32Array;
  private readonly word: number;

  constructor(control: Int32Array, word: number) {
    this.control = control;
    this.word = word;
  }

  enter(): void {
    Atomics.store(this.control, this.word, Atomics.load(this.control, STORE_READER_EPOCH));
  }

  leave(): void {
    Atomics.store(this.control, this.word, 0);
  }
}

/** Word in which a virtual node announces its own reads of other buffers. */
export const VNODE_READER_EPOCH = 4;

export class Reclaimer {
  private readonly control: Int32Array;
  private readonly words: number[] = [];

  constructor(control: Int32Array, layout: SharedLayout) {
    this.control = control;
    for (let v = 0; v < layout.shape.vnodes; v++) this.words.push(layout.vnodeWord(v) + VNODE_READER_EPOCH);
    for (let c = 0; c < layout.shape.callers; c++)
      this.words.push(layout.callerWord(c) + CALLER_READER_EPOCH);
  }

  /** Call after unlinking; returns the epoch that all readers must have reached. Never 0. */
  retire(): number {
    const epoch = (Atomics.add(this.control, STORE_READER_EPOCH, 1) + 1) | 0;
    return epoch === 0 ? (Atomics.add(this.control, STORE_READER_EPOCH, 1) + 1) | 0 : epoch;
  }

  passed(epoch: number): boolean {
    for (const word of this.words) {
      const at = Atomics.load(this.control, word);
      if (at !== 0 && ((at - epoch) | 0) < 0) return false;
    }
    return true;
  }
}
