import { decodeFromCompressedBase64 } from 'hdr-histogram-js';

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, Check>>;

const isText: Check = (value) => typeof value === 'string';
const isNumber: Check = (value) => typeof value === 'number';
const orNull =
  (check: Check): Check =>
  (value) =>
    value === null || check(value);
const orMissing =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);

/** What {@link BenchResults} says of them; the figures themselves may be anything, and only numbers are compared. */
const RUN: Fields = {
  commit: orNull(isText),
  machine: isObject,
  options: (value) => isObject(value) && isText(value['mode']),
  experiments: isObject,
};
const EXPERIMENT: Fields = {
  rows: Array.isArray,
  parameters: orMissing(isObject),
  summary: orMissing(Array.isArray),
};
const ROW: Fields = {
  system: isText,
  setting: isText,
  id: orMissing(isText),
  op: orNull(isText),
  n: orNull(isNumber),
  r: orNull(isNumber),
  w: orNull(isNumber),
  durability: orNull(isText),
  samples: orNull(isNumber),
  histogram: orMissing(isHistogram),
};
const GOAL: Fields = {
  line: isText,
  unit: isText,
  required: isNumber,
  measured: orNull(isNumber),
  met: orNull((value) => typeof value === 'boolean'),
};

/** The first part of a results.json that is not what it has to be for comparing; null: it is sound. */
export function damagedPart(results: unknown): string | null {
  const part = firstFault(results, RUN, 'results');
  if (part !== null) return part;
  const { experiments } = results as { experiments: Record<string, unknown> };
  for (const [name, experiment] of Object.entries(experiments)) {
    const fault = experimentFault(name, experiment);
    if (fault !== null) return fault;
  }
  return null;
}

function experimentFault(name: string, experiment: unknown): string | null {
  const { rows = [], summary = [] } = (experiment ?? {}) as Record<string, readonly unknown[]>;
  return (
    firstFault(experiment, EXPERIMENT, name) ??
    faultIn(rows, ROW, `${name}.rows`) ??
    faultIn(summary, GOAL, `${name}.summary`)
  );
}

function faultIn(list: readonly unknown[], fields: Fields, where: string): string | null {
  for (const [index, item] of list.entries()) {
    const fault = firstFault(item, fields, `${where}[${index}]`);
    if (fault !== null) return fault;
  }
  return null;
}

function firstFault(value: unknown, fields: Fields, where: string): string | null {
  if (!isObject(value)) return where;
  const field = Object.keys(fields).find((name) => !fields[name]!(value[name]));
  return field === undefined ? null : `${where}.${field}`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isHistogram(value: unknown): boolean {
  try {
    return typeof value === 'string' && decodeFromCompressedBase64(value, 64).totalCount >= 0;
  } catch {
    return false;
  }
}
