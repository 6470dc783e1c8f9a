import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { pathsIn } from '../../src/host/data-layout.js';
import { LIFE_FILE, LIVES_FILE, Lives } from '../../src/host/lives.js';

let root: string;
const ids = ['n1.0', 'n2.0'];
const paths = (vnodeId: string) => ({ vnodeId, ...pathsIn(join(root, vnodeId)) });
const mismatches = (): (string | undefined)[] => {
  const lives = new Lives(root);
  return ids.map((id) => lives.mismatch(paths(id)));
};
const OLDER = expect.stringContaining('older copy') as unknown;

/** @param crash before so many directories have got their stamps */
function renew(crash = ids.length): void {
  const held = ids.slice(crash).map((id) => paths(id).directory);
  for (const directory of held) renameSync(directory, `${directory}.held`);
  try {
    new Lives(root).renew(ids.map(paths));
  } finally {
    for (const directory of held) renameSync(`${directory}.held`, directory);
  }
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ringlet-lives-'));
  for (const id of ids) mkdirSync(paths(id).directory);
});
afterEach(() => rmSync(root, { recursive: true }));

test('an older copy of one directory is told from the one that was used last', () => {
  expect(new Lives(root).vouches).toBe(false);
  expect(mismatches()).toEqual([undefined, undefined]);
  renew();
  const copy = join(root, 'copy');
  cpSync(paths('n1.0').directory, copy, { recursive: true });
  expect(mismatches()).toEqual([undefined, undefined]);
  renew();
  cpSync(copy, paths('n1.0').directory, { recursive: true });
  expect(mismatches()).toEqual([OLDER, undefined]);
  rmSync(join(paths('n1.0').directory, LIFE_FILE));
  expect(mismatches()).toEqual([expect.stringContaining('missing'), undefined]);
});

test('crashes at any steps of renewals are no mismatch, and a copy from before stays an older one', () => {
  renew();
  const copy = join(root, 'copy');
  cpSync(paths('n1.0').directory, copy, { recursive: true });
  renew();
  for (const crash of [0, 1, 1, 0]) {
    expect(() => renew(crash)).toThrow('ENOENT');
    expect(mismatches()).toEqual([undefined, undefined]);
  }
  renew();
  cpSync(copy, paths('n1.0').directory, { recursive: true });
  expect(mismatches()).toEqual([OLDER, undefined]);
});

test('what was put aside is not taken for what took its place', () => {
  renew();
  const { directory } = paths('n1.0');
  new Lives(root).replace('n1.0', (stampIn) => {
    renameSync(directory, `${directory}.aside`);
    mkdirSync(directory);
    stampIn(directory);
  });
  expect(mismatches()).toEqual([undefined, undefined]);
  rmSync(directory, { recursive: true });
  renameSync(`${directory}.aside`, directory);
  expect(mismatches()).toEqual([OLDER, undefined]);
});

test('without the list nothing is vouched for', () => {
  renew();
  expect(new Lives(root).vouches).toBe(true);
  rmSync(join(root, LIVES_FILE));
  expect(new Lives(root).vouches).toBe(false);
  expect(mismatches()).toEqual([undefined, undefined]);
});
