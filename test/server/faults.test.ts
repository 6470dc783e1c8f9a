import { expect, test } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { startHttp } from '../../src/server/http/start.js';
import { FakeStore } from './fake-store.js';
import { call, expectProblem, fake, useFakeStore } from './harness.js';
import { send } from './raw-client.js';

useFakeStore();

const post = (body: string) => call('/admin/faults', { method: 'POST', body: Buffer.from(body) });

test('a fault is passed on as it was asked for, and answered with what is broken then', async () => {
  const fault = { kind: 'link', from: 'n1', to: 'callers', cut: true };
  const posted = await post(JSON.stringify(fault));
  expect([posted.status, posted.json()]).toEqual([200, { allowed: false, links: [], disks: [] }]);
  expect((await call('/admin/faults', { method: 'DELETE' })).status).toBe(200);
  expect((await call('/admin/faults')).json()).toEqual({ allowed: false, links: [], disks: [] });
  expect(fake.injected).toEqual([fault, 'clear']);
});

test('what is no JSON, or too long, or has a query, injects nothing', async () => {
  expectProblem(await post('kind=crash'), 400, 'BAD_REQUEST');
  expectProblem(await post(''), 400, 'BAD_REQUEST');
  expectProblem(await post(`"${'x'.repeat(5_000)}"`), 413, 'VALUE_TOO_LARGE');
  expectProblem(await call('/admin/faults?all', { method: 'DELETE' }), 400, 'BAD_REQUEST');
  expectProblem(await call('/admin/faults', { method: 'PUT' }), 405, 'METHOD_NOT_ALLOWED');
  expect(fake.injected).toEqual([]);
});

test('a page of another site injects nothing', async () => {
  const headers = { Origin: 'http://evil.example' };
  const answer = await call('/admin/faults', { method: 'POST', body: Buffer.from('{}'), headers });
  expectProblem(answer, 403, 'HOST_NOT_ALLOWED');
  expect(fake.injected).toEqual([]);
});

test('where none are allowed they are refused with 403, whatever is in the body', async () => {
  const off = (): never => {
    throw new RingletError('FAULTS_OFF', 'start it with --allow-faults', { allowFaults: false });
  };
  for (const faults of [{ faults: { inject: off, clear: off } }, {}]) {
    const listen = { host: '127.0.0.1', port: 0 };
    const http = await startHttp(new FakeStore(), { listen, valueBytes: 1_000, ...faults });
    try {
      const body = Buffer.from('{"kind":"crash","at":"n1.0"}');
      const sent = await send(http.address, '/admin/faults', { method: 'POST', body });
      expectProblem(sent, 403, 'FAULTS_OFF');
      expectProblem(await send(http.address, '/admin/faults', { method: 'DELETE' }), 403, 'FAULTS_OFF');
    } finally {
      await http.close();
    }
  }
});
