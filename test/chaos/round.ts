import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from '../../src/index.js';
import type { OpenOptions } from '../../src/client/api.js';
import { startHttp } from '../../src/server/http/start.js';
import { Random } from '../../src/sim/random.js';
import { Books } from './books.js';
import { checkConvergence, checkEverything, pause } from './checks.js';
import { BUCKETS, Client } from './clients.js';
import { SmallDisk } from './disk.js';
import { breakAnything, DISK_NODE, OF_ONE_NODE, type Target } from './faults.js';
import { RingChanges } from './ring-changes.js';
import { Timing } from './timing.js';
import { throughHttp, throughLibrary } from './way.js';

const NODES = 5;
const LIBRARY_CLIENTS = 8;
const HTTP_CLIENTS = 4;
const PAUSE_MS = 2;
/** Between two failures of single nodes: the last one is over in all respects. */
const RECOVERY_MS = 1_500;
const FAULT_EVERY_MS = 600;
/** After healing, until nothing may fail any more, and for so long. */
const HEAL_MS = 3_000;
const HEALED_MS = 2_000;

export interface RoundOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly directReads: boolean;
}

/** A store with threads, journals and LMDB under load: well, then one node fails at a time, then anything does. */
export async function round({ seed, seconds, directReads }: RoundOptions): Promise<Books> {
  const root = mkdtempSync(join(tmpdir(), 'ringlet-chaos-'));
  const data = join(root, 'data');
  const options: OpenOptions = {
    data,
    nodes: NODES,
    n: 3,
    r: 2,
    w: 2,
    memoryMiB: 160,
    directReads,
    allowFaults: true,
  };
  const first = await open(options);
  for (const name of BUCKETS) await first.bucket(name, { durability: name }).setProperties({});
  await first.close();
  const disk = SmallDisk.under(join(data, 'nodes', DISK_NODE));
  if (disk === undefined) console.log('  no full disk: mounting a tmpfs needs root with CAP_SYS_ADMIN');
  try {
    const store = await open(options);
    try {
      return await run({ store, data, disk, random: new Random(seed) }, seconds);
    } finally {
      await store.close();
    }
  } finally {
    disk?.unmount();
    rmSync(root, { recursive: true, force: true });
  }
}

async function run({ store, data, disk, random }: Omit<Target, 'nodes'>, seconds: number): Promise<Books> {
  const books = new Books();
  const timing = new Timing();
  const server = await startHttp(store, { listen: { host: '127.0.0.1', port: 0 }, valueBytes: 1 << 20 });
  const http = throughHttp(server.address);
  const library = throughLibrary(store);
  const unit = (): number => random.unit();
  const clients = [
    ...Array.from(
      { length: LIBRARY_CLIENTS },
      (_, i) => new Client(`l${i}`, library, books, timing, unit, PAUSE_MS),
    ),
    ...Array.from(
      { length: HTTP_CLIENTS },
      (_, i) => new Client(`h${i}`, http, books, timing, unit, PAUSE_MS),
    ),
  ];
  const target: Target = {
    store,
    data,
    disk,
    random,
    get nodes() {
      return store.ring().nodes.map(({ id }) => id);
    },
  };
  try {
    await pause(500);
    await healthy(timing, seconds * 200);
    await singleFailures(target, timing, performance.now() + seconds * 450);
    const changes = new RingChanges(store, random);
    await anything(target, performance.now() + seconds * 350);
    changes.stop();
    store.faults.clear();
    disk?.free();
    await pause(HEAL_MS);
    const fromMs = performance.now();
    await pause(HEALED_MS);
    timing.window('healed', fromMs);
    await changes.end(books);
    const failed = timing.failedSince(fromMs);
    if (failed > 0) books.violation(`${failed} requests failed that began after healing`);
  } finally {
    for (const client of clients) client.stop();
    await Promise.all(clients.map(({ done }) => done));
    await http.close();
    await server.close();
  }
  const convergedMs = await checkConvergence(store, books);
  await checkEverything(store, books);
  const tally = [...timing.errors].map(([code, count]) => `${code} ${count}`).join(', ');
  console.log(timing.report().join('\n'));
  console.log(
    `  ${timing.size} requests, errors: ${tally === '' ? 'none' : tally}; ${books.plain.size} keys; ` +
      `converged ${convergedMs.toFixed(0)} ms after the load`,
  );
  return books;
}

async function healthy(timing: Timing, ms: number): Promise<void> {
  const fromMs = performance.now();
  await pause(ms);
  timing.window('healthy', fromMs);
}

async function singleFailures(target: Target, timing: Timing, untilMs: number): Promise<void> {
  const names = Object.keys(OF_ONE_NODE).filter(
    (name) => target.disk !== undefined || !name.startsWith('disk'),
  );
  for (let i = 0; performance.now() < untilMs; i++) {
    const name = names[i % names.length]!;
    const fromMs = performance.now();
    await pause(OF_ONE_NODE[name]!(target));
    timing.window(name, fromMs);
    timing.window('one node fails', fromMs);
    await pause(RECOVERY_MS);
  }
}

async function anything(target: Target, untilMs: number): Promise<void> {
  while (performance.now() < untilMs) {
    breakAnything(target);
    await pause(target.random.interval(FAULT_EVERY_MS));
  }
}
