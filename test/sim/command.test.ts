import { afterEach, expect, test, vi } from 'vitest';
import { main } from '../../src/sim/main.js';

afterEach(() => {
  vi.restoreAllMocks();
});

async function screenOf(...argv: readonly string[]): Promise<{ code: number; text: string }> {
  const lines: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
  const code = await main(argv);
  return { code, text: lines.join('\n') };
}

test('runs side by side find what they find one after the other, in the same order', async () => {
  const { code, text } = await screenOf('--seeds', '1..3', '--minutes', '0.2', '--json', '--jobs', '1');
  expect(code).toBe(0);
  const one = JSON.parse(text);
  expect(one).toMatchObject({ seeds: [1, 2, 3], violations: [], replay: null });
  const other = JSON.parse(
    (await screenOf('--seeds', '1..3', '--minutes', '0.2', '--json', '--jobs', '2')).text,
  );
  expect({ ...other, wallMs: 0 }).toEqual({ ...one, wallMs: 0 });
});

test('where every fault shall have met every state, a quarter as many runs follow, and then it fails', async () => {
  const { code, text } = await screenOf('--seeds', '1..4', '--minutes', '0.01', '--every-cell');
  expect(code).toBe(1);
  expect(text).toContain('seed 5: no violation');
  expect(text).not.toContain('seed 6');
  expect(text).toContain('never met: thread crash × put under way, ');
});

test('--json says too which states no fault has met, where that is why it fails', async () => {
  const { code, text } = await screenOf('--seeds', '1..1', '--minutes', '0.01', '--every-cell', '--json');
  expect(code).toBe(1);
  expect(JSON.parse(text)).toMatchObject({
    violations: [],
    neverMet: expect.arrayContaining(['thread crash × put under way']),
  });
});

test('one run or many: --seed beside --seeds is wrong use, not one that is ignored', async () => {
  const said = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  expect((await screenOf('--seeds', '1..2', '--seed', '3')).code).toBe(2);
  expect(said.mock.calls.join()).toContain("'--seeds <A..B>' cannot be used with option '--seed <N>'");
});
