import { RingletError, shown } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import { checkObject } from '../client/arguments.js';
import { checkKnown, known } from '../client/known-options.js';
import type { JoinRequest } from '../client/ring-api.js';
import type { NodeSpec } from '../ring/spec.js';

const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,15}$/;

const FIELDS = known<JoinRequest>('a join has no field', { node: true, capacity: true, vnodes: true });

/** The node that a request, from whoever, asks for. @throws RingletError BAD_REQUEST */
export function joinerOf(request: JoinRequest): NodeSpec {
  checkObject('what a join asks for', request);
  checkKnown(request, FIELDS);
  const { node, capacity = 1, vnodes = 1 } = request as Partial<Record<keyof JoinRequest, unknown>>;
  if (typeof node !== 'string' || !NODE_ID.test(node)) {
    throw new RingletError(
      'BAD_REQUEST',
      'a node is named by a letter or digit and up to 15 of A-Z a-z 0-9 _ -',
      { node: shown(node) },
    );
  }
  return {
    id: node,
    capacity: whole('capacity', capacity, LIMITS.capacity),
    vnodes: whole('vnodes', vnodes, LIMITS.virtualNodes),
  };
}

function whole(what: string, value: unknown, most: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new RingletError('BAD_REQUEST', `${what} must be a whole number from 1 to ${most}`, {
    what,
    got: shown(value),
    least: 1,
    most,
  });
}
