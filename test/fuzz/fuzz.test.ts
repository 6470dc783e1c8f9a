import assert from 'node:assert/strict';
import { afterEach, describe, expect, test } from 'vitest';
import { corpusOf, fuzz } from './run.js';
import type { Target } from './target.js';
import { backupsTarget } from './targets/backups.js';
import { configurationTarget } from './targets/configuration.js';
import { contextsTarget } from './targets/contexts.js';
import { framesTarget } from './targets/frames.js';
import { loadTarget } from './targets/load.js';
import { recordsTarget } from './targets/records.js';
import { respTarget } from './targets/resp.js';

const targets: Target[] = [];
afterEach(async () => {
  for (const target of targets.splice(0)) await target.close?.();
});

test('a fault is found, made small, and done again by the input that is printed', async () => {
  const target: Target = {
    name: 'none',
    seeds: [Buffer.from('{"a":"long enough to be made smaller"}')],
    check: (input) => assert.ok(!input.includes(0xff), 'it has the byte'),
  };
  const { finding } = await fuzz(target, 1, 10_000);
  expect(finding?.input.length).toBeLessThan(8);
  expect(finding?.error).toContain('it has the byte');
  expect(() => target.check(finding!.input)).toThrow('it has the byte');
});

describe('sound inputs, and those that were found once, do nothing wrong', () => {
  test.each([
    respTarget,
    framesTarget,
    recordsTarget,
    contextsTarget,
    configurationTarget,
    backupsTarget,
    loadTarget,
  ])('%o', async (make) => {
    const target = make();
    targets.push(target);
    for (const input of corpusOf(target)) await target.check(input);
  });
});
