import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import { OPTION_KEYS } from '../../src/config/options.js';
import { printSettings, resolveSettings } from '../../src/config/resolve.js';

const dir = mkdtempSync(join(tmpdir(), 'ringlet-config-'));
afterAll(() => rmSync(dir, { recursive: true }));

function file(content: string): string {
  const path = join(dir, 'config.json');
  writeFileSync(path, content);
  return path;
}

function failure(flags: Record<string, unknown>, env: Record<string, string> = {}): RingletError {
  try {
    resolveSettings(flags, env);
  } catch (error) {
    expect(error).toBeInstanceOf(RingletError);
    return error as RingletError;
  }
  throw new Error('these settings were accepted');
}

describe('precedence', () => {
  test('without anything the documented defaults hold', () => {
    const { settings, asked } = resolveSettings({}, {});
    expect(settings).toEqual({
      http: { host: '127.0.0.1', port: 8098 },
      resp: { host: '127.0.0.1', port: 6398 },
      respFlush: 'on',
      ioThreads: 1,
      data: './data',
      engine: 'lmdb',
      memory: 512,
      cache: 128,
      nodes: 4,
      vnodes: 1,
      capacity: {},
      partitions: 64,
      n: 3,
      r: 2,
      w: 2,
      durability: 'buffered',
      flushMs: 20,
      foregroundP99Ms: 2,
      valueBytes: 1 << 20,
      maxCallers: 16,
      allowFaults: false,
      insecure: false,
    });
    expect(asked.size).toBe(0);
    expect(Object.isFrozen(settings)).toBe(true);
  });

  test('background work is held back above a p99, or never', () => {
    const targetOf = (given: string) =>
      resolveSettings({ foregroundP99Ms: given }, {}).settings.foregroundP99Ms;
    expect([targetOf('5'), targetOf('off')]).toEqual([5, 'off']);
  });

  test('a file beats defaults, the environment beats a file, a flag beats the environment', () => {
    const config = file('{"nodes": 5, "flushMs": 5, "durability": "durable", "valueBytes": "64KiB"}');
    const env = { RINGLET_FLUSH_MS: '6', RINGLET_DURABILITY: 'committed' };
    const { settings, asked } = resolveSettings({ config, flushMs: '7' }, env);
    expect(settings).toMatchObject({ nodes: 5, durability: 'committed', flushMs: 7, valueBytes: 65_536 });
    expect([...asked].toSorted()).toEqual(['durability', 'flushMs', 'nodes', 'valueBytes']);
  });

  test('RINGLET_CONFIG names the file when no flag does, and empty variables count as absent', () => {
    const env = { RINGLET_CONFIG: file('{"nodes": 7}'), RINGLET_NODES: '' };
    expect(resolveSettings({}, env).settings.nodes).toBe(7);
  });

  test('n, r and w follow the number of nodes and n', () => {
    expect(resolveSettings({ nodes: '2' }, {}).settings).toMatchObject({ n: 2, r: 2, w: 2 });
    expect(resolveSettings({ nodes: '8', n: '5' }, {}).settings).toMatchObject({ n: 5, r: 3, w: 3 });
  });

  test('what --print-config prints is a file that gives the same settings', () => {
    const flags = { http: '[::1]:0', capacity: 'n1=2,n3=4', data: '/x', partitions: '128' };
    const { settings } = resolveSettings(flags, {});
    const printed = printSettings(settings);
    expect(Object.keys(JSON.parse(printed) as object)).toEqual(
      OPTION_KEYS.filter((key) => settings[key] !== undefined),
    );
    expect(resolveSettings({ config: file(printed) }, {}).settings).toEqual(settings);
  });
});

