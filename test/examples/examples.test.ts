import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { temporary } from '../integration/support.js';

const examples = join(import.meta.dirname, '..', '..', 'examples');

/** What each program prints, run after run in one directory. */
const EXPECTED: Readonly<Record<string, readonly string[]>> = {
  'keyv.js': [
    'from the last run: undefined\nafter clearing the pages: undefined Ada Lovelace\n',
    "from the last run: { name: 'Ada Lovelace', seen: '…' }\nafter clearing the pages: undefined Ada Lovelace\n",
  ],
  'session.js': ['visit 1\nwith the cookie: visit 2\nwithout: visit 1\n'],
  'shared-cache.js': [`${'below 100000: 9592 primes\n'.repeat(4)}computed: 5 of 20 asked for\n`],
  'unstorage.js': [
    "keys under images: [ 'images:dot' ]\ntitle: Hello\nbytes of the image: 3\nseconds that the news live: …\n",
  ],
};

test('there is a case for each example', () => {
  expect(readdirSync(examples).filter((name) => name.endsWith('.js'))).toEqual(Object.keys(EXPECTED));
});

test.each(Object.entries(EXPECTED))('%s runs and prints what it should', async (name, runs) => {
  const cwd = temporary();
  for (const expected of runs) {
    const { stdout } = await promisify(execFile)(process.execPath, [join(examples, name)], { cwd });
    const output = stdout.replace(/(?<=live: )\d+/, '…').replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/, '…');
    expect(output).toBe(expected);
  }
});
