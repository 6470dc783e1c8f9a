import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import { FakeStore } from './fake-store.js';

/** A backup whose first piece comes when it is told to, and that never ends by itself. */
class FakeBackup {
  held = false;
  begin: () => void = () => undefined;
  readonly begun = new Promise<void>((resolve) => (this.begin = resolve));

  async *stream(): AsyncGenerator<Buffer, void> {
    this.held = true;
    try {
      await this.begun;
      for (;;) yield Buffer.alloc(64 << 10);
    } finally {
      this.held = false;
    }
  }
}

const POST = 'POST /admin/backup HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n';
let backup: FakeBackup;
let http: HttpServer;
let client: Socket;
beforeEach(async () => {
  backup = new FakeBackup();
  http = await startHttp(new FakeStore(), {
    listen: { host: '127.0.0.1', port: 0 },
    valueBytes: 1_000,
    backup: () => backup.stream(),
    graceMs: 100,
  });
  client = connect(Number(new URL(http.address).port), '127.0.0.1');
});
afterEach(async () => {
  client.destroy();
  await http.close();
});

test('a backup whose client goes while it is read is given up', async () => {
  backup.begin();
  client.write(POST);
  await new Promise((resolve) => client.once('data', resolve));
  expect(backup.held).toBe(true);
  client.destroy();
  await expect.poll(() => backup.held).toBe(false);
});

test('a backup whose client goes before its first piece is given up', async () => {
  client.write(POST);
  await expect.poll(() => backup.held).toBe(true);
  client.destroy();
  await new Promise((resolve) => client.once('close', resolve));
  // The server has seen that too when it answers another one.
  await fetch(`${http.address}/healthz`);
  backup.begin();
  await expect.poll(() => backup.held).toBe(false);
});

test('a backup that waits behind another answer on its connection has not begun', async () => {
  backup.begin();
  client.write(`GET /admin/events HTTP/1.1\r\nHost: localhost\r\n\r\n${POST}`);
  await new Promise((resolve) => client.once('data', resolve));
  await fetch(`${http.address}/healthz`);
  expect(backup.held).toBe(false);
});
