import { type Call, type Command, ONE_KEY } from '../command.js';
import { ReplyError } from '../errors.js';
import type { Change, Expiry } from '../keyspace.js';
import { laterTimeOf, timeOf, type Unit } from '../lifetimes.js';
import { readGetexOptions } from '../set-options.js';
import { bulkOrNull } from './strings.js';

const KEY_WRITE = { flags: ['write', 'fast'], keys: ONE_KEY, group: 'generic' } as const;
const KEY_READ = { flags: ['readonly', 'fast'], keys: ONE_KEY, group: 'generic' } as const;
const STRING = { keys: ONE_KEY, group: 'string' } as const;
/** Answers of those that ask for a time. */
const NO_KEY = -2;
const FOR_EVER = -1;

const EXPIRE: readonly (readonly [name: string, unit: Unit, argument: string, since: string])[] = [
  ['expire', { ms: 1_000, absolute: false }, 'seconds', '1.0.0'],
  ['pexpire', { ms: 1, absolute: false }, 'milliseconds', '2.6.0'],
  ['expireat', { ms: 1_000, absolute: true }, 'unix-seconds', '1.2.0'],
  ['pexpireat', { ms: 1, absolute: true }, 'unix-milliseconds', '2.6.0'],
];

const ASK: readonly (readonly [name: string, unit: Unit, summary: string, since: string])[] = [
  ['ttl', { ms: 1_000, absolute: false }, 'Seconds until it expires', '1.0.0'],
  ['pttl', { ms: 1, absolute: false }, 'Milliseconds until it expires', '2.6.0'],
  ['expiretime', { ms: 1_000, absolute: true }, 'When it expires, in seconds since 1970', '7.0.0'],
  ['pexpiretime', { ms: 1, absolute: true }, 'When it expires, in milliseconds since 1970', '7.0.0'],
];

export const lifetimeCommands: readonly Command[] = [
  ...EXPIRE.map(([name, unit, argument, since]): Command => ({
    ...KEY_WRITE,
    name,
    arity: -3,
    usage: `key ${argument} [NX | XX | GT | LT]`,
    summary: 'When the key expires: 1, or 0 without a value or if the condition does not hold',
    since,
    handler: (call) => expire(call, unit),
  })),
  ...ASK.map(([name, unit, summary, since]): Command => ({
    ...KEY_READ,
    name,
    arity: 2,
    usage: 'key',
    summary: `${summary}; −1 if it does not, −2 without a value`,
    since,
    async handler({ args, reply, keyspace }) {
      reply.integer(told(await keyspace.expiry(args[1]!), unit, Date.now()));
    },
  })),
  {
    ...KEY_WRITE,
    name: 'persist',
    arity: 2,
    usage: 'key',
    summary: 'The key does not expire any more: 1, or 0 if it would not have',
    since: '2.2.0',
    async handler({ args, reply, keyspace, session }) {
      reply.integer(
        await keyspace.update(
          args[1]!,
          (_, expiresAtMs = 0) => (expiresAtMs === 0 ? { result: 0 } : { restamp: 0, result: 1 }),
          session.writes,
        ),
      );
    },
  },
  ...(['setex', 'psetex'] as const).map((name): Command => ({
    ...STRING,
    name,
    arity: 4,
    flags: ['write', 'denyoom'],
    usage: `key ${name === 'setex' ? 'seconds' : 'milliseconds'} value`,
    summary: `The same as SET with ${name === 'setex' ? 'EX' : 'PX'}`,
    since: name === 'setex' ? '2.0.0' : '2.6.0',
    async handler({ args, reply, keyspace, session }) {
      const unit = { ms: name === 'setex' ? 1_000 : 1, absolute: false } as const;
      await keyspace.put(args[1]!, args[3]!, laterTimeOf(args[2]!, unit, name, Date.now()), session.writes);
      reply.simple('OK');
    },
  })),
  {
    ...STRING,
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    usage: 'key [EX seconds | PX milliseconds | EXAT unix-seconds | PXAT unix-milliseconds | PERSIST]',
    summary: 'Returns the value and says when it expires',
    since: '6.2.0',
    handler: getex,
  },
];

function told(expiresAtMs: Expiry, { ms, absolute }: Unit, nowMs: number): number {
  if (expiresAtMs === undefined) return NO_KEY;
  if (expiresAtMs === 0) return FOR_EVER;
  const time = absolute ? expiresAtMs : Math.max(0, expiresAtMs - nowMs);
  return ms === 1 ? time : Math.floor((time + 500) / 1_000);
}

/** What there is lives until then; what is to be over is deleted. */
function until<T>(expiresAtMs: number, nowMs: number, result: T): Change<T> {
  return expiresAtMs <= nowMs ? { remove: true, result } : { restamp: expiresAtMs, result };
}

async function expire({ args, reply, keyspace, command, session }: Call, unit: Unit): Promise<void> {
  const may = conditionOf(args);
  const nowMs = Date.now();
  const expiresAtMs = timeOf(args[2]!, unit, command.name, nowMs);
  const done = await keyspace.update(
    args[1]!,
    (_, current) =>
      current !== undefined && may(expiresAtMs, current) ? until(expiresAtMs, nowMs, 1) : { result: 0 },
    session.writes,
  );
  reply.integer(done);
}

/** What follows `EXPIRE key seconds`: whether a new time may take the place of the current one, 0 for none. @throws ReplyError */
function conditionOf(args: readonly Buffer[]): (wanted: number, current: number) => boolean {
  const given = new Set<string>();
  for (const word of args.slice(3)) {
    const name = word.toString('latin1').toLowerCase();
    if (!['nx', 'xx', 'gt', 'lt'].includes(name))
      throw new ReplyError(`ERR Unsupported option ${word.toString('latin1', 0, 128)}`);
    given.add(name);
  }
  if (given.has('nx') && given.size > 1)
    throw new ReplyError('ERR NX and XX, GT or LT options at the same time are not compatible');
  if (given.has('gt') && given.has('lt'))
    throw new ReplyError('ERR GT and LT options at the same time are not compatible');
  return (wanted, current) => {
    if (given.has('nx') && current !== 0) return false;
    if (given.has('xx') && current === 0) return false;
    // Without a time a key lives for ever, which is longer than any.
    if (given.has('gt') && (current === 0 || wanted <= current)) return false;
    return !(given.has('lt') && current !== 0 && wanted >= current);
  };
}

async function getex({ args, reply, keyspace, command, session }: Call): Promise<void> {
  const lifetime = readGetexOptions(args);
  if (lifetime === undefined) {
    bulkOrNull(reply, await keyspace.get(args[1]!));
    return;
  }
  const value = await keyspace.update(
    args[1]!,
    (before, current): Change<Uint8Array | undefined> => {
      if (before === undefined) return { result: before };
      if (typeof lifetime === 'string')
        return current === 0 ? { result: before } : { restamp: 0, result: before };
      const nowMs = Date.now();
      // Only now, as Redis does: without a value a wrong time is no error.
      return until(laterTimeOf(lifetime.number, lifetime.unit, command.name, nowMs), nowMs, before);
    },
    session.writes,
  );
  bulkOrNull(reply, value);
}
