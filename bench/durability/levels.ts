import type { Durability } from '../../src/base/durability.js';

export type Level = Durability;

/** Puts in flight with which the slowest level reaches its peak. */
export const PEAK_IN_FLIGHT = 64;
