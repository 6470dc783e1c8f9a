import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fuzz } from './run.js';
import type { Target } from './target.js';
import { backupsTarget } from './targets/backups.js';
import { configurationTarget } from './targets/configuration.js';
import { contextsTarget } from './targets/contexts.js';
import { framesTarget } from './targets/frames.js';
import { httpTarget } from './targets/http.js';
import { loadTarget } from './targets/load.js';
import { recordsTarget } from './targets/records.js';
import { respTarget } from './targets/resp.js';

/**
 * `npm run fuzz -- --seconds N [--target NAME] [--seed S]`: everything that takes bytes from outside is
 * given changed ones. Each target runs in a process of its own with little memory and a time limit, so
 * that a hang or a leak ends it too. What is found is printed with the line that does it again:
 * `npm run fuzz -- --target NAME --replay BASE64`. Put it into test/fuzz/corpus/NAME.txt once it is mended.
 */
const TARGETS: Readonly<Record<string, () => Target | Promise<Target>>> = {
  resp: respTarget,
  http: httpTarget,
  frames: framesTarget,
  records: recordsTarget,
  contexts: contextsTarget,
  configuration: configurationTarget,
  backups: backupsTarget,
  load: loadTarget,
};
const MEMORY_MIB = 512;
/** A run beyond its time by so much hangs. */
const GRACE_MS = 30_000;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    target: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    replay: { type: 'string' },
    child: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const seed = Number(values.seed);
const names = values.target === undefined ? Object.keys(TARGETS) : [values.target];
const known = names.every((name) => Object.hasOwn(TARGETS, name));
if (!(seconds > 0 && seconds <= 86_400) || !Number.isSafeInteger(seed) || !known) {
  console.error(
    `expected --seconds from above 0 to 86400, --seed with a whole number, --target ${Object.keys(TARGETS).join(', ')}`,
  );
  process.exit(2);
}

if (values.replay !== undefined)
  process.exitCode = await replay(names[0]!, Buffer.from(values.replay, 'base64'));
else if (values.child) process.exitCode = await one(names[0]!);
else process.exitCode = await all();

async function replay(name: string, input: Buffer): Promise<number> {
  const target = await TARGETS[name]!();
  try {
    await target.check(input);
    console.log(`${name}: ${input.length} bytes do nothing wrong`);
    return 0;
  } catch (error) {
    console.log(error);
    return 1;
  } finally {
    await target.close?.();
  }
}

async function one(name: string): Promise<number> {
  const target = await TARGETS[name]!();
  const { runs, finding } = await fuzz(target, seed, seconds * 1_000);
  await target.close?.();
  if (finding === undefined) {
    console.log(`${name}: ${runs} inputs, nothing found`);
    return 0;
  }
  console.log(`${name}: found after ${runs} inputs (seed ${finding.seed})\n${finding.error}`);
  console.log(`  npm run fuzz -- --target ${name} --replay ${finding.input.toString('base64') || '""'}`);
  return 1;
}

/** One after the other, each with its share of the time. */
async function all(): Promise<number> {
  let failed = 0;
  for (const name of names) {
    const share = seconds / names.length;
    const code = await childOf(name, share);
    if (code === 0) continue;
    failed++;
    if (code !== 1) {
      // It was ended, or ended itself, without a word of its own.
      console.log(
        `${name}: ended with ${code ?? 'a signal'} instead of a result (a hang, or memory without bound)`,
      );
      console.log(`  npm run fuzz -- --target ${name} --seed ${seed} --seconds ${share}`);
    }
  }
  console.log(failed === 0 ? `nothing found (seed ${seed})` : `${failed} of ${names.length} targets failed`);
  return failed === 0 ? 0 : 1;
}

function childOf(name: string, share: number): Promise<number | null> {
  const args = ['--child', '--target', name, '--seed', String(seed), '--seconds', String(share)];
  const child = spawn(
    process.execPath,
    [`--max-old-space-size=${MEMORY_MIB}`, fileURLToPath(import.meta.url), ...args],
    { stdio: 'inherit' },
  );
  const timer = setTimeout(() => child.kill('SIGKILL'), share * 1_000 + GRACE_MS);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve(code);
    });
  });
}
