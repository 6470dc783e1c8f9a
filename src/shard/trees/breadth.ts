import { LIMITS } from '../../base/limits.js';

/** How much of what differs one exchange looks at. */
export interface Breadth {
  readonly nodes: number;
  /** Down to the leaves, however few keys are expected below a node: they are not spread as expected. */
  readonly leaves: boolean;
}

export const BROAD: Breadth = { nodes: LIMITS.treeNodes, leaves: false };

/** There were too many keys below the nodes. */
export function narrower({ nodes, leaves }: Breadth): Breadth {
  return nodes > 1 ? { nodes: nodes >>> 1, leaves } : { nodes: LIMITS.treeNodes, leaves: true };
}
