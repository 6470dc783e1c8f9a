/** 1 to 3 are the paper's; 4 is strategy 3 with the store's own placement. */
export type Strategy = 1 | 2 | 3 | 4;
export const STRATEGIES = [1, 2, 3] as const;

interface PaperPoint {
  /** Nodes × tokens, 30 nodes. */
  readonly metadata: number;
  /** Read off the plot of Fig. 8, about ±5 %. */
  readonly plot: Readonly<Record<1 | 2 | 3, number>>;
  /** By calculation of the same model, which is what results are held against. */
  readonly computed: Readonly<Record<1 | 2 | 3, number>>;
}

const METADATA = [60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 15_360, 30_720];
const PLOT = {
  1: [0.52, 0.61, 0.69, 0.76, 0.82, 0.87, 0.91, 0.93, 0.95, 0.96],
  2: [0.53, 0.61, 0.7, 0.76, 0.82, 0.85, 0.88, 0.87, 0.85, 0.84],
  3: [0.86, 0.87, 0.9, 0.92, 0.94, 0.96, 0.97, 0.98, 0.98, 0.99],
} as const;
const COMPUTED = {
  1: [0.53, 0.61, 0.71, 0.76, 0.81, 0.87, 0.91, 0.93, 0.95, 0.96],
  2: [0.51, 0.61, 0.7, 0.78, 0.83, 0.86, 0.88, 0.86, 0.85, 0.84],
  3: [0.87, 0.87, 0.91, 0.91, 0.94, 0.95, 0.97, 0.98, 0.98, 0.99],
} as const;

export const PAPER_EFFICIENCY: readonly PaperPoint[] = METADATA.map((metadata, index) => ({
  metadata,
  plot: { 1: PLOT[1][index]!, 2: PLOT[2][index]!, 3: PLOT[3][index]! },
  computed: { 1: COMPUTED[1][index]!, 2: COMPUTED[2][index]!, 3: COMPUTED[3][index]! },
}));

/** Fig. 8's hump of strategy 2 needs a fixed number of partitions of about this size. */
export const STRATEGY_2_PARTITIONS = 1_024;
