/** A refusal as it travels in a reply: an outcome code of messaging/frames.ts with its two numbers. */
export interface Refusal {
  readonly outcome: number;
  readonly got: number;
  readonly need: number;
}

export function refuse(outcome: number, got = 0, need = 0): Refusal {
  return { outcome, got, need };
}
