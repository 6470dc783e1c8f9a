// Whether a results.json follows its schema and nothing in it failed or is missing.
import { readFileSync } from 'node:fs';
import { checkResults } from '../dist/bench/report/check-results.js';

const results = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const faults = checkResults(results);
if (!results.complete) faults.push('the run is not complete');
for (const [name, { rows, notes }] of Object.entries(results.experiments)) {
  if (rows.length === 0) faults.push(`${name} has no rows`);
  for (const { kind, what, why } of notes) {
    if (kind !== 'skipped') faults.push(`${name}: ${kind}: ${what}: ${why}`);
  }
}
if (Object.keys(results.experiments).length === 0) faults.push('no experiment was run');
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exit(1);
}
console.log(`results.json: schema version ${results.schemaVersion}, ${Object.keys(results.experiments).join(', ')}`);
