import { randomBytes, randomInt } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { rename, rm, rmdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { RingletError } from '../../base/errors.js';
import { TICKS_PER_MS } from '../../base/time.js';
import type { OpenOptions } from '../../client/api.js';
import { checkSignal } from '../../client/arguments.js';
import type { RestoreSummary } from '../../client/backup-api.js';
import { firstState } from '../../ring/state.js';
import { ringOfState } from '../../ring/live-ring.js';
import { syncDirectory } from '../../storage/data-files.js';
import { writeError } from '../../storage/disk-errors.js';
import { assertReplicas } from '../bucket-list.js';
import { writeClockMark } from '../clock-mark.js';
import { openDataDirectory } from '../data-directory.js';
import type { Topology } from '../manifest.js';
import { open } from '../open.js';
import { checkOptions, DATA, resolveOptions } from '../resolve-options.js';
import type { BackupEnd, BackupHead } from './format.js';
import { Placement } from './placement.js';
import { assertWanted, readBackup, type ReadBackup } from './reader.js';

/**
 * Numbers above those that the backup knows of which the restored store leaves out, at least: the original
 * may have gone on, and contexts of it may come here. It takes 256 at a start.
 */
const LEAST_GAP = 2 ** 20;
const ACTORS = 2 ** 32;

/**
 * Makes a data directory of a backup. Nodes, capacities and partitions are those of the backup unless the
 * options name others; buckets and their properties come with it. The new store has an id and actors of
 * its own, so that it may run beside the original: they are two stores from then on.
 *
 * The backup is verified first. The directory is filled under another name, opened and closed once, and
 * then gets its name; after a failure nothing is left.
 *
 * @param options as for `open`; `data` (default `./data`) must be missing or empty
 * @param ends.signal ends it early
 * @throws RingletError DATA_CORRUPT, DATA_FOREIGN (the backup), BAD_REQUEST (the directory, the options), IO, STORE_FULL, ABORTED
 */
export async function restore(
  file: string,
  options: OpenOptions = {},
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<RestoreSummary> {
  checkOptions(options);
  checkSignal(signal);
  const data = resolve(options.data ?? DATA);
  assertFree(data);
  if (options.engine === 'memory') {
    throw new RingletError(
      'BAD_REQUEST',
      'a backup is restored into a directory, and engine memory has none',
      {
        engine: 'memory',
      },
    );
  }
  const backup = await readBackup(file, undefined, signal);
  const topology = topologyFor(backup.head, options);
  assertReplicas(backup.head.buckets, topology.nodes.length);
  const aside = `${data}.${randomBytes(6).toString('hex')}.restoring`;
  try {
    const copies = await fill(aside, file, topology, backup, signal);
    // A start verifies what was written, as after any unclean stop; a clean one comes next.
    const { nodes: _nodes, vnodes: _vnodes, capacity: _capacity, partitions: _partitions, ...rest } = options;
    await (await open({ ...rest, data: aside })).close();
    assertWanted(signal);
    await giveName(aside, data);
    return { ...backup.summary, data, copies };
  } catch (error) {
    await rm(aside, { recursive: true, force: true });
    throw error;
  }
}

async function giveName(aside: string, data: string): Promise<void> {
  try {
    if (existsSync(data)) await rmdir(data);
    await rename(aside, data);
    syncDirectory(dirname(data));
  } catch (error) {
    throw writeError(error, data);
  }
}

function assertFree(data: string): void {
  const names = entriesOf(data);
  if (names.length === 0) return;
  throw new RingletError(
    'BAD_REQUEST',
    `${data} is not empty (${names.length} entries, such as "${names[0]}"); name a new directory to restore into`,
    { path: data, entries: names.length },
  );
}

function entriesOf(data: string): readonly string[] {
  if (!existsSync(data)) return [];
  try {
    return readdirSync(data);
  } catch (error) {
    throw writeError(error, data);
  }
}

/** The backup's, unless the options name nodes or partitions. */
function topologyFor({ topology }: BackupHead, options: OpenOptions): Topology {
  const { nodes, vnodes, capacity } = options;
  const named = nodes !== undefined || vnodes !== undefined || capacity !== undefined;
  const stored = { ...topology, partitions: options.partitions ?? topology.partitions };
  // Only for its checks, where the nodes are the backup's.
  const { partitions, spacing, ...resolved } = resolveOptions(
    {
      ...options,
      ...(named ? { nodes: nodes ?? topology.nodes.length } : {}),
      partitions: stored.partitions,
    },
    named ? undefined : stored,
  );
  return { partitions, spacing, nodes: resolved.nodes };
}

/** Makes the directory, with every record at all of its owners. Returns how many copies these are. */
async function fill(
  path: string,
  file: string,
  topology: Topology,
  backup: ReadBackup,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { head, end } = backup;
  const ids = new Map(
    topology.nodes.map(({ id, vnodes }) => [id, Array.from({ length: vnodes }, (_, i) => `${id}.${i}`)]),
  );
  const directory = await openDataDirectory(path, topology, ids);
  try {
    directory.beginActorsAt(firstActor(end));
    directory.saveBuckets(head.buckets);
    writeClockMark(directory.path, Math.max(end.clock, Date.now() * TICKS_PER_MS));
    const ring = ringOfState(firstState({ ...topology, nodes: [...topology.nodes] }));
    const placement = await Placement.open(directory, ring, head.buckets, head.topology.partitions);
    try {
      assertSame(file, backup, await readBackup(file, (records) => placement.add(records), signal));
    } finally {
      await placement.close();
    }
    return placement.copies;
  } finally {
    await directory.release();
  }
}

/** Buckets, actors and clock are those of the first reading, records those of the second. @throws RingletError IO */
function assertSame(file: string, first: ReadBackup, second: ReadBackup): void {
  if (first.check === second.check) return;
  throw new RingletError('IO', `${file} changed while it was read; restore again when nobody writes it`, {
    path: file,
  });
}

/** At random, so that two stores of the same backup have different actors. @throws RingletError STORE_FULL */
function firstActor({ actorsBelow }: BackupEnd): number {
  const least = actorsBelow + LEAST_GAP;
  const room = Math.floor((ACTORS - least) / 16);
  if (room < LEAST_GAP) {
    throw new RingletError(
      'STORE_FULL',
      'all actor numbers are used; load an export into a new store instead',
      {
        actorsBelow,
      },
    );
  }
  return least + randomInt(room);
}
