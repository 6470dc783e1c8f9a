import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import type { ModuleCaseSpec } from '../../bench/cases/case.js';
import { CaseProcess, runChild } from '../../bench/cases/case-process.js';

const directory = await mkdtemp(join(tmpdir(), 'ringlet-bench-'));
afterAll(() => rm(directory, { recursive: true }));

const never = new AbortController().signal;

async function moduleCase(name: string, source: string): Promise<ModuleCaseSpec> {
  const path = join(directory, `${name}.mjs`);
  await writeFile(path, source);
  return { kind: 'module', url: pathToFileURL(path).href, input: { a: 1 }, seconds: 1 };
}

test('a case runs in a process of its own and reports each step', async () => {
  const report = await runChild(
    {
      kind: 'steps',
      system: { system: 'lmdb', noSync: true, directory: join(directory, 'lmdb') },
      workload: { keys: 1_000, valueBytes: 100, seed: 1 },
      steps: [
        { kind: 'closed', op: 'get', inFlight: 1, callers: 'main', warmupSeconds: 0, seconds: 0.1 },
        { kind: 'closed', op: 'put', inFlight: 64, callers: 'main', warmupSeconds: 0, seconds: 0.1 },
      ],
    },
    { timeoutMs: 20_000, signal: never },
  );
  expect(report.error).toBeNull();
  const operations = report.steps.map((step) => step.loops[0]!.operations[0]!);
  expect(operations.map(({ op }) => op)).toEqual(['get', 'put']);
  expect(operations.every(({ completed }) => completed > 0)).toBe(true);
});

test('a module case gets its input and returns its output', async () => {
  const spec = await moduleCase('add', 'export default async ({ a }) => ({ b: a + 1 });');
  expect(await runChild(spec, { timeoutMs: 20_000, signal: never })).toMatchObject({
    output: { b: 2 },
    error: null,
  });
});

test('a case that throws reports the message and the code', async () => {
  const spec = await moduleCase(
    'throws',
    "export default async () => { throw Object.assign(new Error('full'), { code: 'STORE_FULL' }); };",
  );
  const { error } = await runChild(spec, { timeoutMs: 20_000, signal: never });
  expect(error).toMatch(/full "STORE_FULL"/);
});

test('a case that hangs is ended at its limit, even in a busy loop', async () => {
  const spec = await moduleCase('hangs', 'export default async () => { for (;;); };');
  const { error } = await runChild(spec, { timeoutMs: 500, signal: never });
  expect(error).toBe('stopped after 500 ms');
});

test('a case whose process ends early is reported as such', async () => {
  const spec = await moduleCase('exits', 'export default async () => process.exit(3);');
  const { error } = await runChild(spec, { timeoutMs: 20_000, signal: never });
  expect(error).toMatch(/ended early \(exit code 3\)/);
});

test('an interrupted run ends its case at once', async () => {
  const spec = await moduleCase(
    'waits',
    'export default () => new Promise(() => setInterval(() => {}, 1000));',
  );
  const controller = new AbortController();
  setTimeout(() => controller.abort(), 300);
  const { error } = await runChild(spec, { timeoutMs: 20_000, signal: controller.signal });
  expect(error).toMatch(/SIGKILL/);
});

test('a report of several megabytes arrives whole before the process ends', async () => {
  const spec = await moduleCase('large', "export default async () => 'x'.repeat(8_000_000);");
  const { output, error } = await runChild(spec, { timeoutMs: 20_000, signal: never });
  expect(error).toBeNull();
  expect((output as string).length).toBe(8_000_000);
});

test('the rounds of a case run in one process, which stands still between them and is gone at the end', async () => {
  const spec = await moduleCase('pid', 'export default async () => process.pid;');
  const limits = { timeoutMs: 20_000, signal: never };
  const child = new CaseProcess();
  const { output: pid } = await child.run(spec, limits);
  child.pause();
  await expect.poll(() => stateOf(pid)).toBe('T');
  expect(await child.run(spec, limits)).toMatchObject({ output: pid, error: null });
  child.pause();
  await child[Symbol.asyncDispose]();
  expect(await stateOf(pid)).toBeNull();
});

/** As the kernel names it: T is stopped; null: there is no such process. */
async function stateOf(pid: unknown): Promise<string | null> {
  const line = await readFile(`/proc/${String(pid)}/stat`, 'utf8').catch(() => null);
  return line === null ? null : line.slice(line.lastIndexOf(')') + 2)[0]!;
}
