import { isUtf8 } from 'node:buffer';
import type { Sibling } from '../../client/api.js';
import type { Listed } from '../target.js';
import { compactJson } from './compact.js';
import { JSON_TYPE } from './entry.js';

/**
 * An exported key, one line of NDJSON or one row of CSV (docs/formats.md, "Exported keys"):
 *
 *   key | keyBase64      the key; in base64 if it is no UTF-8
 *   json | base64        the value: JSON without white space where the content type is
 *                        application/json and it is JSON; else its bytes
 *   contentType          left out if it is application/json
 *   expiresAt            ISO 8601; only if it expires
 *   siblings             instead of a value, where there are several: a list of objects of the four above
 */
export const CSV_COLUMNS = [
  'key',
  'keyBase64',
  'json',
  'base64',
  'contentType',
  'expiresAt',
  'siblings',
] as const;

const OCTETS = 'application/octet-stream';

export type ExportFormat = 'ndjson' | 'csv';

/** What comes before the first key. */
export function exportHead(format: ExportFormat): string {
  return format === 'csv' ? `${CSV_COLUMNS.join(',')}\n` : '';
}

/** One key, with its line end. */
export function exportLine({ key, siblings }: Listed, format: ExportFormat): string {
  const fields = { ...keyFields(key), ...valuesFields(siblings) };
  if (format === 'csv') return `${CSV_COLUMNS.map((name) => csvField(fields[name])).join(',')}\n`;
  return `${objectOf(fields)}\n`;
}

/** As they stand in CSV: raw JSON where the name says so. */
type Fields = Partial<Record<(typeof CSV_COLUMNS)[number], string>>;

function keyFields(key: Uint8Array): Fields {
  const bytes = Buffer.from(key.buffer, key.byteOffset, key.length);
  return isUtf8(bytes) ? { key: bytes.toString() } : { keyBase64: bytes.toString('base64') };
}

function valuesFields(siblings: readonly Sibling[]): Fields {
  if (siblings.length === 1) return valueFields(siblings[0]!);
  return { siblings: `[${siblings.map((sibling) => objectOf(valueFields(sibling))).join(',')}]` };
}

function valueFields({ value, contentType, expiresAtMs }: Sibling): Fields {
  const expires = expiresAtMs === undefined ? {} : { expiresAt: new Date(expiresAtMs).toISOString() };
  const json = contentType === JSON_TYPE ? jsonOf(value) : undefined;
  if (json !== undefined) return { json, ...expires };
  const base64 = Buffer.from(value.buffer, value.byteOffset, value.length).toString('base64');
  if (contentType === JSON_TYPE) return { base64, ...expires };
  return { base64, contentType: contentType === '' ? OCTETS : contentType, ...expires };
}

/** Undefined for what calls itself JSON and is not. */
function jsonOf(value: Uint8Array): string | undefined {
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.length);
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString();
  try {
    JSON.parse(text);
    return compactJson(text);
  } catch {
    return undefined;
  }
}

const RAW: readonly string[] = ['json', 'siblings'];

function objectOf(fields: Fields): string {
  const members = Object.entries(fields).map(
    ([name, text]) => `"${name}":${RAW.includes(name) ? text : JSON.stringify(text)}`,
  );
  return `{${members.join(',')}}`;
}

/** RFC 4180. An empty field is one that is not there; only a value can be empty, and load knows a row without any. */
function csvField(text = ''): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
