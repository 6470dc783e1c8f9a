#!/usr/bin/env node
'use strict';
// The pool of file operations is sized before anything uses it; an ES module would be too late.
const { cpus } = require('node:os');
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(8, cpus().length * 4));

import('../dist/bench/main.js')
  .then(({ main }) => main(process.argv.slice(2)))
  .then((code) => process.exit(code))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
