import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';

/** A failure domain, Dynamo's physical host. */
export interface NodeSpec {
  readonly id: string;
  /** Relative share of the partitions, a whole number, 1 to LIMITS.capacity. */
  readonly capacity: number;
  /** Virtual nodes, at least 1; all nodes together at most LIMITS.virtualNodes. */
  readonly vnodes: number;
}

export interface RingSpec {
  /** Q: equal ranges of the key space, a power of two, 1 to LIMITS.partitions. */
  readonly partitions: number;
  readonly nodes: readonly NodeSpec[];
  /** The N to keep apart: so many consecutive partitions on distinct nodes; 1 to LIMITS.replicas. */
  readonly spacing: number;
}

/** @throws RingletError BAD_REQUEST with what was asked and the range it missed. */
export function checkSpec(spec: RingSpec): void {
  checkRange('partitions', spec.partitions, LIMITS.partitions);
  if ((spec.partitions & (spec.partitions - 1)) !== 0) {
    throw new RingletError('BAD_REQUEST', 'partitions must be a power of two', {
      partitions: spec.partitions,
    });
  }
  checkRange('spacing', spec.spacing, LIMITS.replicas);
  checkRange('nodes', spec.nodes.length, LIMITS.nodes);
  const ids = new Set<string>();
  let vnodes = 0;
  for (const node of spec.nodes) {
    if (node.id === '' || ids.has(node.id)) {
      throw new RingletError('BAD_REQUEST', 'node ids must be distinct and not empty', { id: node.id });
    }
    ids.add(node.id);
    checkRange(`capacity of ${node.id}`, node.capacity, LIMITS.capacity);
    checkRange(`vnodes of ${node.id}`, node.vnodes, LIMITS.virtualNodes);
    vnodes += node.vnodes;
  }
  checkRange('vnodes of all nodes', vnodes, LIMITS.virtualNodes);
}

function checkRange(what: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new RingletError('BAD_REQUEST', `${what} must be a whole number from 1 to ${most}`, {
    got: value,
    least: 1,
    most,
  });
}
