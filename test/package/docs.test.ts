import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/base/errors.js';
import { TICKS_PER_MS } from '../../src/base/time.js';
import { OPTION_KEYS, OPTIONS } from '../../src/config/options.js';
import { resolveSettings, printValue } from '../../src/config/resolve.js';
import { sha1Into } from '../../src/ring/sha1.js';
import { encodeRecord } from '../../src/storage/record-codec.js';
import { lengthAt, sealHead, verifyRecord } from '../../src/storage/record.js';
import { encodeContext, encodeContextText } from '../../src/versions/context.js';
import { join as joinClock } from '../../src/versions/dvvs.js';

const repository = join(import.meta.dirname, '..', '..');
const read = (path: string): string => readFileSync(join(repository, path), 'utf8');
/** Rows of all tables in a page, as cells without their backticks. */
const rows = (page: string): string[][] =>
  page
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim().replaceAll('`', '')),
    );

describe('the documentation', () => {
  it('lists every error code with its HTTP status and whether to retry', () => {
    const listed = rows(read('docs/operations.md')).filter(
      ([code]) => code !== undefined && code in ERROR_CODES,
    );
    const expected = Object.entries(ERROR_CODES).map(([code, { http, retryable }]) => [
      code,
      String(http),
      retryable ? 'yes' : 'no',
    ]);
    expect(listed.map(([code, , http, retryable]) => [code, http, retryable])).toEqual(
      expect.arrayContaining(expected),
    );
    expect(listed).toHaveLength(expected.length);
  });

  it('lists every option with its default in the README', () => {
    const listed = rows(read('README.md')).filter(([flag]) => flag?.startsWith('--'));
    const { settings } = resolveSettings({}, {});
    for (const key of OPTION_KEYS) {
      const row = listed.find(([flag]) => flag?.split(' ')[0] === `--${OPTIONS[key].flag}`);
      expect(row, `a row of --${OPTIONS[key].flag}`).toBeDefined();
      if (OPTIONS[key].fallbackText === undefined) expect(row?.[1]).toBe(String(printValue(key, settings)));
    }
    expect(listed).toHaveLength(OPTION_KEYS.length);
  });

  it('shows a record and its context as the code writes them', () => {
    const page = read('docs/formats.md');
    const key = Buffer.from('apple');
    const digest = new Int32Array(5);
    sha1Into(key, key.length, digest);
    const value = { bytes: Buffer.from('green'), contentType: 'text/plain;charset=utf-8', deleted: false };
    const time = 1_800_000_000_000 * TICKS_PER_MS;
    const clock = [
      { actor: 257, n: 3, values: [] },
      { actor: 513, n: 1, values: [{ ...value, time }] },
    ];
    const { words, bytes } = encodeRecord({ hash: digest[1]!, partition: 52, bucket: 1 }, key, 0, clock);
    sealHead(words, 0, 42, 3, 40);
    expect(digest[0]! >>> 26).toBe(52);
    const record = bytes.slice(0, lengthAt(words, 0));
    expect(verifyRecord(record)).toBe(true);
    const hex = [...page.matchAll(/(?:^word|^ {4}| {2}) *(\d{1,2}) {2}((?:[0-9a-f]{2} ){3}[0-9a-f]{2}) /gm)];
    const shown = hex.map(([, word, four]) => [Number(word), four]).sort(([a], [b]) => Number(a) - Number(b));
    const written = Array.from({ length: record.length / 4 }, (_, word) => {
      const four = Buffer.from(record.subarray(word * 4, word * 4 + 4)).toString('hex');
      return [word, four.match(/../g)!.join(' ')];
    });
    expect(shown).toEqual(written);

    const context = encodeContext(joinClock(clock));
    expect(page.replaceAll(/ +/g, ' ')).toContain(
      Buffer.from(context).toString('hex').match(/../g)!.join(' '),
    );
    expect(page).toContain(encodeContextText(joinClock(clock)));
  });

  it('links only to files that exist', () => {
    const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md'];
    for (const folder of ['docs', 'docs/decisions']) {
      for (const name of readdirSync(join(repository, folder))) {
        if (name.endsWith('.md')) pages.push(`${folder}/${name}`);
      }
    }
    const broken = pages.flatMap((page) =>
      [...read(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)]
        .map(([, target]) => join(dirname(page), target!))
        .filter((target) => !existsSync(join(repository, target)))
        .map((target) => `${page}: ${target}`),
    );
    expect(broken).toEqual([]);
  });
});
