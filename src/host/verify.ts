import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RingletError } from '../base/errors.js';
import { dataFileBytes } from '../storage/data-files.js';
import type { EngineIdentity } from '../storage/engine.js';
import type { Inspection } from './verify-child.js';

/** What of a virtual node is looked at. */
export interface Verified {
  readonly engineDirectory: string;
  readonly journalDirectory: string;
}

/** What a process of its own found in the environment and the journal of a virtual node. */
export interface Verdict {
  /** Why it must not be opened; undefined when it is whole. */
  readonly damage: string | undefined;
  /** Why it is not ours to open. */
  readonly foreign: string | undefined;
  readonly count: number;
  readonly root: number;
  /** Intact hints in it; undefined when it could not be read to its end. */
  readonly hints: number | undefined;
  /** Keys whose newest record is only in the journal. */
  readonly journalled: number;
  readonly identity: EngineIdentity | undefined;
}

const UNREADABLE = {
  foreign: undefined,
  count: 0,
  root: 0,
  hints: undefined,
  journalled: 0,
  identity: undefined,
};

/** What reading damage ends a process by; others come from outside. */
const FAULTS: ReadonlySet<NodeJS.Signals> = new Set([
  'SIGBUS',
  'SIGSEGV',
  'SIGABRT',
  'SIGILL',
  'SIGFPE',
  'SIGTRAP',
  'SIGSYS',
]);

/** What V8 says before it ends a process by SIGABRT or SIGTRAP: that is no damage. */
const OUT_OF_MEMORY = /out of memory/;
const MORE_MEMORY = 'its memory, such as by NODE_OPTIONS=--max-old-space-size=8192';
const COMPLAINT_LENGTH = 64 << 10;

/** A slow disk reads more than this; whoever takes longer hangs. */
const LEAST_BYTES_PER_MS = 4_096;
const LEAST_MS = 60_000;

/**
 * Looks at LMDB environments and their journals in a child process, one after the other, before they
 * are opened in this one. A child that dies of one is started again for the rest.
 *
 * @throws RingletError IO: they cannot be looked at, which says nothing of their content
 */
export async function verifyEnvironments(
  all: readonly Verified[],
  sameBoot: boolean,
): Promise<readonly Verdict[]> {
  const views = mkdtempSync(join(tmpdir(), 'ringlet-verify-'));
  try {
    const verdicts: Verdict[] = [];
    while (verdicts.length < all.length) {
      const rest = all.slice(verdicts.length);
      verdicts.push(...(await verifyUntilCrash(rest, join(views, String(verdicts.length)), sameBoot)));
    }
    return verdicts;
  } finally {
    rmSync(views, { recursive: true, force: true });
  }
}

/** At least one verdict; fewer than asked for when the child died. */
function verifyUntilCrash(
  all: readonly Verified[],
  views: string,
  sameBoot: boolean,
): Promise<readonly Verdict[]> {
  const directories = all.map(({ engineDirectory }) => engineDirectory);
  const args = all.flatMap(({ engineDirectory, journalDirectory }, i) => {
    const view = join(views, String(i));
    mkdirSync(view, { recursive: true, mode: 0o700 });
    return [engineDirectory, view, journalDirectory];
  });
  args.unshift(sameBoot ? 'same-boot' : 'any-boot');
  const entry = fileURLToPath(new URL('./verify-child.js', import.meta.url));
  const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const verdicts: Verdict[] = [];
  /** Environments that the child has begun to read. */
  let begun = 0;
  let unreadable: RingletError | undefined;
  let timedOut = false;
  /** The end of what the child has complained of. */
  let complaint = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-COMPLAINT_LENGTH);
  });
  let timer: NodeJS.Timeout | undefined;
  const watch = (directory: string | undefined): void => {
    clearTimeout(timer);
    const bytes = directory === undefined ? 0 : (dataFileBytes(directory) ?? 0);
    const limitMs = LEAST_MS + bytes / LEAST_BYTES_PER_MS;
    timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, limitMs);
  };
  watch(directories[0]);
  onLines(child.stdout, (line) => {
    const [word, , ...json] = line.split(' ');
    if (word === 'begin') begun++;
    if (word !== 'end') return;
    const { reason, unreadable: why, ...found } = JSON.parse(json.join(' ')) as Inspection;
    const directory = directories[verdicts.length]!;
    if (why !== undefined) unreadable ??= cannotRead(directory, why, 'what stands in the way');
    verdicts.push({ foreign: undefined, hints: undefined, identity: undefined, ...found, damage: reason });
    watch(directories[verdicts.length]);
  });
  return new Promise((resolve, reject) => {
    child.once('error', ({ message }) => {
      clearTimeout(timer);
      reject(cannotRead(directories[0]!, `no process can be started that reads it: ${message}`, 'that'));
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      const directory = directories[verdicts.length];
      const how = signal === null ? `with code ${code}` : `by ${signal}`;
      if (directory !== undefined && begun === verdicts.length) {
        const why = `the process that shall read it ended before it began, ${how}`;
        unreadable ??= cannotRead(directory, why, 'what keeps Node.js from starting, such as NODE_OPTIONS');
      } else if (directory !== undefined && OUT_OF_MEMORY.test(complaint)) {
        unreadable ??= cannotRead(directory, 'the process that reads it has no memory left', MORE_MEMORY);
      } else if (directory !== undefined && signal !== null && !timedOut && !FAULTS.has(signal)) {
        unreadable ??= cannotRead(directory, `the process that reads it was ended ${how}`, 'who did that');
      }
      if (unreadable !== undefined) {
        reject(unreadable);
        return;
      }
      if (directory !== undefined) {
        const damage = timedOut ? 'reading it takes for ever' : `reading it ended a process ${how}`;
        verdicts.push({ ...UNREADABLE, damage });
      }
      resolve(verdicts);
    });
  });
}

function cannotRead(directory: string, why: string, cause: string): RingletError {
  return new RingletError('IO', `${directory} cannot be verified: ${why}; see to ${cause} and start again`, {
    path: directory,
  });
}

function onLines(stream: NodeJS.ReadableStream, visit: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) visit(line);
  });
}
