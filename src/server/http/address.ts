import type { IncomingMessage } from 'node:http';
import { RingletError } from '../../base/errors.js';
import type { Key } from '../../client/api.js';

/**
 * What the router sees in place of any key. Keys are arbitrary bytes, and it would decode its
 * parameters as UTF-8; so the key's part of the path is taken out, and handlers read the raw URL.
 */
export const KEY_ROUTE = '/buckets/:bucket/keys/-';

/** Scheme and authority of a request target in absolute form. */
const ABSOLUTE = /^https?:\/\/([^/?#]*)/i;

/**
 * A request whose target is in absolute form, as a proxy gets it and any server must take it (RFC 9112
 * §3.2.2), as if it had come in the usual form: the host is the target's then, whatever the Host header says.
 */
export function inOriginForm(request: IncomingMessage): void {
  const { url = '/' } = request;
  if (url.startsWith('/')) return;
  const match = ABSOLUTE.exec(url);
  if (match === null) return;
  const rest = url.slice(match[0].length);
  request.url = rest.startsWith('/') ? rest : `/${rest}`;
  request.headers.host = match[1]!;
}

export function routedUrl(url: string): string {
  const key = keyStart(url);
  if (key === -1) return url;
  const query = url.indexOf('?', key);
  return query === -1 ? `${url.slice(0, key)}-` : `${url.slice(0, key)}-${url.slice(query)}`;
}

/** The key in a raw URL: all that follows `/keys/`, percent-decoded, slashes included. */
export function keyIn(url: string): Key {
  const key = keyStart(url);
  const query = url.indexOf('?', key);
  const text = url.slice(key === -1 ? url.length : key, query === -1 ? url.length : query);
  // Request lines are ASCII; then the text is its own UTF-8.
  return text.includes('%') || NOT_ASCII.test(text) ? percentDecode(text, 'key') : text;
}

const BUCKETS = '/buckets/';
const KEYS = '/keys/';
// eslint-disable-next-line no-control-regex
const NOT_ASCII = /[^\x00-\x7f]/;

/** Where the key begins, or -1; the pattern `^/buckets/[^/?]*\/keys/` by hand, as it is looked for twice per request. */
function keyStart(url: string): number {
  if (!url.startsWith(BUCKETS)) return -1;
  const slash = url.indexOf('/', BUCKETS.length);
  if (slash === -1 || !url.startsWith(KEYS, slash)) return -1;
  const query = url.indexOf('?');
  return query !== -1 && query < slash ? -1 : slash + KEYS.length;
}

/** Percent-decoding to bytes; a plus sign stays one. */
export function percentDecode(text: string, what: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    let byte = text.charCodeAt(i);
    if (byte === 0x25) {
      const digits = text.slice(i + 1, i + 3);
      if (!/^[0-9A-Fa-f]{2}$/.test(digits)) {
        throw new RingletError(
          'BAD_REQUEST',
          `the ${what} holds a malformed percent-encoding at character ${i}`,
          {
            parameter: what,
            given: text.slice(i, i + 3),
            expected: 'a percent sign and two hexadecimal digits',
          },
        );
      }
      byte = Number.parseInt(digits, 16);
      i += 2;
    }
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}
