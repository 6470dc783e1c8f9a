import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { Command } from '../../../src/server/resp/command.js';
import { COMMANDS } from '../../../src/server/resp/table.js';

const PAGE = new URL('../../../docs/redis.md', import.meta.url);
const BEGIN =
  '<!-- commands: npx vitest run test/server/resp/docs.test.ts with RINGLET_WRITE_DOCS=1 writes them -->\n';
const END = '<!-- end of commands -->';

const TITLES: Readonly<Record<Command['group'], string>> = {
  string: 'Strings and counters',
  generic: 'Keys',
  connection: 'Connection',
  server: 'Server',
  transactions: 'Transactions',
  versions: 'Siblings and contexts',
};

function row({ name, usage, summary, note }: Command): string {
  const call = `${name.toUpperCase()} ${usage}`.trim().replaceAll('|', '\\|');
  return `| \`${call}\` | ${summary}${note === undefined ? '' : `. *${note}*`} |\n`;
}

function tables(): string {
  return Object.entries(TITLES)
    .map(([group, title]) => {
      const rows = [...COMMANDS.values()].filter((command) => command.group === group).map(row);
      return `### ${title}\n\n| Command | Meaning |\n|---|---|\n${rows.join('')}`;
    })
    .join('\n');
}

test('docs/redis.md lists the commands of the table', () => {
  const page = readFileSync(PAGE, 'utf8');
  const [before, , after] = [page.indexOf(BEGIN) + BEGIN.length, 0, page.indexOf(END)];
  expect(before).toBeGreaterThan(BEGIN.length);
  const written = `${page.slice(0, before)}\n${tables()}\n${page.slice(after)}`;
  if (process.env['RINGLET_WRITE_DOCS'] === '1') writeFileSync(PAGE, written);
  expect(readFileSync(PAGE, 'utf8')).toBe(written);
});

test('rows are whole: names, arities and key positions fit each other', () => {
  for (const { name, arity, keys, group, usage } of COMMANDS.values()) {
    expect(name).toBe(name.toLowerCase());
    expect(Math.abs(arity)).toBeGreaterThan(0);
    expect(keys[0] === 0).toBe(keys[2] === 0);
    expect(keys[0]).toBeLessThanOrEqual(Math.abs(arity));
    expect(TITLES[group]).toBeDefined();
    if (arity === 1) expect(usage).toBe('');
  }
});
