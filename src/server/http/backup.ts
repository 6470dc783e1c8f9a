import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { RingletError } from '../../base/errors.js';
import type { HostStore } from '../../client/api.js';
import { offAbort, onAbort } from '../../client/signals.js';
import { disconnectSignal } from './disconnect.js';
import { BACKUP_QUERY, makeBackup } from './openapi/operations.js';
import { Query } from './query.js';
import { resource } from './routes.js';

export type BackupSource = HostStore['backupStream'];

/**
 * POST `/admin/backup`: everything of the store as one stream (docs/formats.md), as fast as the client
 * reads. Not GET: while it lasts copies are retained and the ring stays as it is. A failure on the way is
 * the stream's last section; the client keeps only what came to its end.
 */
export function backupRoute(
  app: FastifyInstance,
  source: BackupSource,
  report: (error: unknown) => void,
): void {
  resource(
    app,
    '/admin/backup',
    {
      POST: async (request, reply) => {
        const query = new Query(request.originalUrl, BACKUP_QUERY);
        const without = query.text('without')?.split(',') ?? [];
        const gone = disconnectSignal(request);
        const sections = source({ without, signal: gone });
        // The first one tells whether it can begin, while a status can still be sent.
        const first = await sections.next();
        const stream = Readable.from(following(first, sections, report), { objectMode: false });
        // An answer that begins after the connection's end does not hear of it.
        const cutOff = (): void => void stream.destroy();
        onAbort(gone, cutOff);
        // Nobody may have read of it, and the backup has begun.
        stream.once('close', () => {
          offAbort(gone, cutOff);
          sections.return?.().catch(report);
        });
        if (gone.aborted) cutOff();
        return reply.header('Content-Type', 'application/vnd.ringlet.backup').send(stream);
      },
    },
    { bodyLimit: 1, operations: { POST: makeBackup } },
  );
}

async function* following(
  first: IteratorResult<Uint8Array, unknown>,
  sections: AsyncIterableIterator<Uint8Array>,
  report: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for (let next = first; next.done !== true; next = await sections.next()) yield next.value;
  } catch (error) {
    // It is in the stream already.
    if (!(error instanceof RingletError)) report(error);
  }
}
