import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { failureOf } from '../../src/cli/failure.js';
import { buildProgram } from '../../src/cli/program.js';

let stderr: string;
beforeEach(() => {
  stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

test.each([
  [['serve', '--nodes', '0'], 'nodes (flag --nodes): got "0", expected a whole number from 1 to 64'],
  [['serve', '--nods', '3'], "unknown option '--nods' (Did you mean --nodes?)"],
  [['serve', '--config', 'none.json'], 'cannot use configuration file none.json'],
  [['serve', 'extra'], 'too many arguments'],
  [['frobnicate'], "unknown command 'frobnicate'"],
  [['help', 'frobnicate'], "unknown command 'frobnicate'; known are serve, load, export"],
  [['fault', 'help', 'freeze'], "unknown command 'freeze'; known are crash, hang"],
  [['help', 'get', 'k'], 'too many arguments'],
  [['join'], "required option '--node <ID>' not specified"],
  [['leave'], "missing required argument 'NODE'"],
  [['join', '--node', 'n5', '--plan', '--roll-back'], 'plan (flag --plan): not with --roll-back'],
  [['get'], "missing required argument 'KEY'"],
  [['get', 'k', '--url', 'ftp://x'], 'url (flag --url): got "ftp://x"'],
  [['put', 'k', 'v', '--engine', 'memory'], 'ends with its process'],
  [['backup', 'no-such-file', '--engine', 'memory'], 'ends with its process'],
  [['put', 'k', 'v', '--context', 'x', '--concurrent'], 'without --context'],
  [['scan', '--limit', '0'], 'limit (flag --limit): got "0"'],
  [['fault', 'stop', 'n1'], "required option '--for <TIME>' not specified"],
  [['fault', 'cut', 'n1', 'n2', '--for', '3'], 'for (flag --for): got "3", expected a time'],
  [['fault', 'link', 'n1', 'n2', '--drop', '2'], 'drop (flag --drop): got "2"'],
  [['fault', 'disk', 'n1', '--slow', '5'], 'slow (flag --slow): got "5", expected a time'],
  [['fault', 'freeze', 'n1'], "unknown command 'freeze'"],
  [['status', 'extra'], 'too many arguments'],
  [['load', 'f', '--columns', 'a,b'], 'columns (flag --columns): expected with CSV'],
  [['load', 'f', '--key', '{a'], 'key (flag --key): got "{a"'],
  [['load', 'f', '--key', 'a', '--format', 'xml'], 'Allowed choices are auto, ndjson, array'],
])('%j is one line and exit code 2', async (args, message) => {
  const failure = await buildProgram()
    .parseAsync(args, { from: 'user' })
    .then(() => undefined, failureOf);
  expect(failure?.exitCode).toBe(2);
  const said = failure?.line === undefined ? stderr : `${stderr}${failure.line}\n`;
  expect(said).toMatch(/^ringlet: USAGE: [^\n]*\n$/);
  expect(said).toContain(message);
});

test('an error that is not ours is one line without a stack', () => {
  expect(failureOf(new TypeError('x is not\n  a function'))).toEqual({
    line: 'ringlet: INTERNAL: x is not a function',
    exitCode: 1,
  });
});

test.each([
  [['help'], 'Usage: ringlet [options] [command]'],
  [['help', 'get'], 'Usage: ringlet get [options] <KEY>'],
  [['fault', 'help', 'cut'], 'Usage: ringlet fault cut [options] <FROM> <TO>'],
])('%j is the help, on standard output and with exit code 0', async (args, first) => {
  let stdout = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    stdout += String(text);
    return true;
  });
  const failure = await buildProgram()
    .parseAsync(args, { from: 'user' })
    .then(() => undefined, failureOf);
  expect([failure?.exitCode ?? 0, stderr]).toEqual([0, '']);
  expect(stdout).toContain(first);
});

test('every command shows how it is used and has output for programs', () => {
  // The benchmark and the simulator are programs of their own: json.test.ts.
  const own = buildProgram().commands.filter((command) => !['bench', 'sim'].includes(command.name()));
  const all = own
    .flatMap((command) => [command, ...command.commands])
    .filter((command) => command.name() !== 'help');
  expect(all.length).toBeGreaterThan(20);
  for (const command of all) {
    let help = '';
    command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
    expect(help, command.name()).toMatch(/\nExamples?:\n {2}ringlet /);
    if (command.commands.length === 0) expect(help, command.name()).toContain('--json');
  }
});
