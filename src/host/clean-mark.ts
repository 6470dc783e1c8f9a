import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { dataFileOf, syncDirectory } from '../storage/data-files.js';
import { readSealed, writeSealed } from './durable-file.js';

/** What a virtual node left when it stopped in good order: the next start needs no recovery. */
export interface CleanMark {
  readonly generation: number;
  /** As in the engine's state. */
  readonly count: number;
  readonly root: number;
  /** The actor in use, and the next number that it may give out. */
  readonly actor: number;
  readonly nextSequence: number;
  /** The greatest dot that the actor has forgotten; missing is 0. */
  readonly dotFloor?: number;
}

/** `clean.json`, with the look of the engine's file when it was written. */
interface CleanFile extends CleanMark {
  readonly format: number;
  readonly engineBytes: number;
  /** A decimal number: nanoseconds do not fit into a double. */
  readonly engineModifiedNs: string;
}

export const CLEAN_FILE = 'clean.json';
const FORMAT = 1;

/** Writes the mark of a virtual node whose engine is closed. @throws RingletError IO, STORE_FULL */
export function writeCleanMark(vnodeDirectory: string, engineDirectory: string, mark: CleanMark): void {
  const { generation, count, root, actor, nextSequence, dotFloor } = mark;
  const file: CleanFile = {
    format: FORMAT,
    ...lookOf(engineDirectory),
    generation,
    count,
    root,
    actor,
    nextSequence,
    ...(dotFloor === undefined ? {} : { dotFloor }),
  };
  writeSealed(join(vnodeDirectory, CLEAN_FILE), file);
}

/**
 * The mark, if there is one and the engine's file is what it was then. Anything else, also a
 * damaged mark, is an unclean stop.
 */
export function readCleanMark(vnodeDirectory: string, engineDirectory: string): CleanMark | undefined {
  const file = readSealed<CleanFile>(join(vnodeDirectory, CLEAN_FILE), FORMAT);
  if (file.kind !== 'ok') return undefined;
  const { generation, count, root, actor, nextSequence, dotFloor = 0 } = file.value;
  const { engineBytes, engineModifiedNs } = file.value;
  const look = lookOf(engineDirectory);
  if (look.engineBytes !== engineBytes || look.engineModifiedNs !== engineModifiedNs) return undefined;
  return { generation, count, root, actor, nextSequence, dotFloor };
}

/** Removes the mark durably: whatever happens from now on, it vouches for nothing any more. */
export function removeCleanMark(vnodeDirectory: string): void {
  rmSync(join(vnodeDirectory, CLEAN_FILE), { force: true });
  syncDirectory(vnodeDirectory);
}

function lookOf(engineDirectory: string): { engineBytes: number; engineModifiedNs: string } {
  const { size, mtimeNs } = statSync(dataFileOf(engineDirectory), { bigint: true });
  return { engineBytes: Number(size), engineModifiedNs: String(mtimeNs) };
}