describe('every wrong value is a USAGE error with option, place, what was given, and the range', () => {
  test.each([
    ['http', '8098'],
    ['http', '127.0.0.1:65536'],
    ['http', 'a b:1'],
    ['http', '[127.0.0.1]:1'],
    ['http', '::1:80'],
    ['data', ''],
    ['engine', 'sqlite'],
    ['memory', '15'],
    ['memory', '1e3'],
    ['nodes', '0'],
    ['nodes', '65'],
    ['nodes', '-1'],
    ['nodes', '4.5'],
    ['nodes', ' 4'],
    ['nodes', ''],
    ['vnodes', '65'],
    ['capacity', 'n1'],
    ['capacity', 'n1=0'],
    ['capacity', 'n1=17'],
    ['capacity', 'n1=2,n1=3'],
    ['capacity', '__proto__=2'],
    ['capacity', '../x=2'],
    ['partitions', '63'],
    ['partitions', '8192'],
    ['n', '9'],
    ['r', '0'],
    ['w', 'two'],
    ['durability', 'Durable'],
    ['flushMs', '0'],
    ['flushMs', '10001'],
    ['foregroundP99Ms', '0'],
    ['foregroundP99Ms', 'on'],
    ['valueBytes', '0'],
    ['valueBytes', '65MiB'],
    ['maxCallers', '257'],
    ['ioThreads', '0'],
    ['ioThreads', '65'],
  ])('%s=%j as a flag', (option, given) => {
    const error = failure({ [option]: given });
    expect(error.code).toBe('USAGE');
    expect(error.details).toMatchObject({ option, given });
    expect(error.details['source']).toMatch(/^flag --/);
    expect(error.message).toContain(`expected ${String(error.details['expected'])}`);
  });

  test('the place is named for the environment and for a file', () => {
    expect(failure({}, { RINGLET_FLUSH_MS: 'x' }).message).toContain('environment variable RINGLET_FLUSH_MS');
    expect(failure({ config: file('{"nodes": "many"}') }).message).toMatch(/nodes \("nodes" in file .*many/);
  });

  test('a value that a stronger source overrides is checked all the same', () => {
    expect(failure({ nodes: '3' }, { RINGLET_NODES: '0' }).details['given']).toBe('0');
  });

  test.each([
    [{ n: '3', nodes: '2' }, 'n', 'at most the number of nodes, which is 2'],
    [{ n: '2', r: '3' }, 'r', 'at most n, which is 2'],
    [{ n: '2', w: '3' }, 'w', 'at most n, which is 2'],
    [{ capacity: 'n5=2' }, 'capacity', 'node ids from n1 to n4'],
    [{ engine: 'memory', durability: 'durable' }, 'durability', 'buffered with engine memory'],
    [{ nodes: '64', vnodes: '2' }, 'vnodes', 'at most 64 virtual nodes in total'],
  ])('options that contradict each other: %j', (flags, option, expected) => {
    const error = failure(flags);
    expect(error.details['option']).toBe(option);
    expect(error.message).toContain(expected);
  });

  test.each([
    ['{"node": 3}', 'unknown option "node"'],
    ['{"__proto__": 3}', 'unknown option "__proto__"'],
    ['{"nodes": null}', 'got null'],
    ['{"nodes": true}', 'got true'],
    ['{"capacity": [2]}', 'got [2]'],
    ['{"capacity": {"n1": "2"}}', 'got {"n1":"2"}'],
    ['[]', 'does not hold a JSON object'],
    ['{', 'cannot use configuration file'],
  ])('file %s', (content, message) => {
    expect(failure({ config: file(content) }).message).toContain(message);
  });

  test.each([
    ['nodes', '4', 'a whole number from 1 to 64, without quotes'],
    ['nodes', '04', 'a whole number from 1 to 64, without quotes'],
    ['partitions', '128', 'a power of two up to 4096, without quotes'],
    ['foregroundP99Ms', '5', 'to 10000, without quotes'],
    ['valueBytes', '65536', '(64MiB), without quotes'],
    ['allowFaults', 'true', 'true or false, without quotes'],
  ])('text where a file has a type of its own: "%s": "%s"', (option, given, expected) => {
    const config = file(JSON.stringify({ [option]: given }));
    const { code, message } = failure({ config });
    expect(code).toBe('USAGE');
    expect(message).toContain(`${option} ("${option}" in file ${config}): got "${given}", expected `);
    expect(message).toContain(expected);
  });

  test('text where a file has text, whatever it looks like', () => {
    const config = file('{"data": "4", "foregroundP99Ms": "off", "capacity": "n1=2", "valueBytes": "1 MiB"}');
    expect(resolveSettings({ config }, {}).settings).toMatchObject({
      data: '4',
      foregroundP99Ms: 'off',
      capacity: { n1: 2 },
      valueBytes: 1 << 20,
    });
  });

  test('a file that begins with a byte order mark, as editors of Windows write one', () => {
    expect(resolveSettings({ config: file('\uFEFF{"nodes": 3}') }, {}).settings.nodes).toBe(3);
  });

  test('a file that is not there', () => {
    expect(failure({ config: join(dir, 'none.json') }).message).toContain('ENOENT');
  });
});
