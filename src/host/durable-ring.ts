import { assert } from '../base/assert.js';
import { RingletError } from '../base/errors.js';
import type { RingState } from '../ring/state.js';

/** The next state; the same one if there is nothing to do. */
export type RingStep = (state: RingState) => RingState;
/** A step has been taken. */
export type RingStepped = (before: RingState, after: RingState) => void;

/**
 * The state of the ring and its way to the next one: computed, made durable, and only then known to anybody.
 * Steps are taken one after the other, each from the state that the one before has left, so that no two
 * writes are under way at a time and none overtakes another. The thread goes on while the disk works.
 */
export class DurableRing {
  readonly #save: (state: RingState) => Promise<void>;
  readonly #publish: (state: RingState) => void;
  #known: RingState;
  #newest: RingState;
  #last: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param state it is durable, and published at once */
  constructor(
    state: RingState,
    save: (state: RingState) => Promise<void>,
    publish: (state: RingState) => void,
  ) {
    this.#save = save;
    this.#publish = publish;
    this.#known = state;
    this.#newest = state;
    publish(state);
  }

  /** As everybody may know it. */
  get known(): RingState {
    return this.#known;
  }

  /** The one that is being made durable, if one is: what must not meet it asks here. */
  get newest(): RingState {
    return this.#newest;
  }

  /** Resolves when the steps that were asked for by now are over. */
  get settled(): Promise<void> {
    return this.#last;
  }

  /**
   * Takes a step when those before it are over.
   *
   * @param stepped called at once when a new state is known, before anybody else can look at it
   * @returns the state that it led to
   * @throws what `step` throws; IO or STORE_FULL where the disk does not take it: the state is as it was; CLOSED
   */
  advance(step: RingStep, stepped?: RingStepped): Promise<RingState> {
    const taken = this.#last.then(() => this.#take(step, stepped));
    const over = (): void => undefined;
    this.#last = taken.then(over, over);
    return taken;
  }

  async #take(step: RingStep, stepped: RingStepped | undefined): Promise<RingState> {
    if (this.#closed) throw new RingletError('CLOSED', 'the store is closed');
    const before = this.#known;
    const after = step(before);
    if (after === before) return before;
    assert(after.revision > before.revision, 'a new state of the ring has a number of its own');
    this.#newest = after;
    try {
      await this.#save(after);
    } catch (error) {
      this.#newest = before;
      throw error;
    }
    this.#known = after;
    this.#publish(after);
    stepped?.(before, after);
    return after;
  }

  /** No further step is taken; resolves when nothing is being written any more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }
}
