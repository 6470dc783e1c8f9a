import { assert } from '../base/assert.js';
import { hashWords } from '../base/hash.js';
import { paddedWords } from '../base/memory.js';
import type { RingState } from '../ring/state.js';
import { STORE_RING_REVISION, TOPOLOGY_SLOT_BYTES as SLOT_BYTES } from './layout.js';

/**
 * The state of the ring in shared memory, so that a thread which does nothing but requests, or sleeps,
 * needs no message to learn of a change. Two slots, used in turn:
 *
 *   word 0 revision   1 bytes of the text   2 checksum of the text   3… the state as JSON, UTF-8
 *
 * One writer, the thread that opened the store: it fills the slot of the new revision and then stores
 * that in STORE_RING_REVISION. A reader takes the slot of the revision that it finds there, copies it
 * and looks at revision and checksum; one that was overtaken twice meanwhile reads again.
 */
const TEXT_AT = 3;
const SEED = 0x52494e47;

export class RingTable {
  private readonly control: Int32Array;
  private readonly words: Int32Array;

  constructor(control: SharedArrayBuffer, table: SharedArrayBuffer) {
    this.control = new Int32Array(control);
    this.words = new Int32Array(table);
  }

  /** Of the state that is in force; 0: there is none yet. */
  get revision(): number {
    return Atomics.load(this.control, STORE_RING_REVISION);
  }

  publish(state: RingState): void {
    const bytes = new TextEncoder().encode(JSON.stringify(state));
    assert(bytes.length <= SLOT_BYTES - TEXT_AT * 4, 'a state of the ring fits into its slot');
    assert(state.revision > this.revision, 'states of the ring follow each other');
    const text = paddedWords(bytes);
    const at = this.slotOf(state.revision);
    this.words[at] = state.revision;
    this.words[at + 1] = bytes.length;
    this.words[at + 2] = hashWords(text, 0, text.length, SEED);
    this.words.set(text, at + TEXT_AT);
    Atomics.store(this.control, STORE_RING_REVISION, state.revision);
  }

  /** The newest state. REQUIRES: one was published. */
  read(): RingState {
    for (;;) {
      const state = this.tryRead(this.revision);
      if (state !== undefined) return state;
    }
  }

  private tryRead(revision: number): RingState | undefined {
    const at = this.slotOf(revision);
    const length = this.words[at + 1]!;
    if (this.words[at] !== revision || length < 0 || length > SLOT_BYTES - TEXT_AT * 4) return undefined;
    const checksum = this.words[at + 2]!;
    const text = Int32Array.from(this.words.subarray(at + TEXT_AT, at + TEXT_AT + ((length + 3) >>> 2)));
    if (hashWords(text, 0, text.length, SEED) !== checksum) return undefined;
    return JSON.parse(new TextDecoder().decode(new Uint8Array(text.buffer, 0, length))) as RingState;
  }

  private slotOf(revision: number): number {
    return ((revision & 1) * SLOT_BYTES) >>> 2;
  }
}
