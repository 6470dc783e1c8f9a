import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';

/** How many syncs still succeed: the file's own is the first, that of its name the second. */
const syncs = { left: Number.POSITIVE_INFINITY };
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  const fsync = (fd: number, done: (error: Error | null) => void): void => {
    if (syncs.left-- > 0) fs.fsync(fd, done);
    else setImmediate(() => done(new Error('the sync failed')));
  };
  return { ...fs, fsync };
});
const { allocateFile } = await import('../../src/storage/journal-allocation.js');

const directory = mkdtempSync(join(tmpdir(), 'ringlet-allocation-'));
afterAll(() => rmSync(directory, { recursive: true }));

it.each([0, 1])('a file of which only %i syncs succeed leaves nothing, under neither name', async (count) => {
  syncs.left = count;
  const outcome = await new Promise((resolve) => {
    allocateFile(join(directory, '0000000001.journal'), 10_000, (error, fd) => resolve([error?.message, fd]));
  });
  expect(outcome).toEqual(['the sync failed', undefined]);
  expect(readdirSync(directory)).toEqual([]);
});
