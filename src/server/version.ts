import { createRequire } from 'node:module';

/** By the package's own name, since sources and compiled files lie at different depths. */
export function packageVersion(): string {
  const manifest = createRequire(import.meta.url)('ringlet/package.json') as { version: string };
  return manifest.version;
}
