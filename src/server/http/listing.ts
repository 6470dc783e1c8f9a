import type { ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import type { ScanItem, ScanOptions, Store } from '../../client/api.js';
import { LIST_QUERY } from './openapi/operations.js';
import { problemOf } from './problem.js';
import { defined, Query } from './query.js';
import { disconnectSignal } from './disconnect.js';
import { heldAnswers } from './held-answers.js';
import { bucketParameter, type Handler } from './routes.js';
import { siblingJson } from './siblings.js';

/** Lines are sent in blocks of about this size: a chunk and a system call for each would dominate. */
const BLOCK_CHARACTERS = 16 << 10;

/**
 * GET /buckets/{bucket}/keys: one JSON object per line, as fast as the client reads and no faster.
 * A listing that breaks off ends in a line `{"error":…}` and an aborted connection.
 */
export function listHandler(store: Store, report: (error: unknown) => void): Handler {
  return async (request, reply) => {
    const query = new Query(request.originalUrl, LIST_QUERY);
    const withValues = query.flag('values');
    const options = defined<ScanOptions>({
      prefix: query.bytes('prefix'),
      cursor: query.text('cursor'),
      limit: query.wholeNumber('limit', Number.MAX_SAFE_INTEGER),
      timeoutMs: query.timeoutMs(),
      signal: disconnectSignal(request),
    });
    const items = store.bucket(bucketParameter(request)).scan(options);
    // The first item tells whether the request is sound, while a status can still be sent.
    const first = await items.next();
    const lines = blocks(first, items, withValues, reply.raw, report);
    const stream = Readable.from(lines, { objectMode: false });
    return reply.header('Content-Type', 'application/x-ndjson').send(stream);
  };
}

async function* blocks(
  first: IteratorResult<ScanItem, unknown>,
  items: AsyncIterableIterator<ScanItem>,
  withValues: boolean,
  response: ServerResponse,
  report: (error: unknown) => void,
): AsyncGenerator<string> {
  let block = '';
  try {
    for (let item = first; item.done !== true; item = await items.next()) {
      block += `${JSON.stringify(lineOf(item.value, withValues))}\n`;
      if (block.length < BLOCK_CHARACTERS) continue;
      const ready = block;
      block = '';
      heldAnswers.hold(response, ready.length);
      yield ready;
    }
  } catch (error) {
    yield `${block}${JSON.stringify({ error: problemOf(error, report) })}\n`;
    throw error;
  } finally {
    await items.return?.();
  }
  if (block !== '') yield block;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function lineOf({ key, cursor, context, siblings }: ScanItem, withValues: boolean): object {
  return {
    ...keyJson(key),
    cursor,
    context: context.toString(),
    siblings: siblings.length,
    ...(withValues ? { values: siblings.map(siblingJson) } : {}),
  };
}

function keyJson(key: Uint8Array): { key: string } | { keyBase64: string } {
  try {
    return { key: utf8.decode(key) };
  } catch {
    return { keyBase64: Buffer.from(key).toString('base64') };
  }
}
