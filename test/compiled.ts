import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vitest/config';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SOURCES = /^(src|bench)\//;

/**
 * Tests import sources and get what was compiled from them, as it is: worker threads run that in any case, and it
 * loads in a fifth of the time and runs about twice as fast as what vitest makes of the sources. A test that
 * replaces a module of Node needs the latter.
 */
export function compiled(): Plugin {
  const replacing = new Set<string>();
  return {
    name: 'compiled',
    enforce: 'pre',
    transform(code, id) {
      if (code.includes('vi.mock(')) replacing.add(id);
    },
    resolveId(source, importer) {
      if (importer === undefined || !source.startsWith('.') || replacing.has(importer)) return null;
      if (!relative(ROOT, importer).startsWith('test/')) return null;
      const path = relative(ROOT, resolve(dirname(importer), source));
      const built = join(ROOT, 'dist', path);
      return SOURCES.test(path) && existsSync(built) ? built : null;
    },
  };
}

/** @throws Error where a source was changed after it was compiled */
export function checkFresh(): void {
  const newest = Math.max(...['src', 'bench'].map(newestBelow));
  const built = join(ROOT, 'dist/src/index.js');
  if (!existsSync(built) || statSync(built).mtimeMs < newest) {
    throw new Error('dist/ is older than the sources, and tests run what is there: npm run build:all');
  }
}

function newestBelow(folder: string): number {
  const files = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true });
  return Math.max(
    ...files
      .filter((file) => file.isFile())
      .map(({ parentPath, name }) => statSync(join(parentPath, name)).mtimeMs),
  );
}
