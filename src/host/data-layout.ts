import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { RingletError } from '../base/errors.js';
import { isJournalFileName, isUnfinishedJournalFile } from '../storage/journal-files.js';
import { dataFileBytes, dataFileOf, syncDirectory } from '../storage/data-files.js';
import { type CleanMark, readCleanMark } from './clean-mark.js';
import { type Manifest, type NodeManifest, readNodeManifest, writeNodeManifest } from './manifest.js';
import { readRebuildMark } from './rebuild-mark.js';

/**
 *   <data>/ringlet.json                 manifest
 *          actors, buckets.json, session.json, lives.json
 *          nodes/<node>/node.json       manifest of a node
 *                       buckets.json    a copy
 *                       <vnode>/clean.json
 *                               life.json      which of its lives it is from
 *                               rebuild.json   only while it is being rebuilt
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

/** The parts of a virtual node's directory. */
export function pathsIn(
  directory: string,
): Pick<VnodePaths, 'directory' | 'engineDirectory' | 'journalDirectory'> {
  return {
    directory,
    engineDirectory: join(directory, 'engine'),
    journalDirectory: join(directory, 'journal'),
  };
}

/** Directory names: nothing that could leave the data directory. */
const SAFE_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Where everything of a store is. @throws RingletError BAD_REQUEST for an id that is no file name */
export function layOut(data: string, vnodeIds: ReadonlyMap<string, readonly string[]>): readonly NodePaths[] {
  return [...vnodeIds].map(([nodeId, ids]) => {
    const directory = join(data, 'nodes', safeId(nodeId));
    const vnodes = ids.map((vnodeId) => {
      return { nodeId, vnodeId, ...pathsIn(join(directory, safeId(vnodeId))) };
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

/** What of a virtual node's directory is gone. */
export interface Gone {
  /** The path and what is the matter with it. */
  readonly reason: string;
  /** Whether anything is left that might hold what nobody else has. */
  readonly remains: boolean;
}

/**
 * Which virtual nodes of a store that has served lack a part of their directories, and that what
 * is there belongs to it: a directory that is gone is a loss, never a new member. Changes nothing.
 * @throws RingletError DATA_FOREIGN
 */
export function missingParts(manifest: Manifest, nodes: readonly NodePaths[]): Map<string, Gone> {
  const gone = new Map<string, Gone>();
  for (const { nodeId, directory, vnodes } of nodes) {
    // One that is missing or damaged is written anew: the data itself says whose it is, too.
    const node = intactNodeManifest(directory);
    if (node !== undefined && (node.storeId !== manifest.storeId || node.nodeId !== nodeId)) {
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
      const reason = missingPart(vnode);
      if (reason !== undefined) gone.set(vnode.vnodeId, { reason, remains: hasFiles(vnode) });
    }
  }
  return gone;
}

function missingPart(vnode: VnodePaths): string | undefined {
  if (!existsSync(vnode.directory)) return `${vnode.directory} is missing`;
  if (!existsSync(vnode.journalDirectory)) return `${vnode.journalDirectory} is missing`;
  const bytes = dataFileBytes(vnode.engineDirectory);
  if (bytes !== undefined && bytes > 0) return undefined;
  // A fresh directory that the store was stopped in before it made the engine.
  if (readRebuildMark(vnode.directory) !== undefined && readdirSync(vnode.journalDirectory).length === 0)
    return undefined;
  return `${dataFileOf(vnode.engineDirectory)} is ${bytes === undefined ? 'missing' : 'empty'}`;
}

/** Whether the data file or a journal file has any contents. */
function hasFiles(vnode: VnodePaths): boolean {
  if ((dataFileBytes(vnode.engineDirectory) ?? 0) > 0) return true;
  return existsSync(vnode.journalDirectory) && readdirSync(vnode.journalDirectory).length > 0;
}

/** A node's manifest; undefined when it is missing or damaged. @throws RingletError DATA_FOREIGN for another format */
function intactNodeManifest(directory: string): NodeManifest | undefined {
  try {
    return readNodeManifest(directory);
  } catch (error) {
    if (error instanceof RingletError && error.code === 'DATA_CORRUPT') return undefined;
    throw error;
  }
}

/** Writes the manifests of nodes that have none that can be read. */
export function healNodes(storeId: string, nodes: readonly NodePaths[]): void {
  for (const { nodeId, directory } of nodes) {
    if (intactNodeManifest(directory) !== undefined) continue;
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    writeNodeManifest(directory, storeId, nodeId);
    syncDirectory(dirname(directory));
  }
}

/** The clean mark of a virtual node, when nothing about its directory contradicts it. */
export function trustedCleanMark(vnode: VnodePaths): CleanMark | undefined {
  if (dataFileBytes(vnode.engineDirectory) === undefined) return undefined;
  const unexpected = existsSync(vnode.journalDirectory)
    ? readdirSync(vnode.journalDirectory).some((name) => !isOfJournal(name))
    : true;
  return unexpected ? undefined : readCleanMark(vnode.directory, vnode.engineDirectory);
}

function isOfJournal(name: string): boolean {
  return isJournalFileName(name) || isUnfinishedJournalFile(name);
}

/** Makes what is not there yet, durably. Only for what has never served. @throws RingletError IO, STORE_FULL */
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
