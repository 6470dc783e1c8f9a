#!/usr/bin/env node
'use strict';

// CommonJS, and before anything else: once an ES module is loaded, the pool has its size.
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const { pathToFileURL } = require('node:url');

const LEAST_NODE = [20, 12];
const POOL_THREADS = '16';

function refuse(code, message) {
  console.error(`ringlet: ${code}: ${message}`);
  process.exit(1);
}

process.env.UV_THREADPOOL_SIZE ||= POOL_THREADS;

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < LEAST_NODE[0] || (major === LEAST_NODE[0] && minor < LEAST_NODE[1])) {
  refuse(
    'UNSUPPORTED_PLATFORM',
    `Node ${process.versions.node} is too old; install Node ${LEAST_NODE.join('.')} or later`,
  );
}
if (process.platform === 'win32' && process.env.RINGLET_FORCE_PLATFORM !== '1') {
  refuse(
    'UNSUPPORTED_PLATFORM',
    'Windows is not supported; use Linux or macOS, or set RINGLET_FORCE_PLATFORM=1 to try at your own risk',
  );
}
const main = join(__dirname, '..', 'dist', 'src', 'main.js');
if (!existsSync(main)) refuse('IO', `${main} is missing; run "npm run build" first`);

import(pathToFileURL(main).href)
  .then((module) => module.main(process.argv))
  .catch((error) => refuse('INTERNAL', `cannot start: ${error.message}`));
