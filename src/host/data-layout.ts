import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RingletError } from '../base/errors.js';
import { isJournalFileName } from '../storage/journal-files.js';
import { dataFileBytes, dataFileOf, syncDirectory } from '../storage/lmdb-environment.js';
import { type CleanMark, readCleanMark } from './clean-mark.js';
import { type Manifest, NODE_FILE, readNodeManifest, writeNodeManifest } from './manifest.js';

/**
 *   <data>/ringlet.json                 manifest
 *          actors, buckets.json, session.json
 *          nodes/<node>/node.json       manifest of a node
 *                       buckets.json    a copy
 *                       <vnode>/clean.json
 *                               engine/   LMDB
 *                               journal/
 */
export interface VnodePaths {
  readonly nodeId: string;
  readonly vnodeId: string;
  readonly directory: string;
  readonly engineDirectory: string;
  readonly journalDirectory: string;
}

export interface NodePaths {
  readonly nodeId: string;
  readonly directory: string;
  readonly vnodes: readonly VnodePaths[];
}

/** Directory names: nothing that could leave the data directory. */
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Where everything of a store is. @throws RingletError BAD_REQUEST for an id that is no file name */
export function layOut(data: string, vnodeIds: ReadonlyMap<string, readonly string[]>): readonly NodePaths[] {
  return [...vnodeIds].map(([nodeId, ids]) => {
    const directory = join(data, 'nodes', safeId(nodeId));
    const vnodes = ids.map((vnodeId) => {
      const own = join(directory, safeId(vnodeId));
      return {
        nodeId,
        vnodeId,
        directory: own,
        engineDirectory: join(own, 'engine'),
        journalDirectory: join(own, 'journal'),
      };
    });
    return { nodeId, directory, vnodes };
  });
}

function safeId(id: string): string {
  if (SAFE_ID.test(id)) return id;
  throw new RingletError(
    'BAD_REQUEST',
    `"${id}" cannot name a node; use 1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit`,
    { id },
  );
}

/**
 * That everything of a store which has served is there and belongs to it: a directory that is
 * gone is a loss, never a new member. Changes nothing.
 * @throws RingletError DATA_CORRUPT, DATA_FOREIGN
 */
export function assertComplete(manifest: Manifest, nodes: readonly NodePaths[]): void {
  for (const { nodeId, directory, vnodes } of nodes) {
    const node = readNodeManifest(directory);
    if (node === undefined) {
      if (manifest.initialised) throw missing(existsSync(directory) ? join(directory, NODE_FILE) : directory);
      continue;
    }
    if (node.storeId !== manifest.storeId || node.nodeId !== nodeId) {
      throw new RingletError(
        'DATA_FOREIGN',
        `${directory} belongs to node ${node.nodeId} of store ${node.storeId}, not to node ${nodeId} of ` +
          `${manifest.storeId}; put the right directory in its place`,
        {
          path: directory,
          storedNode: node.nodeId,
          storedStore: node.storeId,
          nodeId,
          storeId: manifest.storeId,
        },
      );
    }
    if (!manifest.initialised) continue;
    for (const vnode of vnodes) {
      const file = dataFileOf(vnode.engineDirectory);
      if (dataFileBytes(vnode.engineDirectory) === undefined) throw missing(file);
      if (dataFileBytes(vnode.engineDirectory) === 0) throw lost(file, 'is empty');
      if (!existsSync(vnode.journalDirectory)) throw missing(vnode.journalDirectory);
    }
  }
}

function missing(path: string): RingletError {
  return lost(path, 'is missing');
}

function lost(path: string, reason: string): RingletError {
  return new RingletError(
    'DATA_CORRUPT',
    `${path} ${reason}; restore it from a backup, or start anew with another data directory`,
    { path, reason },
  );
}

/** The clean mark of a virtual node, when nothing about its directory contradicts it. */
export function trustedCleanMark(vnode: VnodePaths): CleanMark | undefined {
  if (dataFileBytes(vnode.engineDirectory) === undefined) return undefined;
  const unexpected = existsSync(vnode.journalDirectory)
    ? readdirSync(vnode.journalDirectory).some((name) => !isJournalFileName(name))
    : true;
  return unexpected ? undefined : readCleanMark(vnode.directory, vnode.engineDirectory);
}

/** A node's directory goes: first what says whose it is, so that half of it is never taken for a whole. */
export function removeNodeDirectory(directory: string): void {
  if (!existsSync(directory)) return;
  rmSync(join(directory, NODE_FILE), { force: true });
  syncDirectory(directory);
  rmSync(directory, { recursive: true, force: true });
  syncDirectory(dirname(directory));
}

/** Makes what is not there yet, durably. Only for a store that has never served. */
export function makeDirectories(data: string, storeId: string, nodes: readonly NodePaths[]): void {
  const make = (directory: string): void => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
  };
  for (const { nodeId, directory, vnodes } of nodes) {
    make(directory);
    if (readNodeManifest(directory) === undefined) writeNodeManifest(directory, storeId, nodeId);
    for (const vnode of vnodes) {
      make(vnode.engineDirectory);
      make(vnode.journalDirectory);
      syncDirectory(vnode.directory);
    }
    syncDirectory(directory);
  }
  make(join(data, 'nodes'));
  syncDirectory(join(data, 'nodes'));
  syncDirectory(data);
}
