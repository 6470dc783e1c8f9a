/** How far a write must have come on W replicas before it is acknowledged, from least to most. */
export const DURABILITIES = ['buffered', 'one-durable', 'committed', 'durable'] as const;

/** How far a write must have come on W replicas before it is acknowledged. */
export type Durability = (typeof DURABILITIES)[number];
