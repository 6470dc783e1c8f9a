import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  isJournalFileName,
  type JournalDisk,
  type JournalFile,
  openJournalDisk,
} from '../../src/storage/journal-files.js';

const run = promisify(execFile);
const BYTES = 2_500_000;

describe('journal files', () => {
  let root: string;
  let directory: string;
  let disk: JournalDisk;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'ringlet-journal-'));
    directory = join(root, 'journal');
    disk = openJournalDisk(directory);
  });
  afterEach(() => {
    disk.close();
    rmSync(root, { recursive: true });
  });

  const allocate = (bytes = BYTES, from = disk): Promise<JournalFile> =>
    new Promise((resolve, reject) => {
      from.allocate(bytes, (error, file) => (file === undefined ? reject(error) : resolve(file)));
    });
  const sync = (file: JournalFile): Promise<void> =>
    new Promise((resolve, reject) => file.sync((error) => (error ? reject(error) : resolve())));
  const contents = (file: JournalFile): Buffer => readFileSync(join(directory, file.name));

  it('a new file has its full size in zeros with blocks behind them, for its owner only', async () => {
    const file = await allocate();
    const stat = statSync(join(directory, file.name));
    expect(stat.size).toBe(BYTES);
    expect(stat.blocks * 512).toBeGreaterThanOrEqual(BYTES);
    expect(stat.mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(contents(file).every((byte) => byte === 0)).toBe(true);
    expect(isJournalFileName(file.name)).toBe(true);
  });

  it('a view of shared memory is written as a whole where it belongs', async () => {
    const file = await allocate();
    const shared = new Uint8Array(new SharedArrayBuffer(100_000), 10, 70_000).fill(7);
    file.write(shared, 1_000);
    file.write(Uint8Array.of(1, 2, 3), BYTES - 3);
    file.write(new Uint8Array(0), BYTES);
    await sync(file);
    const bytes = contents(file);
    expect(bytes.length).toBe(BYTES);
    expect([bytes[999], bytes[1_000], bytes[70_999], bytes[71_000]]).toEqual([0, 7, 7, 0]);
    expect([...bytes.subarray(-3)]).toEqual([1, 2, 3]);
  });

  it('a write beyond the end is our own fault and changes nothing', async () => {
    const file = await allocate(4_096);
    expect(() => file.write(new Uint8Array(10), 4_090)).toThrow('stays within');
    expect(contents(file).length).toBe(4_096);
  });

  it('sync answers later and exactly once, also when the file is closed meanwhile', async () => {
    const file = await allocate();
    let calls = 0;
    file.write(Uint8Array.of(1), 0);
    file.sync(() => calls++);
    file.sync(() => calls++);
    file.close();
    file.close();
    expect(calls).toBe(0);
    await expect.poll(() => calls).toBe(2);
    const other = await allocate();
    await sync(other);
    expect(calls).toBe(2);
  });

  it('two released files are kept and used again as they are, a third is deleted', async () => {
    const files = [await allocate(4_096), await allocate(4_096), await allocate(4_096)];
    files[0]!.write(Uint8Array.of(9), 5);
    for (const file of files) disk.release(file);
    await expect.poll(() => readdirSync(directory).sort()).toEqual([files[0]!.name, files[1]!.name].sort());
    expect((await allocate(8_192)).name).not.toBe(files[0]!.name);
    const again = await allocate(4_096);
    expect(again.name).toBe(files[0]!.name);
    expect(contents(again)[5]).toBe(9);
    again.write(Uint8Array.of(8), 5);
    await sync(again);
    expect(contents(again)[5]).toBe(8);
  });

  it('a file that is given back twice, or after it was abandoned, is an error', async () => {
    const file = await allocate(4_096);
    disk.release(file);
    expect(() => disk.release(file)).toThrow('not in use');
    const other = await allocate(8_192);
    disk.abandon(other);
    expect(() => disk.abandon(other)).toThrow('not in use');
  });

  it('existing lists what was there at open, abandoned files too, by age; removeExisting deletes only that', async () => {
    const first = await allocate(4_096);
    const second = await allocate(4_096);
    first.write(Uint8Array.of(1), 0);
    second.write(Uint8Array.of(2), 0);
    disk.abandon(first);
    disk.close();
    writeFileSync(join(directory, 'not ours'), 'x');
    disk = openJournalDisk(directory);
    const fresh = await allocate(4_096);
    const existing = disk.existing();
    expect(existing.map(({ name, bytes }) => [name, bytes])).toEqual([
      [first.name, 4_096],
      [second.name, 4_096],
    ]);
    expect(existing.map((file) => file.read()[0])).toEqual([1, 2]);
    disk.removeExisting();
    expect(readdirSync(directory).sort()).toEqual([fresh.name, 'not ours'].sort());
    expect(disk.existing()).toEqual([]);
  });

  it('an allocation that is under way when the disk is closed ends with CLOSED', async () => {
    const pending = allocate();
    disk.close();
    await expect(pending).rejects.toMatchObject({ code: 'CLOSED' });
  });

  it.skipIf(process.getuid?.() === 0)('an allocation that fails is IO and leaves nothing', async () => {
    chmodSync(directory, 0o500);
    await expect(allocate()).rejects.toMatchObject({ code: 'IO' });
    chmodSync(directory, 0o700);
    expect(readdirSync(directory)).toEqual([]);
  });

  it('a name that is taken is IO, with the path', async () => {
    mkdirSync(join(directory, '0000000001.journal'));
    await expect(allocate()).rejects.toMatchObject({
      code: 'IO',
      details: { path: join(directory, '0000000001.journal'), code: 'EISDIR' },
    });
  });

  it.skipIf(process.platform === 'win32')(
    'a disk that gives out within an allocation leaves nothing behind',
    async () => {
      const fixture = fileURLToPath(new URL('fixtures/journal-allocator.mjs', import.meta.url));
      const command = `ulimit -f 3000; exec "${process.execPath}" "${fixture}" "${directory}" ${8 << 20}`;
      const { stdout } = await run('bash', ['-c', command]);
      expect(stdout).toBe('IO EFBIG\n');
      expect(readdirSync(directory)).toEqual([]);
    },
  );
});
