import { compactJson } from './compact.js';
import { type Entry, type EntryValue, JSON_TYPE, RecordError } from './entry.js';
import { elementsOf, membersOf } from './json-parts.js';

const KEY_NAMES = ['key', 'keyBase64'];
const VALUE_NAMES = ['json', 'base64', 'contentType', 'expiresAt'];
const NAMES = [...KEY_NAMES, ...VALUE_NAMES, 'siblings'];

/** An exported key (write.ts has the format) from its text, which is JSON. @throws RecordError */
export function readEntry(text: string): Entry {
  const members = membersIn(compactJson(text), 'it', NAMES);
  const key = keyIn(members);
  const siblings = members.get('siblings');
  if (siblings === undefined) return { key, values: [valueIn(members, 'it')] };
  if (members.has('json') || members.has('base64'))
    throw new RecordError('it has a value and siblings, expected one of them');
  if (!siblings.startsWith('[') || siblings === '[]')
    throw new RecordError('its siblings are no list of values');
  const values = elementsOf(siblings).map((element, i) => {
    const name = `its sibling ${i + 1}`;
    return valueIn(membersIn(element, name, VALUE_NAMES), name);
  });
  return { key, values };
}

function membersIn(text: string, what: string, known: readonly string[]): Map<string, string> {
  if (!text.startsWith('{')) throw new RecordError(`${what} is no object`);
  const members = membersOf(text);
  for (const name of members.keys()) {
    if (!known.includes(name)) {
      const hint = 'records that were not exported need --key';
      throw new RecordError(`${what} has "${name.slice(0, 40)}", known are ${known.join(', ')} (${hint})`);
    }
  }
  return members;
}

function keyIn(members: ReadonlyMap<string, string>): string | Uint8Array {
  const [key, base64] = KEY_NAMES.map((name) => members.get(name));
  if ((key === undefined) === (base64 === undefined)) {
    throw new RecordError(
      key === undefined
        ? 'it has neither key nor keyBase64 (records that were not exported need --key)'
        : 'it has both key and keyBase64',
    );
  }
  if (key !== undefined) return textOf(key, 'its key');
  return bytesOf(base64!, 'its keyBase64');
}

function valueIn(members: ReadonlyMap<string, string>, what: string): EntryValue {
  const [json, base64, contentType, expiresAt] = VALUE_NAMES.map((name) => members.get(name));
  if ((json === undefined) === (base64 === undefined)) {
    throw new RecordError(`${what} has ${json === undefined ? 'neither json nor' : 'both json and'} base64`);
  }
  return {
    bytes: json === undefined ? bytesOf(base64!, `${what}: base64`) : Buffer.from(json),
    contentType: contentType === undefined ? JSON_TYPE : textOf(contentType, `${what}: contentType`),
    ...(expiresAt === undefined ? {} : { expiresAtMs: timeOf(expiresAt, what) }),
  };
}

function textOf(raw: string, what: string): string {
  const value: unknown = JSON.parse(raw);
  if (typeof value !== 'string') throw new RecordError(`${what} is no text`);
  return value;
}

function bytesOf(raw: string, what: string): Uint8Array {
  const text = textOf(raw, what);
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is no base64.
  if (bytes.toString('base64') !== text) throw new RecordError(`${what} is no base64`);
  return bytes;
}

function timeOf(raw: string, what: string): number {
  const text = textOf(raw, `${what}: expiresAt`);
  const time = Date.parse(text);
  if (Number.isNaN(time)) throw new RecordError(`${what}: expiresAt is no time in ISO 8601`);
  return time;
}
