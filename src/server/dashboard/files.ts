import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  svg: 'image/svg+xml',
};

/** The files of the dashboard, as they are served; there is nothing to build. */
export const DASHBOARD_FILES = [
  'index.html',
  'style.css',
  'icon.svg',
  'app.js',
  'charts.js',
  'dom.js',
  'faults.js',
  'feed.js',
  'format.js',
  'inspector.js',
  'load.js',
  'ring.js',
  'tables.js',
] as const;

export interface DashboardFile {
  readonly contentType: string;
  readonly body: Buffer;
}

const read = new Map<string, DashboardFile>();

/** By the package's own name, since sources and compiled files lie at different depths. */
export function dashboardFile(name: (typeof DASHBOARD_FILES)[number]): DashboardFile {
  const known = read.get(name);
  if (known !== undefined) return known;
  const root = dirname(createRequire(import.meta.url).resolve('ringlet/package.json'));
  const file = {
    contentType: TYPES[name.slice(name.lastIndexOf('.') + 1)]!,
    body: readFileSync(join(root, 'dashboard', name)),
  };
  read.set(name, file);
  return file;
}
