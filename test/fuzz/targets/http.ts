import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { Query } from '../../../src/server/http/query.js';
import { keyIn, routedUrl } from '../../../src/server/http/address.js';
import { startHttp } from '../../../src/server/http/start.js';
import { FakeStore } from '../../server/fake-store.js';
import { refusable, type Target } from '../target.js';

/** A connection that says nothing and is not closed for so long is one that the server has forgotten. */
const SILENT_MS = 5_000;
/** The server runs in this process: a stall of both is one look that comes late, and no silence. */
const LOOK_MS = 100;
/** After an answer has begun it may go on, as events do. */
const ANSWERED_MS = 50;
const HEALTH_EVERY = 64;

/** Bytes at the door: an answer or a closed connection, no error that is ours, and the next client is served. */
export async function httpTarget(): Promise<Target> {
  const reported: unknown[] = [];
  const http = await startHttp(new FakeStore(), {
    listen: { host: '127.0.0.1', port: 0 },
    valueBytes: 1_000,
    faults: { inject: () => undefined, clear: () => undefined },
    graceMs: 100,
    report: (error) => reported.push(error),
  });
  const { hostname, port, host } = new URL(http.address);
  const request = (line: string, headers = '', body = ''): Buffer =>
    Buffer.from(`${line} HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n${body}`, 'latin1');
  let runs = 0;
  return {
    name: 'http',
    seeds: [
      request('GET /buckets/b/keys/k'),
      request(
        'PUT /buckets/b/keys/%00%ff?w=2&ttl=5',
        'Content-Length: 5\r\nRinglet-Context: AQ\r\n',
        'value',
      ),
      request('PUT /buckets/b/keys/k', 'Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n0\r\n\r\n'),
      request('GET /buckets/b/keys?prefix=a&limit=3&cursor=x&values=true'),
      request('GET /buckets/b/keys/k', 'Range: bytes=1-2,5-\r\nAccept: multipart/mixed\r\n'),
      request('POST /admin/faults', 'Content-Length: 13\r\nOrigin: http://x\r\n', '{"kind":"x"}.'),
      request('DELETE /buckets/b/keys/k', 'If-Match: "AQ"\r\nConnection: close\r\n'),
      Buffer.concat([request('GET /ring'), request('GET /stats'), request('GET /nowhere')]),
    ],
    async check(input) {
      const url = input.toString('latin1');
      refusable(
        () => new Query(`/x?${url}`, ['prefix', 'limit', 'ttl']).wholeNumber('limit', 9),
        'BAD_REQUEST',
      );
      refusable(() => keyIn(`/buckets/b/keys/${url}`), 'BAD_REQUEST');
      routedUrl(url);
      await answered(hostname, Number(port), input);
      assert.deepEqual(reported, []);
      if (++runs % HEALTH_EVERY === 0) assert.equal((await fetch(`${http.address}/healthz`)).status, 200);
    },
    close: () => http.close(),
  };
}

/** Rejects if the server neither answers nor closes. */
function answered(host: string, port: number, input: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    let silentLooks = 0;
    const look = setInterval(() => {
      if (++silentLooks * LOOK_MS < SILENT_MS) return;
      clearInterval(look);
      socket.destroy();
      reject(new Error(`neither an answer nor an end within ${SILENT_MS} ms`));
    }, LOOK_MS);
    let timer: NodeJS.Timeout | undefined;
    const done = (): void => {
      clearInterval(look);
      clearTimeout(timer);
      socket.destroy();
      resolve();
    };
    socket.on('error', done);
    socket.on('close', done);
    socket.on('data', () => {
      clearInterval(look);
      clearTimeout(timer);
      timer = setTimeout(done, ANSWERED_MS);
    });
    socket.end(input);
  });
}
