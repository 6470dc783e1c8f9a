import { RingletError } from '../../base/errors.js';

/**
 * Keys are arbitrary bytes, and the router decodes its parameters as UTF-8. So the key's part of
 * the path is taken out before routing, and the handlers read it from the raw URL.
 */
const KEY_PATH = /^(\/buckets\/[^/?]*\/keys\/)([^?]*)/;

/** What the router sees in place of any key. */
export const KEY_ROUTE = '/buckets/:bucket/keys/-';

export function routedUrl(url: string): string {
  return url.replace(KEY_PATH, '$1-');
}

/** The key in a raw URL: all that follows `/keys/`, percent-decoded, slashes included. */
export function keyIn(url: string): Uint8Array {
  return percentDecode(KEY_PATH.exec(url)?.[2] ?? '', 'key');
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

/** The shortest safe form for a path: unreserved characters of RFC 3986 stay, all else is encoded. */
export function percentEncode(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9._~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}
