import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import type { Bucket, OpenOptions } from '../../src/client/api.js';
import { FaultTable } from '../../src/messaging/fault-table.js';
import { openWith } from '../../src/host/open.js';
import type { OpenedStore } from '../../src/host/opened-store.js';
import { connect, open, restore, RingletError } from '../../src/index.js';

export { connect, open, openWith, restore, RingletError };

export const LONG = process.env['RINGLET_LONG'] === '1';
export const ENGINES = ['lmdb', 'memory'] as const;
export type Engine = (typeof ENGINES)[number];

/** Compiled from test/integration/fixtures. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../dist/test/integration/fixtures/${name}.js`, import.meta.url));
}

/** A directory that is removed after the test. */
export function temporary(): string {
  const path = mkdtempSync(join(tmpdir(), 'ringlet-it-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

type Internals = Parameters<typeof openWith>[1];
/**
 * A thread that waits for the machine is none that hangs: nobody is suspected, nor terminated, for being slow.
 * A thread that dies is seen all the same. Tests of links that are cut and of threads that hang do without it.
 */
export const PATIENT = { silenceMs: 60_000, hungMs: 120_000 } as const;
/** Quicker than in a store that people use, so that nobody waits; long runs have the ordinary one. */
export const PACE: NonNullable<Internals['pace']> = LONG ? {} : { exchangeMs: 200 };

/** A small store that is closed after the test. */
export async function openSmall(
  engine: Engine,
  options: OpenOptions = {},
  internals: Internals = {},
): Promise<OpenedStore> {
  const data = engine === 'lmdb' ? { data: options.data ?? join(temporary(), 'data') } : {};
  const store = await openWith(
    { engine, nodes: 3, memoryMiB: 96, ...options, ...data },
    { pace: PACE, ...PATIENT, ...internals },
  );
  onTestFinished(() => store.close());
  return store;
}

/** One store for all tests of a describe block, and for each of them a new bucket. */
export function freshBuckets(engine: Engine, options: OpenOptions = {}): () => Bucket {
  let store: OpenedStore;
  let data: string | undefined;
  let next = 0;
  beforeAll(async () => {
    data = mkdtempSync(join(tmpdir(), 'ringlet-it-'));
    const disk = engine === 'lmdb' ? { data } : {};
    store = await openWith({ engine, nodes: 3, memoryMiB: 192, ...options, ...disk }, PATIENT);
  });
  afterAll(async () => {
    await store.close();
    rmSync(data!, { recursive: true, force: true });
  });
  return () => store.bucket(`fresh-${next++}`);
}

/** For a store that allows faults: no thread has ever heard of the other of a pair. */
export function cutFromTheStart(pairs: readonly (readonly [number, number])[]): Internals {
  const link = { cut: true, drop: 0, duplicate: 0, reorder: 0, delayMs: 0, jitterMs: 0 };
  return {
    prepare: ({ shared: { faults, shape } }) => {
      const table = new FaultTable(faults!, shape.vnodes);
      for (const [one, other] of pairs) {
        table.set(one, other, link);
        table.set(other, one, link);
      }
    },
  };
}

export interface Failure {
  readonly code: string;
  readonly details: Readonly<Record<string, unknown>>;
  readonly message: string;
  readonly retryable: boolean;
  readonly maybeApplied: boolean;
}

/** The error that a promise must reject with; anything but a RingletError fails the test. */
export async function failure(promise: Promise<unknown>): Promise<Failure> {
  let result: unknown;
  try {
    result = await promise;
  } catch (error) {
    expect(error).toBeInstanceOf(RingletError);
    return error as Failure;
  }
  throw new Error(`it was expected to fail, but returned ${String(result).slice(0, 80)}`);
}

/** Returns the code and the details only, to compare them in one go. */
export async function refusal(promise: Promise<unknown>): Promise<unknown[]> {
  const { code, details } = await failure(promise);
  return [code, details];
}

/** Waits for a state that nobody announces; fails with `what` after `withinMs`, which no stall of a machine takes. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  withinMs = 45_000,
): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 10);
    });
  }
}

export const text = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value).toString();

/** Values of all siblings as sorted text. */
export const texts = (result: { readonly siblings: readonly { readonly value: Uint8Array }[] }): string[] =>
  result.siblings.map(({ value }) => Buffer.from(value).toString()).toSorted();
