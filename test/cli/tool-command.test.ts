import { afterEach, expect, test, vi } from 'vitest';
import { buildProgram } from '../../src/cli/program.js';
import { benchCommand } from '../../src/cli/tool-command.js';

afterEach(() => {
  vi.restoreAllMocks();
  process.exitCode = 0;
});

const run = async (...args: readonly string[]): Promise<string> => {
  let screen = '';
  const write = (text: unknown): boolean => {
    screen += String(text);
    return true;
  };
  vi.spyOn(process.stdout, 'write').mockImplementation(write);
  vi.spyOn(process.stderr, 'write').mockImplementation(write);
  vi.spyOn(console, 'log').mockImplementation(write);
  await buildProgram().parseAsync(['node', 'ringlet', ...args]);
  return screen;
};

test('the simulator has its own options, help and exit codes', async () => {
  expect(await run('sim', '--help')).toMatch(/--seeds <A\.\.B>/);
  expect(process.exitCode).toBe(0);
  expect(await run('sim', '--seeds', '3..1')).toMatch(/^ringlet: USAGE: .*two numbers are needed.*\n$/);
  expect(process.exitCode).toBe(2);
});

test('the benchmark, where it is, has the same form of wrong use', async () => {
  expect(await run('bench', '--only', 'nothing')).toMatch(
    /^ringlet: USAGE: no experiment is named nothing; there are [^\n]*\n$/,
  );
  expect(process.exitCode).toBe(2);
});

test('the benchmark, where it is not, says where it is', async () => {
  const absent = benchCommand(new URL('no-such-file.js', import.meta.url));
  await expect(absent.parseAsync(['--quick'], { from: 'user' })).rejects.toMatchObject({
    code: 'USAGE',
    message: expect.stringMatching(/clone the repository/),
  });
});
