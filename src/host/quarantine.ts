import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { syncDirectory } from '../storage/data-files.js';
import type { VnodePaths } from './data-layout.js';
import { type RebuildMark, writeRebuildMark } from './rebuild-mark.js';

/**
 * Damaged directories of virtual nodes, beside the fresh ones that took their places:
 *
 *   <vnode>.quarantine-<time>   goes when the peers have proven that they hold its ranges
 *   <vnode>.kept-<time>         may hold what no peer has, such as hints: only the operator removes it
 *   <vnode>.fresh               is being made
 */
const QUARANTINE = '.quarantine-';
const KEPT = '.kept-';
const FRESH = '.fresh';

export interface Quarantined {
  /** Path of the old directory; undefined where there was nothing to keep. */
  readonly path: string | undefined;
}

/**
 * Puts what there is of a virtual node's directory aside, and an empty one in its place that says that
 * it is to be rebuilt. After a crash at any step there is the old one, none, or the new one with
 * its mark; none is a loss, and noticed as one.
 *
 * @param kept nobody knows that the peers have all of it
 */
export function quarantine(
  vnode: VnodePaths,
  mark: RebuildMark,
  kept: boolean,
  stampIn: (directory: string) => void,
): Quarantined {
  const node = dirname(vnode.directory);
  mkdirSync(node, { recursive: true, mode: 0o700 });
  const path = putAside(vnode.directory, mark.since, kept);
  const fresh = vnode.directory + FRESH;
  rmSync(fresh, { recursive: true, force: true });
  for (const part of [vnode.engineDirectory, vnode.journalDirectory])
    mkdirSync(join(fresh, basename(part)), { recursive: true, mode: 0o700 });
  writeRebuildMark(fresh, mark);
  stampIn(fresh);
  renameSync(fresh, vnode.directory);
  syncDirectory(node);
  return { path };
}

function putAside(directory: string, since: string, kept: boolean): string | undefined {
  if (!existsSync(directory)) return undefined;
  if (readdirSync(directory).length === 0) {
    rmdirSync(directory);
    return undefined;
  }
  const time = since.replaceAll(/[-:]|\.\d+/g, '');
  let path = directory + (kept ? KEPT : QUARANTINE) + time;
  for (let i = 2; existsSync(path); i++) path = `${directory}${kept ? KEPT : QUARANTINE}${time}-${i}`;
  renameSync(directory, path);
  return path;
}

/** Names of what was put aside for a virtual node, beside its directory. */
export function quarantinesOf(vnode: VnodePaths): readonly string[] {
  const node = dirname(vnode.directory);
  const own = basename(vnode.directory);
  if (!existsSync(node)) return [];
  return readdirSync(node).filter((name) => name.startsWith(own + QUARANTINE) || name.startsWith(own + KEPT));
}

/** The peers have proven that they hold its ranges. Not with synchronous calls: this thread serves requests. */
export async function removeQuarantines(vnode: VnodePaths, keptToo: boolean): Promise<void> {
  const own = basename(vnode.directory);
  for (const name of quarantinesOf(vnode)) {
    if (!keptToo && name.startsWith(own + KEPT)) continue;
    await rm(join(dirname(vnode.directory), name), { recursive: true, force: true });
  }
}
