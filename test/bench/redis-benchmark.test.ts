import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { fill, readCsv } from '../../bench/resp/redis-benchmark.js';

const HEAD =
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"\n';

test('what redis-benchmark prints is read in requests per second and microseconds', () => {
  expect(readCsv(`${HEAD}"SET","124069.47","6.116","0.360","4.031","13.855","31.759","257.663"\n`)).toEqual({
    perSecond: 124_069.47,
    meanUs: 6_116,
    p50Us: 4_031,
    p99Us: 31_759,
    maxUs: 257_663,
  });
});

test('anything else is an error that shows it', () => {
  for (const text of ['', HEAD, 'ERROR: connection refused', `${HEAD}"SET","1.0","2.0"`]) {
    expect(() => readCsv(text)).toThrow(/redis-benchmark printed/);
  }
});

test('filling ends with the last reply, and with an error reply', async () => {
  let reply = '+OK\r\n';
  let held = '';
  const seen: string[] = [];
  const server = createServer((socket) => {
    socket.setEncoding('latin1').on('data', (text: string) => {
      const requests = (held + text).split('*3\r\n');
      held = `*3\r\n${requests.pop()!}`;
      if (held.endsWith('xxx\r\n')) {
        requests.push(held.slice(4));
        held = '';
      }
      const whole = requests.filter((request) => request !== '');
      seen.push(...whole.map((request) => request.split('\r\n')[3]!));
      socket.write(reply.repeat(whole.length));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await fill(port, 1_234, 3);
  expect(new Set(seen).size).toBe(1_234);
  expect(seen).toContain('key:000000001233');
  reply = '-OOM full\r\n';
  await expect(fill(port, 10, 3)).rejects.toThrow('SET failed: -OOM full');
  server.close();
});
