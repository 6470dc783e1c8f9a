import type { DURABILITIES } from '../suite/defaults.js';

export type Level = (typeof DURABILITIES)[number];

/** Puts in flight with which the slowest level reaches its peak. */
export const PEAK_IN_FLIGHT = 64;
