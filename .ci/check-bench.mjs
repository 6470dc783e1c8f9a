// Whether a results.json follows its schema, each experiment measured something or had no time left, and nothing failed.
import { readFileSync } from 'node:fs';
import { checkResults } from '../dist/bench/report/check-results.js';

const results = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const faults = checkResults(results);
if (!results.complete) faults.push('the run is not complete');
for (const [name, { rows, summary, notes }] of Object.entries(results.experiments)) {
  // A slow machine is no fault: what it had no time for is named.
  const short = notes.some(({ kind }) => kind === 'missing');
  if (rows.length === 0 && !short) faults.push(`${name} has no rows`);
  // A figure below what is required is shown; one that was not measured at all is a fault.
  for (const { line, unit, measured } of summary) {
    if (measured === null && !short) faults.push(`${name}: ${line} (${unit}) was not measured`);
  }
  for (const { kind, what, why } of notes) {
    // A peer that is not there, or no time for it, is shown; what broke is a fault.
    if (kind === 'failed') faults.push(`${name}: ${what}: ${why}`);
    else console.log(`${name}: ${kind}: ${what}: ${why}`);
  }
}
if (Object.keys(results.experiments).length === 0) faults.push('no experiment was run');
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exit(1);
}
console.log(
  `results.json: schema version ${results.schemaVersion}, ${Object.keys(results.experiments).join(', ')}`,
);
