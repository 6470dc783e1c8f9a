import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { buildProgram } from '../../src/cli/program.js';
import { run, type Running, start } from './spawn.js';

/** Whatever a command says on stdout with --json is JSON, line by line. */
const directory = mkdtempSync(join(tmpdir(), 'ringlet-json-'));
const file = (name: string): string => join(directory, name);
let serving: Running;
let url: string;

beforeAll(async () => {
  const options = ['--data', file('data'), '--nodes', '4', '--http', '127.0.0.1:0', '--allow-faults'];
  serving = start(['serve', ...options, '--json']);
  url = await serving.ready;
  expectJson(serving.stdout(), '"ready"');
  writeFileSync(file('in.ndjson'), '{"id":1}\n{"id":2}\n');
});
afterAll(async () => {
  serving.child.kill('SIGTERM');
  await serving.finished;
  rmSync(directory, { recursive: true, force: true });
});

// In this order: later ones need what earlier ones have written.
test.each([
  [['put', 'k', 'v'], '{"key":"k"'],
  [['get', 'k'], '"k"'],
  [['scan'], '"k"'],
  [['inspect', 'k'], '"preferenceList"'],
  [['status'], '"ring"'],
  [['load', file('in.ndjson'), '--key', 'id'], '"'],
  [['export', '--out', file('out.ndjson')], '"'],
  [['fault', 'link', 'n1', 'n2', '--delay', '1ms'], '"links"'],
  [['fault', 'clear'], '"links":[]'],
  [['leave', 'n3', '--plan'], '"'],
  [['join', '--node', 'n9', '--plan'], '"'],
  [['backup', file('b.ringlet')], '"'],
  [['delete', 'k'], '{"key":"k"'],
])('ringlet %j', async (args, part) => {
  let stdout = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((...given: unknown[]) => {
    stdout += String(given[0]);
    (given.at(-1) as () => void)();
    return true;
  });
  try {
    await buildProgram().parseAsync(['node', 'ringlet', ...args, '--url', url, '--json']);
  } finally {
    vi.restoreAllMocks();
  }
  expectJson(stdout, part);
});

test.each([
  [['restore', file('b.ringlet'), '--data', file('restored')], '"'],
  [['verify', '--data', file('restored')], '"'],
  [['sim', '--seed', '2', '--minutes', '0.01'], '"violations":[],"replay":null'],
  [['bench', '--list'], '"question"'],
])('ringlet %j, without a server', async (args, part) => {
  const { code, stdout, stderr } = await run([...args, '--json']);
  expect(code, stderr).toBe(0);
  expectJson(stdout, part);
});

function expectJson(stdout: string, part: string): void {
  for (const line of stdout.trimEnd().split('\n'))
    expect(() => JSON.parse(line) as unknown, line).not.toThrow();
  expect(stdout).toContain(part);
}
