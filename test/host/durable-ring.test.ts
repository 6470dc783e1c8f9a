import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openDataDirectory } from '../../src/host/data-directory.js';
import { DurableRing } from '../../src/host/durable-ring.js';
import { MANIFEST_FILE, readManifest, type Topology } from '../../src/host/manifest.js';
import { firstState, type RingState } from '../../src/ring/state.js';

/** What the file system does next, one call at a time: it waits until somebody lets it go on. */
const gate = vi.hoisted(() => ({
  /** Undefined: nothing waits. */
  calls: undefined as ((() => void) | undefined)[] | undefined,
  names: [] as string[],
  broken: '',
}));

vi.mock('node:fs/promises', async (original) => {
  const fs = await original<typeof import('node:fs/promises')>();
  const wait = async (name: string): Promise<void> => {
    if (gate.calls === undefined) return;
    gate.names.push(name);
    await new Promise<void>((resolve) => gate.calls!.push(resolve));
    if (gate.broken === name) throw Object.assign(new Error(`no ${name}`), { code: 'EIO' });
  };
  return {
    ...fs,
    open: async (path: string, flags: string, mode: number): Promise<FileHandle> => {
      const file = await fs.open(path, flags, mode);
      const { sync } = file;
      file.sync = async () => {
        await wait(flags === 'r' ? 'sync of the directory' : 'sync');
        await sync.call(file);
      };
      return file;
    },
    rename: async (from: string, to: string) => {
      await wait('rename');
      await fs.rename(from, to);
    },
  };
});

const TOPOLOGY: Topology = {
  nodes: ['n1', 'n2', 'n3'].map((id) => ({ id, capacity: 1, vnodes: 1 })),
  partitions: 16,
  spacing: 3,
};
const VNODES = new Map(TOPOLOGY.nodes.map(({ id }) => [id, [`${id}.0`]]));

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(realpathSync(tmpdir()), 'ringlet-ring-'));
});
afterEach(() => {
  gate.calls = undefined;
  gate.names = [];
  gate.broken = '';
  rmSync(root, { recursive: true });
});

/** However slow the disk is. */
const until = (holds: () => boolean): Promise<unknown> =>
  vi.waitUntil(holds, { timeout: 45_000, interval: 5 });

/** Lets the file system do the call that it is held at. */
async function goOn(): Promise<string> {
  await until(() => gate.calls!.length > 0);
  gate.calls!.shift()!();
  return gate.names.shift()!;
}

const next = (state: RingState): RingState => ({ ...state, revision: state.revision + 1 });
/** What a process would find that starts now. */
const revisionOnDisk = (path: string): number => readManifest(path)!.ring!.revision;

it('while the disk works on a state the thread goes on, and until it is durable nobody knows of it', async () => {
  const data = await openDataDirectory(join(root, 'data'), TOPOLOGY, VNODES);
  const known: number[] = [];
  const first = firstState(TOPOLOGY);
  await data.saveRing(first);
  const ring = new DurableRing(
    first,
    (state) => data.saveRing(state),
    ({ revision }) => void known.push(revision),
  );
  gate.calls = [];
  const steps = [ring.advance(next), ring.advance(next)];
  for (const revision of [2, 3]) {
    for (const call of ['sync', 'rename', 'sync of the directory']) {
      // The thread comes to this point although nothing is written yet.
      await until(() => gate.names[0] === call);
      expect([ring.known.revision, ring.newest.revision]).toEqual([revision - 1, revision]);
      // A process that died here would go on from the last state, and from this one once it has its name.
      expect(revisionOnDisk(data.path)).toBe(call === 'sync of the directory' ? revision : revision - 1);
      expect(await goOn()).toBe(call);
    }
    await until(() => known.at(-1) === revision);
  }
  await Promise.all(steps);
  expect(known).toEqual([1, 2, 3]);
  gate.calls = undefined;
  await data.release();
});

it('a state that the disk does not take has not been: the next step leads on from the one before', async () => {
  const data = await openDataDirectory(join(root, 'data'), TOPOLOGY, VNODES);
  const first = firstState(TOPOLOGY);
  await data.saveRing(first);
  const ring = new DurableRing(
    first,
    (state) => data.saveRing(state),
    () => undefined,
  );
  gate.calls = [];
  gate.broken = 'sync';
  const failing = ring.advance(next).catch((error: unknown) => error);
  await goOn();
  expect(await failing).toMatchObject({ code: 'IO', details: { code: 'EIO' } });
  expect([ring.known.revision, ring.newest.revision, revisionOnDisk(data.path)]).toEqual([1, 1, 1]);
  expect(() => readFileSync(join(data.path, `${MANIFEST_FILE}.tmp`))).toThrow('ENOENT');
  gate.calls = undefined;
  expect(await ring.advance(next)).toMatchObject({ revision: 2 });
  expect(revisionOnDisk(data.path)).toBe(2);
  await data.release();
});

it('a step that throws changes nothing, and the steps behind it are taken', async () => {
  const saved: number[] = [];
  const ring = new DurableRing(
    firstState(TOPOLOGY),
    async ({ revision }) => void saved.push(revision),
    () => undefined,
  );
  const refused = ring.advance(() => {
    throw new RangeError('not now');
  });
  const idle = ring.advance((state) => state);
  const taken = ring.advance(next);
  await expect(refused).rejects.toThrow('not now');
  expect([(await idle).revision, (await taken).revision, saved]).toEqual([1, 2, [2]]);
});
