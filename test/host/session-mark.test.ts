import { mkdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { SessionMark } from '../../src/host/session-mark.js';
import { path, useTemporaryDirectory } from './directory-world.js';

useTemporaryDirectory();

describe('session mark', () => {
  it('unsynced data is there only if everything since the last recovery was one known boot', () => {
    mkdirSync(path);
    const begin = (boot: string | null): boolean => {
      const mark = new SessionMark(path, boot);
      mark.begin();
      return mark.sameBoot;
    };
    expect(begin('a'), 'never used').toBe(false);
    expect(begin('a'), 'killed').toBe(true);
    expect(begin('b'), 'power cut').toBe(false);
    expect(begin('b'), 'killed before it recovered from the power cut').toBe(false);
    new SessionMark(path, 'b').recovered();
    expect(begin('b'), 'killed after it recovered').toBe(true);
    new SessionMark(path, 'b').end();
    expect(begin(null), 'clean').toBe(false);
    expect(begin(null), 'unknown boots are never the same').toBe(false);
  });
});
