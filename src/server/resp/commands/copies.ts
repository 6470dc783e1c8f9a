import { setTimeout as sleep } from 'node:timers/promises';
import { LIMITS } from '../../../base/limits.js';
import type { CopyWatch } from '../../../client/copy-watch.js';
import { type Call, type Command, NO_KEYS } from '../command.js';
import { ReplyError } from '../errors.js';
import { integerIn, integerOf, numberOf } from '../numbers.js';

const GROUP = 'generic';
const TIMEOUT_RANGE = 'ERR timeout is not an integer or out of range';
/** Between two looks lies an eighth of the time that was waited, within these bounds. */
const LEAST_PAUSE_MS = 1;
const MOST_PAUSE_MS = 100;

export const copyCommands: readonly Command[] = [
  {
    name: 'wait',
    arity: 3,
    flags: ['noscript'],
    keys: NO_KEYS,
    group: GROUP,
    usage: 'numreplicas timeout',
    summary:
      'Waits until so many nodes beside the first have what this connection wrote last, at most so many milliseconds; how many have it',
    since: '3.0.0',
    note: '0 milliseconds are ten minutes. Within MULTI it does not wait.',
    async handler(call) {
      const wanted = integerOf(call.args[1]!);
      const stored = await waitFor(call, timeoutOf(call.args[2]!), {
        count: (watch) => watch.stored,
        enough: (copies) => BigInt(copies - 1) >= wanted,
      });
      call.reply.integer(Math.max(0, stored - 1));
    },
  },
  {
    name: 'waitaof',
    arity: 4,
    flags: ['noscript'],
    keys: NO_KEYS,
    group: GROUP,
    usage: 'numlocal numreplicas timeout',
    summary:
      'The same for copies on disk, which the nodes sync at once: 1 if a node has it there, else 0; and how many have beside that one',
    since: '7.2.0',
    async handler(call) {
      const { args, keyspace, reply } = call;
      const range = 'ERR value is out of range, value must between 0 and 1';
      const local = numberOf(args[1]!, 0, 1, integerIn(args[1]!) === undefined ? '' : range);
      const wanted = integerIn(args[2]!) ?? -1n;
      if (wanted < 0n) throw new ReplyError('ERR value is out of range, must be positive');
      const timeoutMs = timeoutOf(args[3]!);
      if (local === 1 && !(await keyspace.bucket()).durable)
        throw new ReplyError('ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.');
      const synced = await waitFor(call, timeoutMs, {
        count: (watch) => watch.synced,
        enough: (copies) => copies >= local && BigInt(Math.max(0, copies - 1)) >= wanted,
        hasten: true,
      });
      reply.array(2);
      reply.integer(Math.min(1, synced));
      reply.integer(Math.max(0, synced - 1));
    },
  },
];

/** What is waited for. */
interface Goal {
  count(watch: CopyWatch): number;
  enough(copies: number): boolean;
  /** The nodes are told to sync. */
  readonly hasten?: boolean;
}

/** Milliseconds; of 0, which is for ever in Redis, as many as there may be. @throws ReplyError */
function timeoutOf(word: Buffer): number {
  const given = integerIn(word);
  if (given === undefined) throw new ReplyError(TIMEOUT_RANGE);
  if (given < 0n) throw new ReplyError('ERR timeout is negative');
  return given === 0n || given > LIMITS.respWaitMs ? LIMITS.respWaitMs : Number(given);
}

/** The copies of the connection's last write when there are enough or the time is over: of the key that has the fewest. */
async function waitFor(call: Call, timeoutMs: number, goal: Goal): Promise<number> {
  const watches = call.session.writes.watch();
  if (watches.length === 0) {
    const bucket = await call.keyspace.bucket();
    return goal.hasten === true && !bucket.durable ? 0 : (await bucket.properties()).n;
  }
  const untilMs = performance.now() + (call.mayBlock ? timeoutMs : 0);
  let least = Number.POSITIVE_INFINITY;
  for (const watch of watches) least = Math.min(least, await waitForKey(call, watch, untilMs, goal));
  return least;
}

async function waitForKey(call: Call, watch: CopyWatch, untilMs: number, goal: Goal): Promise<number> {
  const { keyspace, session, server } = call;
  const enough = (): boolean => goal.enough(goal.count(watch));
  const startedMs = performance.now();
  for (;;) {
    // One look is always free: it may have to ask for what is not in memory any more.
    if (goal.count(watch) < watch.n) await keyspace.gate.within(() => watch.look(enough));
    if (enough()) break;
    if (goal.hasten === true) watch.hasten();
    const nowMs = performance.now();
    const pauseMs = Math.min(MOST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, (nowMs - startedMs) / 8));
    if (nowMs >= untilMs || session.isClosed || server.isClosing) break;
    await sleep(Math.min(pauseMs, untilMs - nowMs));
  }
  return goal.count(watch);
}
