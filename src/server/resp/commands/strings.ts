import type { Call, Command } from '../command.js';
import { ALL_KEYS, ONE_KEY } from '../command.js';
import { LIMITS } from '../../../base/limits.js';
import { bounded } from '../../../client/bounded.js';
import { allDone } from '../all-done.js';
import { replyTooLong, ReplyError, wrongArity } from '../errors.js';
import { integerOf } from '../numbers.js';
import { laterTimeOf } from '../lifetimes.js';
import { readSetOptions } from '../set-options.js';

const GROUP = 'string';
const OUT_OF_RANGE = 'ERR offset is out of range';
const EMPTY = Buffer.alloc(0);

export const stringCommands: readonly Command[] = [
  {
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key',
    summary: 'The value, or null',
    since: '1.0.0',
    async handler({ args, reply, keyspace }) {
      bulkOrNull(reply, await keyspace.get(args[1]!));
    },
  },
  {
    name: 'set',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: GROUP,
    usage:
      'key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-seconds | PXAT unix-milliseconds | KEEPTTL]',
    summary: 'Sets the value; NX only if there is none, XX only if there is one',
    since: '1.0.0',
    handler: set,
  },
  {
    name: 'setnx',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key value',
    summary: 'Sets the value if there is none: 1, else 0',
    since: '1.0.0',
    async handler({ args, reply, keyspace, session }) {
      const done = await keyspace.update(
        args[1]!,
        (before) =>
          before === undefined ? { write: args[2]!, expiresAtMs: undefined, result: 1 } : { result: 0 },
        session.writes,
      );
      reply.integer(done);
    },
  },
  {
    name: 'getset',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key value',
    summary: 'Sets the value and returns the one before',
    since: '1.0.0',
    async handler({ args, reply, keyspace, session }) {
      const before = await keyspace.update(
        args[1]!,
        (result) => ({
          write: args[2]!,
          expiresAtMs: undefined,
          result,
        }),
        session.writes,
      );
      bulkOrNull(reply, before);
    },
  },
  {
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key',
    summary: 'Returns the value and deletes it',
    since: '6.2.0',
    async handler({ args, reply, keyspace, session }) {
      bulkOrNull(
        reply,
        await keyspace.update(
          args[1]!,
          (before) => (before === undefined ? { result: before } : { remove: true, result: before }),
          session.writes,
        ),
      );
    },
  },
  {
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: ALL_KEYS,
    group: GROUP,
    usage: 'key [key …]',
    summary: 'The values',
    since: '1.0.0',
    note: 'Each key by itself: no snapshot.',
    async handler({ args, reply, keyspace, server }) {
      let bytes = 0;
      const charge = server.memory.begin();
      try {
        const values = await bounded(args.slice(1), LIMITS.respKeysAtOnce, async (key) => {
          const value = await keyspace.get(key);
          const length = value?.length ?? 0;
          // Here and not when it is written: a short request can name a long value many thousand times.
          bytes += length;
          if (bytes > LIMITS.respReplyBytes) throw replyTooLong();
          charge.add(length);
          return value;
        });
        reply.array(values.length);
        for (const value of values) bulkOrNull(reply, value);
      } finally {
        charge.end();
      }
    },
  },
  {
    name: 'mset',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, -1, 2],
    group: GROUP,
    usage: 'key value [key value …]',
    summary: 'Sets the values',
    since: '1.0.1',
    note: 'Not atomic: where a part of it fails, the error says so and the rest stands.',
    async handler({ args, reply, keyspace, command, session }) {
      if (args.length % 2 === 0) throw new ReplyError(wrongArity(command.name));
      // Of a key that comes twice the last value counts.
      const pairs = new Map<string, [key: Buffer, value: Buffer]>();
      for (let i = 1; i < args.length; i += 2)
        pairs.set(args[i]!.toString('latin1'), [args[i]!, args[i + 1]!]);
      await allDone(
        [...pairs.values()].map(([key, value]) => keyspace.put(key, value, undefined, session.writes)),
      );
      reply.simple('OK');
    },
  },
  {
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key',
    summary: 'Bytes of the value, 0 without one',
    since: '2.2.0',
    async handler({ args, reply, keyspace }) {
      reply.integer((await keyspace.get(args[1]!))?.length ?? 0);
    },
  },
  {
    name: 'getrange',
    arity: 4,
    flags: ['readonly'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key start end',
    summary: 'Bytes from start to end, both included; negative ones count from the end',
    since: '2.4.0',
    handler: getRange,
  },
  {
    name: 'substr',
    arity: 4,
    flags: ['readonly'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key start end',
    summary: 'The same as GETRANGE',
    since: '1.0.0',
    handler: getRange,
  },
  {
    name: 'append',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key value',
    summary: 'Appends to the value; its new length',
    since: '2.0.0',
    async handler({ args, reply, keyspace, server, session }) {
      const length = await keyspace.update(
        args[1]!,
        (before = EMPTY, expiresAtMs) => {
          const write = Buffer.concat([before, args[2]!]);
          checkLength(write.length, server.options.valueBytes);
          return { write, expiresAtMs, result: write.length };
        },
        session.writes,
      );
      reply.integer(length);
    },
  },
  {
    name: 'setrange',
    arity: 4,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key offset value',
    summary: 'Overwrites from an offset on; its new length',
    since: '2.2.0',
    handler: setRange,
  },
];

export function bulkOrNull(reply: Call['reply'], value: Uint8Array | undefined): void {
  if (value === undefined) reply.null();
  else reply.bulk(value);
}

export function checkLength(bytes: number, most: number): void {
  if (bytes > most) throw new ReplyError('ERR string exceeds maximum allowed size (proto-max-bulk-len)');
}

async function set({ args, reply, keyspace, command, session }: Call): Promise<void> {
  const [, key, value] = args as [Buffer, Buffer, Buffer];
  const { exists, get, lifetime } = readSetOptions(args);
  const expiresAtMs =
    typeof lifetime === 'object'
      ? laterTimeOf(lifetime.number, lifetime.unit, command.name, Date.now())
      : undefined;
  const keep = lifetime === 'keepttl';
  if (exists === undefined && !get && !keep) {
    await keyspace.put(key, value, expiresAtMs, session.writes);
    reply.simple('OK');
    return;
  }
  const { before, done } = await keyspace.update(
    key,
    (before, current) => {
      const may = exists === undefined || exists === (before !== undefined);
      if (!may) return { result: { before, done: false } };
      return { write: value, expiresAtMs: keep ? current : expiresAtMs, result: { before, done: true } };
    },
    session.writes,
  );
  if (get) bulkOrNull(reply, before);
  else if (done) reply.simple('OK');
  else reply.null();
}

async function getRange({ args, reply, keyspace }: Call): Promise<void> {
  const [from, to] = [offset(args[2]!), offset(args[3]!)];
  const value = await keyspace.get(args[1]!);
  const length = value?.length ?? 0;
  // With both negative and the wrong way round Redis gives nothing, before it clamps.
  if (value === undefined || (from < 0 && to < 0 && from > to)) {
    reply.bulk(EMPTY);
    return;
  }
  const start = Math.max(0, from < 0 ? length + from : from);
  const end = Math.min(length - 1, Math.max(0, to < 0 ? length + to : to));
  reply.bulk(start > end ? EMPTY : value.subarray(start, end + 1));
}

/** Any of 64 bits, as in Redis; rounded where no value is that long. */
function offset(bytes: Buffer): number {
  return Number(integerOf(bytes));
}

async function setRange({ args, reply, keyspace, server, session }: Call): Promise<void> {
  const part = args[3]!;
  const start = offset(args[2]!);
  if (start < 0) throw new ReplyError(OUT_OF_RANGE);
  const length = await keyspace.update(
    args[1]!,
    (before = EMPTY, expiresAtMs) => {
      if (part.length === 0) return { result: before.length };
      checkLength(start + part.length, server.options.valueBytes);
      const write = Buffer.alloc(Math.max(before.length, start + part.length));
      write.set(before);
      write.set(part, start);
      return { write, expiresAtMs, result: write.length };
    },
    session.writes,
  );
  reply.integer(length);
}
