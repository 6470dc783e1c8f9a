import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openWith } from '../../src/host/open.js';
import type { HostStore, OpenOptions } from '../../src/client/api.js';
import { startHttp } from '../../src/server/http/start.js';
import { Random } from '../../src/sim/random.js';
import { Books } from './books.js';
import { checkConvergence, checkEverything, pause, scrubbed } from './checks.js';
import { BUCKETS, Client, preload } from './clients.js';
import { SmallDisk } from './disk.js';
import { breakAnything, DISK_NODE, OF_ONE_NODE, type Target } from './faults.js';
import { Losses } from './losses.js';
import { RingChanges } from './ring-changes.js';
import { Timing } from './timing.js';
import { throughHttp, throughLibrary } from './way.js';

const NODES = 5;
const LIBRARY_CLIENTS = 8;
const HTTP_CLIENTS = 4;
const PAUSE_MS = 2;
/** Between two failures of single nodes: the last one is over in all respects. */
const RECOVERY_MS = 1_500;
/** For data that may not be lost yet. */
const NOT_YET_MS = 5_000;
const FAULT_EVERY_MS = 600;
/** After healing: until requests are looked at, and for how long none may fail. */
const HEAL_MS = 3_000;
const HEALED_MS = 2_000;
/** By then there has been such a time, also where the machine stalls. */
const HEALED_WITHIN_MS = 60_000;
/** Of each client, in LMDB alone when the round begins. */
const OLD_KEYS = 50;
/** Damage shall be found within the round. */
const SCRUB = { pauseMs: 20, everyMs: 1_500 };

export interface RoundOptions {
  /** Of the rounds of a run: each begins with other failures. */
  readonly round: number;
  readonly seed: number;
  readonly seconds: number;
  readonly directReads: boolean;
}

/** A store with threads, journals and LMDB under load: well, then one node fails at a time, then anything does. */
export async function round(options: RoundOptions): Promise<Books> {
  const root = mkdtempSync(join(tmpdir(), 'ringlet-chaos-'));
  const data = join(root, 'data');
  const openOptions: OpenOptions = {
    data,
    nodes: NODES,
    n: 3,
    r: 2,
    w: 2,
    memoryMiB: 160,
    directReads: options.directReads,
    allowFaults: true,
  };
  const books = new Books();
  await prepare(openOptions, books);
  const disk = SmallDisk.under(join(data, 'nodes', DISK_NODE));
  if (disk === undefined)
    console.log('  full disks are injected: mounting a tmpfs needs root with CAP_SYS_ADMIN');
  try {
    const store = await openWith(openOptions, { pace: { scrub: SCRUB } });
    const random = new Random(options.seed);
    try {
      await run({ store, disk, random, losses: new Losses(store, random) }, books, options);
      return books;
    } finally {
      await store.close();
    }
  } finally {
    disk?.unmount();
    rmSync(root, { recursive: true, force: true });
  }
}

/** Buckets, and keys that nobody has in memory afterwards. */
async function prepare(options: OpenOptions, books: Books): Promise<void> {
  const store = await openWith(options, {});
  for (const name of BUCKETS) await store.bucket(name, { durability: name }).setProperties({});
  await preload(store, books, names(), OLD_KEYS);
  await store.close();
}

function names(): string[] {
  const numbered = (letter: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${letter}${i}`);
  return [...numbered('l', LIBRARY_CLIENTS), ...numbered('h', HTTP_CLIENTS)];
}

async function run(
  given: Omit<Target, 'nodes'>,
  books: Books,
  { seconds, round: turn }: RoundOptions,
): Promise<void> {
  const { store, disk, random, losses } = given;
  const timing = new Timing();
  const server = await startHttp(store, { listen: { host: '127.0.0.1', port: 0 }, valueBytes: 1 << 20 });
  const http = throughHttp(server.address);
  const library = throughLibrary(store);
  const unit = (): number => random.unit();
  const clients = names().map((name) => {
    const way = name.startsWith('h') ? http : library;
    return new Client({ name, way, books, timing, random: unit, written: OLD_KEYS }, PAUSE_MS);
  });
  const target: Target = {
    ...given,
    get nodes() {
      return store.ring().nodes.map(({ id }) => id);
    },
  };
  try {
    await pause(500);
    const breakingMs = Math.max(1_000, seconds * 1_000 - HEAL_MS - HEALED_MS);
    await healthy(timing, breakingMs * 0.2);
    await singleFailures(target, timing, turn, performance.now() + breakingMs * 0.5);
    const changes = new RingChanges(store, random);
    await anything(target, performance.now() + breakingMs * 0.3);
    changes.stop();
    store.faults.clear();
    disk?.free();
    await pause(HEAL_MS);
    await healed(timing, books);
    await changes.end(books);
  } finally {
    for (const client of clients) client.stop();
    await Promise.all(clients.map(({ done }) => done));
    await http.close();
    await server.close();
  }
  if (losses.damagedAt !== undefined) await scrubbed(store, books, losses.damagedAt);
  const convergedMs = await checkConvergence(store, books);
  await checkEverything(store, books);
  const tally = [...timing.errors].map(([code, count]) => `${code} ${count}`).join(', ');
  console.log(timing.report().join('\n'));
  console.log(
    `  ${timing.size} requests, errors: ${tally === '' ? 'none' : tally}; ${books.plain.size} keys; ` +
      `converged within ${convergedMs.toFixed(0)} ms; ${lossesIn(store)}`,
  );
}

function lossesIn(store: HostStore): string {
  const { vnodes } = store.stats();
  const damaged = vnodes.reduce((sum, { scrub }) => sum + scrub.damaged, 0);
  const read = vnodes.reduce((sum, { scrub }) => sum + scrub.records, 0);
  return `scrubs read ${read} records, ${damaged} damaged`;
}

async function healthy(timing: Timing, ms: number): Promise<void> {
  const fromMs = performance.now();
  await pause(ms);
  timing.window('healthy', fromMs);
}

/** All that fails for a fault is over: requests of some time succeed, every one. */
async function healed(timing: Timing, books: Books): Promise<void> {
  const untilMs = performance.now() + HEALED_WITHIN_MS;
  for (;;) {
    const fromMs = performance.now();
    await pause(HEALED_MS);
    const failed = timing.failedSince(fromMs);
    if (failed === 0) return timing.window('healed', fromMs);
    if (fromMs > untilMs) {
      books.violation(`${failed} requests failed that began a minute after healing`);
      return;
    }
  }
}

/** One after the other, those of the last round's second half first: two rounds have all of them. */
async function singleFailures(target: Target, timing: Timing, turn: number, untilMs: number): Promise<void> {
  const all = Object.entries(OF_ONE_NODE);
  for (let i = Math.ceil(all.length / 2) * turn; performance.now() < untilMs; i++) {
    const [name, begin] = all[i % all.length]!;
    let lastsMs: number | undefined;
    let fromMs = performance.now();
    const giveUpMs = fromMs + NOT_YET_MS;
    while ((lastsMs = begin(target)) === undefined && fromMs < giveUpMs) {
      await pause(100);
      fromMs = performance.now();
    }
    if (lastsMs === undefined) continue;
    await pause(lastsMs);
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
