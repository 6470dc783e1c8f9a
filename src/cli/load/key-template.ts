import { RingletError } from '../../base/errors.js';
import { compactJson } from '../entries/compact.js';
import { RecordError } from '../entries/entry.js';
import { elementsOf, membersOf } from '../entries/json-parts.js';

/** Makes the key of a record, or throws {@link RecordError} when the record has not what it takes. */
export type KeyOf = (record: unknown, number: number, text: string) => string;

const NUMBER = '#line';

/**
 * `id` or `address.city`: a field, dots go into objects and arrays. `#line`: the record's number.
 * `{country}/{name}-{#line}`: a template of both.
 */
export function compileKey(spec: string): KeyOf {
  const parts = spec.includes('{') || spec.includes('}') ? templateParts(spec) : [{ field: spec }];
  if (spec === '' || parts.some((part) => part.field === '')) throw misuse(spec);
  return (record, number, text) => {
    let key = '';
    for (const { literal, field } of parts) {
      key += literal ?? (field === NUMBER ? String(number) : fieldText(record, field!, text));
    }
    return key;
  };
}

interface Part {
  readonly literal?: string;
  readonly field?: string;
}

function templateParts(spec: string): Part[] {
  // Every second piece is what stood in braces; a lone brace stays in a literal and gives it away.
  const pieces = spec.split(/\{([^{}]*)\}/);
  const parts = pieces.map((piece, i) => (i % 2 === 1 ? { field: piece } : { literal: piece }));
  if (parts.some((part) => /[{}]/.test(part.literal ?? ''))) throw misuse(spec);
  return parts;
}

function fieldText(record: unknown, path: string, text: string): string {
  let value = record;
  for (const name of path.split('.')) {
    const inside: unknown =
      typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? value : undefined;
    if (inside === undefined) throw new RecordError(`it has no field ${path}`);
    value = (inside as Record<string, unknown>)[name];
  }
  if (typeof value === 'string') return value;
  // Rounded to 53 bits, several numbers would be one key.
  if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) return textAt(text, path);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  throw new RecordError(
    `its field ${path} is ${value === null ? 'null' : 'an object or array'}, not a string or number`,
  );
}

/** What stands at a path where there is something. */
function textAt(text: string, path: string): string {
  let part = compactJson(text);
  for (const name of path.split('.')) {
    part = part.startsWith('[') ? elementsOf(part)[Number(name)]! : membersOf(part).get(name)!;
  }
  return part;
}

function misuse(spec: string): RingletError {
  const expected = 'a field such as id or address.city, a template such as {country}/{name}, or #line';
  return new RingletError('USAGE', `key (flag --key): got "${spec}", expected ${expected}`, {
    option: 'key',
    given: spec,
    expected,
  });
}
