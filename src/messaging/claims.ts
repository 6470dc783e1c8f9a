import type { SharedLayout } from './layout.js';

/**
 * A put is executed at most once. Each put in flight has a claim word in its caller's block:
 *
 *   FREE → PENDING       the caller, before it sends
 *   PENDING → CLAIMED    the coordinator, by compare-exchange, before it executes
 *   PENDING → CANCELLED  the caller, by compare-exchange: nobody will ever execute it
 *
 * A request number is slot | use <<12; the word holds use <<2 | state, so that a frame which
 * outlived its request finds another use and is dropped.
 */
export const SLOT_BITS = 12;
export const SLOTS = 1 << SLOT_BITS;
const USES = 1 << 20;

const PENDING = 1;
const CLAIMED = 2;
const CANCELLED = 3;

export function requestNumber(slot: number, use: number): number {
  return (slot | (use << SLOT_BITS)) >>> 0;
}
export function slotOf(request: number): number {
  return request & (SLOTS - 1);
}
function useOf(request: number): number {
  return request >>> SLOT_BITS;
}

export class Claims {
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;

  constructor(control: Int32Array, layout: SharedLayout) {
    this.control = control;
    this.layout = layout;
  }

  /** Caller: opens a slot for its next use and returns the request number. */
  open(caller: number, slot: number): number {
    const word = this.layout.claimWord(caller, slot);
    const use = ((Atomics.load(this.control, word) >>> 2) + 1) % USES;
    Atomics.store(this.control, word, (use << 2) | PENDING);
    return requestNumber(slot, use);
  }

  /** Coordinator: true exactly once, and never after a cancel. */
  claim(caller: number, request: number): boolean {
    return this.move(caller, request, CLAIMED);
  }

  /** Caller: true if the put will never be executed. */
  cancel(caller: number, request: number): boolean {
    return this.move(caller, request, CANCELLED);
  }

  private move(caller: number, request: number, to: number): boolean {
    // Both come out of a frame: one that is damaged claims nothing, least of all another word.
    const { callers, claimsPerCaller } = this.layout.shape;
    if (!(caller >= 0 && caller < callers) || slotOf(request) >= claimsPerCaller) return false;
    const word = this.layout.claimWord(caller, slotOf(request));
    const use = useOf(request) << 2;
    return Atomics.compareExchange(this.control, word, use | PENDING, use | to) === (use | PENDING);
  }
}
