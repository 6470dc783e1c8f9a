import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OPTION_KEYS, OPTIONS, variableName } from '../../../src/config/options.js';
import { printSettings, resolveSettings } from '../../../src/config/resolve.js';
import { refusable, type Target } from '../target.js';

/** Files, variables and flags: refused with USAGE, or settings that print as a file of the same settings. */
export function configurationTarget(): Target {
  const directory = mkdtempSync(join(tmpdir(), 'ringlet-fuzz-'));
  const file = join(directory, 'config.json');
  const again = join(directory, 'again.json');
  return {
    name: 'configuration',
    seeds: [
      printSettings(resolveSettings({}, {}).settings),
      '{"nodes":5,"capacity":{"n1":2},"http":"[::1]:0","durability":"durable","valueBytes":"64KiB"}',
      '{"n":3,"r":2,"w":2,"partitions":4096,"vnodes":2,"__proto__":1}',
      'nodes=5\ncapacity=n1=2,n5=16\nresp=off\nvalueBytes=64 MiB',
      'http=127.0.0.1:8098\nflushMs=10000\nallowFaults=true\nengine=memory\ndurability=durable',
    ].map((text) => Buffer.from(text)),
    check(input) {
      writeFileSync(file, input);
      const pairs = input
        .toString()
        .split('\n')
        .map((line) => [line.split('=', 1)[0]!, line.slice(line.indexOf('=') + 1)] as const);
      const env: Record<string, string> = {};
      const flags: Record<string, unknown> = {};
      for (const key of OPTION_KEYS) {
        const [, value] = pairs.findLast(([name]) => name === key) ?? [];
        if (value === undefined) continue;
        env[variableName(key)] = value;
        flags[key] = OPTIONS[key].placeholder === undefined ? true : value;
      }
      for (const attempt of [
        () => resolveSettings({ config: file }, {}),
        () => resolveSettings({}, env),
        () => resolveSettings(flags, {}),
      ]) {
        const resolved = refusable(attempt, 'USAGE');
        if (resolved === undefined) continue;
        writeFileSync(again, printSettings(resolved.settings));
        assert.deepEqual(resolveSettings({ config: again }, {}).settings, resolved.settings);
      }
    },
    close: async () => rmSync(directory, { recursive: true }),
  };
}
