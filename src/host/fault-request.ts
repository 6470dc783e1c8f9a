import { inspect } from 'node:util';
import { RingletError } from '../base/errors.js';
import { LIMITS } from '../base/limits.js';
import type { DiskFaultRequest, Fault, LinkFaultRequest } from '../client/api.js';
import type { DiskFault, LinkFault } from '../messaging/fault-table.js';
import type { Ring } from '../ring/ring.js';

const FIELDS: Readonly<Record<Fault['kind'], readonly string[]>> = {
  crash: ['at', 'how'],
  hang: ['at', 'forMs'],
  stop: ['at', 'forMs'],
  disk: ['at', 'slowMs', 'full', 'failSync', 'forMs'],
  corrupt: ['at'],
  delete: ['at'],
  link: ['from', 'to', 'oneWay', 'cut', 'drop', 'duplicate', 'reorder', 'delayMs', 'jitterMs', 'forMs'],
};
const CRASHES: readonly string[] = ['throw', 'exit'];

/**
 * A fault as somebody asked for it, from a program or as JSON: every field known and in its range.
 *
 * @throws RingletError BAD_REQUEST with the field, what was given and the range
 */
export function checkFault(given: unknown): Fault {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw bad('fault', given, 'an object such as {"kind":"crash","at":"n1.0"}');
  const fields = given as Record<string, unknown>;
  const kind = fields['kind'];
  if (typeof kind !== 'string' || !Object.hasOwn(FIELDS, kind))
    throw bad('kind', kind, `one of ${Object.keys(FIELDS).join(', ')}`);
  const known = FIELDS[kind as Fault['kind']];
  for (const name of Object.keys(fields)) {
    if (name !== 'kind' && !known.includes(name))
      throw bad(name, fields[name], `a field of ${kind}: ${known.join(', ')}`);
  }
  for (const name of known) checkField(kind, name, fields[name]);
  if (kind === 'link' && !breaksSomething(fields as unknown as LinkFaultRequest))
    throw bad(
      'fault',
      'a link without a fault',
      'cut, or one of drop, duplicate, reorder, delayMs, jitterMs above 0',
    );
  if (kind === 'disk' && !breaksDisk(fields as unknown as DiskFaultRequest))
    throw bad('fault', 'a disk without a fault', 'slowMs above 0, full or failSync');
  return given as Fault;
}

function checkField(kind: string, name: string, value: unknown): void {
  switch (name) {
    case 'at':
    case 'from':
    case 'to':
      if (typeof value !== 'string') throw bad(name, value, 'the name of a node, a virtual node or a side');
      return;
    case 'how':
      if (value !== undefined && !CRASHES.includes(value as string))
        throw bad(name, value, CRASHES.join(', '));
      return;
    case 'oneWay':
    case 'cut':
    case 'full':
    case 'failSync':
      if (value !== undefined && typeof value !== 'boolean') throw bad(name, value, 'true or false');
      return;
    case 'drop':
    case 'duplicate':
    case 'reorder':
      if (!within(value, 0, 1)) throw bad(name, value, 'a probability from 0 to 1');
      return;
    case 'delayMs':
    case 'jitterMs':
    case 'slowMs':
      if (!within(value, 0, LIMITS.maxDelayMs)) throw bad(name, value, `0 to ${LIMITS.maxDelayMs} ms`);
      return;
    default:
      if ((value === undefined && kind === 'stop') || !within(value, 1, LIMITS.maxFaultMs))
        throw bad(name, value, `1 to ${LIMITS.maxFaultMs} ms`);
  }
}

function within(value: unknown, least: number, most: number): boolean {
  return value === undefined || (typeof value === 'number' && value >= least && value <= most);
}

function breaksSomething(link: LinkFaultRequest): boolean {
  const { drop = 0, duplicate = 0, reorder = 0, delayMs = 0, jitterMs = 0 } = link;
  return link.cut === true || drop + duplicate + reorder + delayMs + jitterMs > 0;
}

function breaksDisk({ slowMs = 0, full, failSync }: DiskFaultRequest): boolean {
  return slowMs > 0 || full === true || failSync === true;
}

export function diskFaultOf({ slowMs = 0, full = false, failSync = false }: DiskFaultRequest): DiskFault {
  return { slowMs, full, failSync };
}

export function linkFaultOf(link: LinkFaultRequest): LinkFault {
  const { cut = false, drop = 0, duplicate = 0, reorder = 0, delayMs = 0, jitterMs = 0 } = link;
  return { cut, drop, duplicate, reorder, delayMs, jitterMs };
}

/** Ordinals of the virtual nodes that a name stands for: itself, or all of its node. */
export function vnodesNamed(ring: Ring, field: string, name: string): number[] {
  const found = ring.vnodes.filter(({ id, node, gone }) => gone !== true && (id === name || node === name));
  if (found.length > 0) return found.map(({ ordinal }) => ordinal);
  throw bad(
    field,
    name,
    `a node such as ${ring.nodes[0]!.id} or a virtual node such as ${ring.vnodes[0]!.id}`,
  );
}

/**
 * Sides of links, as the fault table numbers them: virtual nodes by ordinal, then all callers as one.
 *
 * @param callers that number: there is room for more virtual nodes than there are
 */
export function sidesNamed(ring: Ring, field: string, name: string, callers: number): number[] {
  if (name === 'callers') return [callers];
  if (name === 'all')
    return [...ring.vnodes.filter(({ gone }) => gone !== true).map(({ ordinal }) => ordinal), callers];
  return vnodesNamed(ring, field, name);
}

function bad(field: string, given: unknown, expected: string): RingletError {
  const text = typeof given === 'string' ? given : inspect(given, { depth: 1, breakLength: Infinity });
  const short = given === undefined ? 'nothing' : text.slice(0, 100);
  return new RingletError('BAD_REQUEST', `${field.slice(0, 100)}: got "${short}", expected ${expected}`, {
    field: field.slice(0, 100),
    given: short,
    expected,
  });
}
