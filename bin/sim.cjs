#!/usr/bin/env node
'use strict';

import('../dist/src/sim/main.js')
  .then(async ({ main }) => {
    process.exitCode = await main(process.argv.slice(2));
  })
  .catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
