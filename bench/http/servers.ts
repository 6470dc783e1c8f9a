import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { HostStore } from '../../src/index.js';

export const DOORS = ['bare node:http', 'bare fastify', 'ringlet', 'ringlet N=1'] as const;
export const ENGINE = 'memory';
export type Door = (typeof DOORS)[number];

/** Of a key in the store; the other servers have none. */
export const COPIES: {
  readonly [D in Door]?: { readonly n: number; readonly r: number; readonly w: number };
} = {
  ringlet: { n: 3, r: 2, w: 2 },
  'ringlet N=1': { n: 1, r: 1, w: 1 },
};

export interface DoorInput {
  readonly door: Door;
  readonly valueBytes: number;
  readonly keys: number;
}

export interface OpenDoor {
  readonly address: string;
  close(): Promise<void>;
}

/** A server that answers every path with so many bytes, or the store's own, with its keys filled. */
export async function openDoor(door: Door, valueBytes: number, keys: number): Promise<OpenDoor> {
  const body = Buffer.alloc(valueBytes, 'x');
  switch (door) {
    case 'bare node:http': {
      const server = createServer((request, response) => {
        request.resume();
        response.writeHead(200, {
          'Content-Type': 'application/octet-stream',
          'Content-Length': body.length,
        });
        response.end(body);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      return {
        address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        close: async () => {
          server.closeAllConnections();
          server.close();
        },
      };
    }
    case 'bare fastify': {
      const { fastify } = await import('fastify');
      const app = fastify();
      app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, payload, done) => done(null, payload));
      app.get('/buckets/:bucket/keys/:key', async () => body);
      app.put('/buckets/:bucket/keys/:key', async () => body);
      const address = await app.listen({ host: '127.0.0.1', port: 0 });
      return { address, close: () => app.close() };
    }
    case 'ringlet':
    case 'ringlet N=1': {
      const { open } = await import('../../src/index.js');
      const { startHttp } = await import('../../src/server/http/start.js');
      const store: HostStore = await open({ engine: ENGINE });
      const bucket = store.bucket('bench', { conflict: 'lww', ...COPIES[door] });
      for (let key = 0; key < keys; key++) await bucket.put(`key-${key}`, body);
      const listen = { host: '127.0.0.1', port: 0 };
      const server = await startHttp(store, { listen, valueBytes: 1 << 20 });
      return {
        address: server.address,
        close: async () => {
          await server.close();
          await store.close();
        },
      };
    }
  }
}
