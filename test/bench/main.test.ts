import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { main } from '../../bench/main.js';

let directory: string;
let [out, errors] = ['', ''];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'ringlet-bench-main-'));
  [out, errors] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true));
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => ((errors += String(text)), true));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true });
});

test.each([',', '', ' ', 'nosuch', 'peers,nosuch'])(
  'names of no experiments are wrong use: --only %j runs nothing, and above all not everything',
  async (only) => {
    expect(await main(['--only', only, '--out', directory])).toBe(2);
    expect(errors).toMatch(/^ringlet: USAGE: .*\n$/);
  },
);

test('names may have spaces around them', async () => {
  expect(await main(['--only', ' nosuch , partitioning', '--out', directory])).toBe(2);
  expect(errors).toMatch(/no experiment is named nosuch;/);
});

test('a folder that cannot be made, and one without results, are told in a line', async () => {
  const file = join(directory, 'file');
  writeFileSync(file, '');
  expect(await main(['--only', 'partitioning', '--quick', '--out', file])).toBe(1);
  expect(errors).toMatch(/^ringlet: IO: ENOTDIR.*\n$/);
  errors = '';
  expect(await main(['--report', join(directory, 'none')])).toBe(1);
  expect(errors).toMatch(/^ringlet: IO: ENOENT.*\n$/);
});

test.each(['', '{', 'null', '{"schemaVersion":1}'])(
  'a report is not drawn of what is no result of this version: %j',
  async (text) => {
    writeFileSync(join(directory, 'results.json'), text);
    expect(await main(['--report', directory])).toBe(2);
    expect(errors).toMatch(/^ringlet: USAGE: .* holds no results of this version: .*\n$/);
  },
);

test('the list has the lengths of the run that is asked for', async () => {
  const lengths = async (...flags: readonly string[]): Promise<readonly number[]> => {
    out = '';
    expect(await main(['--list', '--json', ...flags])).toBe(0);
    return (JSON.parse(out) as { seconds: number }[]).map(({ seconds }) => seconds);
  };
  const [quick, usual, full] = [await lengths('--quick'), await lengths(), await lengths('--full')];
  for (const [index, seconds] of quick.entries()) {
    expect(seconds).toBeLessThan(usual[index]!);
    expect(usual[index]).toBeLessThan(full[index]!);
  }
});
