import { afterEach, beforeEach, expect } from 'vitest';
import { startHttp, type HttpServer } from '../../src/server/http/start.js';
import type { Fault } from '../../src/client/api.js';
import { FakeStore } from './fake-store.js';
import { send, type Answer, type Sent } from './raw-client.js';

export const VALUE_BYTES = 1_000;

/** The fake store and its HTTP server of the test that runs. */
export const fake = {} as {
  store: FakeStore;
  http: HttpServer;
  reported: unknown[];
  /** What was injected; `clear` for a DELETE. */
  injected: (Fault | 'clear')[];
};

/** A new store behind a port of its own for each test of the file. */
export function useFakeStore(): void {
  beforeEach(async () => {
    fake.store = new FakeStore();
    fake.reported = [];
    fake.injected = [];
    fake.http = await startHttp(fake.store, {
      listen: { host: '127.0.0.1', port: 0 },
      valueBytes: VALUE_BYTES,
      instance: 'run-1',
      faults: {
        inject: (fault) => void fake.injected.push(fault),
        clear: () => void fake.injected.push('clear'),
      },
      // Long: what a test lets end must not be cut off because the machine stood still.
      graceMs: 20_000,
      report: (error) => fake.reported.push(error),
    });
  });
  afterEach(() => fake.http.close());
}

export const call = (path: string, sent?: Sent): Promise<Answer> => send(fake.http.address, path, sent);
export const KEY = '/buckets/b/keys/k';

export function context(answer: Answer): string {
  const value = answer.headers['ringlet-context'];
  expect(value).toBeTypeOf('string');
  return value as string;
}

export function expectProblem(answer: Answer, status: number, code: string): Record<string, unknown> {
  expect(answer.status).toBe(status);
  expect(answer.headers['content-type']).toBe('application/problem+json');
  const body = answer.json() as Record<string, unknown>;
  expect(body).toMatchObject({ status, code });
  expect(Object.keys(body)).toEqual(
    expect.arrayContaining([
      'type',
      'title',
      'status',
      'code',
      'detail',
      'details',
      'retryable',
      'maybeApplied',
    ]),
  );
  expect(answer.text).not.toMatch(/\bat .*:\d+:\d+/);
  return body;
}
