import { CALLER_READER_EPOCH, SharedLayout, STORE_READER_EPOCH } from '../messaging/layout.js';
import { raiseReaderEpoch } from '../messaging/reader-epoch.js';

/**
 * Epoch-based reclamation. A reader stores the current epoch into its own word before it looks at
 * an index and 0 when it has copied what it needs. Memory that was unlinked is reused only when
 * every reader's word is 0 or not older than the epoch raised after the unlinking.
 *
 * The reader announces the epoch that it knows and then looks whether it is still the current one.
 * If so, whoever raises it later finds the announcement, and waits; what was unlinked for an earlier
 * epoch is not found any more, since the reader looks at the index after both. If not, it announces
 * the newer one in the same way.
 */
export class ReaderEpoch {
  private readonly control: Int32Array;
  private readonly word: number;
  private known = 0;

  constructor(control: Int32Array, word: number) {
    this.control = control;
    this.word = word;
  }

  /** Returns false if the epoch is another one than at the last call: then nothing seen before holds. */
  enter(): boolean {
    Atomics.store(this.control, this.word, this.known);
    if (Atomics.load(this.control, STORE_READER_EPOCH) === this.known) return true;
    do {
      this.known = Atomics.load(this.control, STORE_READER_EPOCH);
      Atomics.store(this.control, this.word, this.known);
    } while (Atomics.load(this.control, STORE_READER_EPOCH) !== this.known);
    return false;
  }

  /** Whether the epoch is still that of the last {@link enter}. */
  get current(): boolean {
    return Atomics.load(this.control, STORE_READER_EPOCH) === this.known;
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
    return raiseReaderEpoch(this.control);
  }

  passed(epoch: number): boolean {
    for (const word of this.words) {
      const at = Atomics.load(this.control, word);
      if (at !== 0 && ((at - epoch) | 0) < 0) return false;
    }
    return true;
  }
}
