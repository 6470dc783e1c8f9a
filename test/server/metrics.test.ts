import { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import perfHooks from 'node:perf_hooks';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { HostStore } from '../../src/client/api.js';
import type { HttpServer } from '../../src/server/http/start.js';
import { StoreRegistry } from '../../src/server/metrics/registry.js';
import { send } from './raw-client.js';
import { open } from '../../src/index.js';
import { startHttp } from '../../src/server/http/start.js';

let store: HostStore;
let http: HttpServer;
const watching = vi.spyOn(perfHooks, 'monitorEventLoopDelay');
syncBuiltinESMExports();
beforeAll(async () => {
  store = await open({ engine: 'memory', nodes: 3, memoryMiB: 64 });
  http = await startHttp(store, { listen: { host: '127.0.0.1', port: 0 }, valueBytes: 100_000 });
});
afterAll(async () => {
  await http.close();
  await store.close();
});

/** Name with labels → value. */
async function scrape(): Promise<Map<string, number>> {
  const { status, headers, text } = await send(http.address, '/metrics');
  expect([status, headers['content-type']]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

test('requests are in the histogram of their operation, bucket and outcome, and in the load of virtual nodes', async () => {
  const bucket = store.bucket('m');
  for (let i = 0; i < 10; i++) await bucket.put(`k${i}`, 'v');
  for (let i = 0; i < 100; i++) await bucket.get(`k${i % 10}`);
  for (let i = 0; i < 5; i++) await bucket.get('missing');
  await expect(bucket.put('k0', 'v', { ifAbsent: true })).rejects.toThrow();
  const key = (suffix: string, labels: string): string =>
    `ringlet_request_duration_seconds_${suffix}{${labels}}`;
  // Of the gets that were not timed the last ones are counted at the next tick.
  await expect
    .poll(async () => (await scrape()).get(key('count', 'operation="get",bucket="m",outcome="ok"')))
    .toBe(100);
  const metrics = await scrape();
  expect(metrics.get(key('count', 'operation="get",bucket="m",outcome="miss"'))).toBe(5);
  expect(metrics.get(key('count', 'operation="put",bucket="m",outcome="ok"'))).toBe(10);
  expect(metrics.get(key('count', 'operation="put",bucket="m",outcome="error"'))).toBe(1);
  expect(metrics.get(key('bucket', 'operation="get",bucket="m",outcome="ok",le="+Inf"'))).toBe(100);
  const buckets = [...metrics].filter(([name]) =>
    name.startsWith(key('bucket', 'operation="get",bucket="m",outcome="ok",le=').slice(0, -1)),
  );
  expect(buckets.map(([, value]) => value)).toEqual(
    buckets.map(([, value]) => value).toSorted((a, b) => a - b),
  );

  const sum = (name: string): number =>
    [...metrics].filter(([key_]) => key_.startsWith(name)).reduce((total, [, value]) => total + value, 0);
  expect(sum('ringlet_vnode_writes_total{')).toBeGreaterThanOrEqual(20);
  expect(sum('ringlet_vnode_up{')).toBe(3);
  expect(metrics.get('ringlet_membership_views')).toBeGreaterThanOrEqual(1);
  expect(metrics.has('nodejs_eventloop_lag_p99_seconds')).toBe(true);
});

test('names keep to the conventions of Prometheus, and every metric says what it is', async () => {
  const { text } = await send(http.address, '/metrics');
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  const helps = new Set([...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name));
  const ours = types.filter(([, name]) => name!.startsWith('ringlet_'));
  expect(ours.length).toBeGreaterThan(30);
  for (const [, name, type] of types) {
    expect(helps).toContain(name);
    expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
    expect(name!.endsWith('_total'), name).toBe(type === 'counter');
    expect(name).not.toMatch(/_(ms|us|kib|milliseconds)(_|$)/);
  }
});

test('the Grafana dashboard asks only for metrics that exist', async () => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'grafana.json'), 'utf8');
  const { panels } = JSON.parse(page) as { panels: { targets?: { expr: string }[] }[] };
  const asked = panels.flatMap(({ targets = [] }) =>
    targets.flatMap(({ expr }) => expr.match(/\b(?:ringlet|nodejs|process)_\w+/g) ?? []),
  );
  expect(asked.length).toBeGreaterThan(20);
  const { text } = await send(http.address, '/metrics');
  const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
  for (const name of asked) expect(known, name).toContain(name.replace(/_(bucket|sum|count)$/, ''));
});

interface Target {
  readonly expr: string;
  readonly legendFormat?: string;
}

function targets(): readonly Target[] {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'grafana.json'), 'utf8');
  const { panels } = JSON.parse(page) as { panels: { targets?: Target[] }[] };
  return panels.flatMap(({ targets: of = [] }) => of);
}

test('the Grafana dashboard asks for labels that the metrics have, and keeps stores apart', async () => {
  await store.put('k', 'v');
  const { text } = await send(http.address, '/metrics');
  const labelsOf = (metric: string): Set<string> => {
    const labels = new Set(['instance']);
    for (const [, set] of text.matchAll(new RegExp(`^${metric}\\{([^}]*)\\}`, 'gm')))
      for (const [, label] of set!.matchAll(/(\w+)="/g)) labels.add(label!);
    return labels;
  };
  for (const { expr, legendFormat = '' } of targets()) {
    const series = [...expr.matchAll(/\b((?:ringlet|nodejs|process)_\w+)\{([^}]*)\}/g)];
    expect(series.length, expr).toBeGreaterThan(0);
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names]) => names!.split(/, */));
    const shown = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name!);
    for (const [, metric, matchers] of series) {
      const matched = [...matchers!.matchAll(/(\w+)[=!]/g)].map(([, name]) => name!);
      expect(matched, expr).toContain('instance');
      for (const label of [...matched, ...grouped, ...shown])
        expect(labelsOf(metric!), expr).toContain(label);
    }
    // A virtual node's name is another one in another store.
    if (shown.includes('vnode')) expect(shown, expr).toContain('instance');
    if (grouped.includes('vnode')) expect(grouped, expr).toContain('instance');
  }
});

test('the share of errors is 0 and not missing where there never was one', () => {
  const share = targets().filter(({ expr }) => expr.includes('outcome="error"}') && expr.includes(' / '));
  expect(share.length).toBeGreaterThan(0);
  for (const { expr } of share) expect(expr).toContain(' or vector(0)) / ');
});

test('servers that come and go in a thread share what watches it, which cannot be ended', async () => {
  const texts = [];
  for (let i = 0; i < 3; i++) texts.push(await new StoreRegistry(store).text());
  expect(watching).toHaveBeenCalledTimes(1);
  for (const text of texts) {
    expect(text).toContain('\nnodejs_eventloop_lag_p99_seconds ');
    expect(text).toContain('\nringlet_callers ');
    expect(text.match(/\n\n\n|[^\n]$/)).toBeNull();
  }
});
