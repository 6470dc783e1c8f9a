import { randomBytes } from 'node:crypto';
import type { Sibling } from '../../client/api.js';
import { safeContentType, siblingTag } from './siblings.js';

const NEW_LINE = '\r\n';

/** Siblings as they are, one after the other (RFC 2046 §5.1): their type and tag are headers of each part. */
export function multipartOf(siblings: readonly Sibling[]): { contentType: string; body: Buffer } {
  // 128 random bits: no value has this line in it.
  const boundary = randomBytes(16).toString('hex');
  const parts = siblings.flatMap((sibling) => {
    const { value, contentType, modifiedAtMs } = sibling;
    const headers = [
      `--${boundary}`,
      `Content-Type: ${safeContentType(contentType)}`,
      `Content-Length: ${value.byteLength}`,
      `ETag: ${siblingTag(sibling)}`,
      `Last-Modified: ${new Date(modifiedAtMs).toUTCString()}`,
    ];
    return [Buffer.from(`${headers.join(NEW_LINE)}${NEW_LINE}${NEW_LINE}`), value, Buffer.from(NEW_LINE)];
  });
  return {
    contentType: `multipart/mixed; boundary="${boundary}"`,
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--${NEW_LINE}`)]),
  };
}

/**
 * Whether a client would rather have the parts than the JSON envelope (RFC 9110 §12.5.1): it names
 * them with a greater weight than JSON. Wildcards and an absent header mean JSON.
 */
export function prefersMultipart(accept: string | undefined): boolean {
  if (accept === undefined) return false;
  const weights = new Map<string, number>();
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    const weight = q === undefined ? 1 : Number(q.slice(2));
    weights.set(type, Number.isFinite(weight) ? weight : 0);
  }
  const multipart = weights.get('multipart/mixed') ?? weights.get('multipart/*') ?? 0;
  return multipart > (weights.get('application/json') ?? weights.get('application/*') ?? 0);
}
