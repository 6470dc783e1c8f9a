import { type Call, type Command, ONE_KEY } from '../command.js';
import { ReplyError } from '../errors.js';
import { decimalSum, integerOf, sumOf } from '../numbers.js';

const GROUP = 'string';
const FLAGS = ['write', 'denyoom', 'fast'] as const;
const ZERO = Buffer.from('0');

export const counterCommands: readonly Command[] = [
  {
    name: 'incr',
    arity: 2,
    flags: FLAGS,
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key',
    summary: 'Adds 1 to a 64-bit integer',
    since: '1.0.0',
    handler: (call) => add(call, 1n),
  },
  {
    name: 'decr',
    arity: 2,
    flags: FLAGS,
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key',
    summary: 'Takes 1 from a 64-bit integer',
    since: '1.0.0',
    handler: (call) => add(call, -1n),
  },
  {
    name: 'incrby',
    arity: 3,
    flags: FLAGS,
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key increment',
    summary: 'Adds to a 64-bit integer',
    since: '1.0.0',
    handler: (call) => add(call, integerOf(call.args[2]!)),
  },
  {
    name: 'decrby',
    arity: 3,
    flags: FLAGS,
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key decrement',
    summary: 'Takes from a 64-bit integer',
    since: '1.0.0',
    handler(call) {
      const by = integerOf(call.args[2]!);
      if (by === -(1n << 63n)) throw new ReplyError('ERR decrement would overflow');
      return add(call, -by);
    },
  },
  {
    name: 'incrbyfloat',
    arity: 3,
    flags: FLAGS,
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key increment',
    summary: 'Adds to a decimal fraction',
    since: '2.6.0',
    note: 'The sum is exact, up to 17 digits behind the point.',
    async handler({ args, reply, keyspace, session }) {
      const sum = await keyspace.update(
        args[1]!,
        (before = ZERO, expiresAtMs) => {
          const text = Buffer.from(decimalSum(before, args[2]!));
          return { write: text, expiresAtMs, result: text };
        },
        session.writes,
      );
      reply.bulk(sum);
    },
  },
];

async function add({ args, reply, keyspace, session }: Call, by: bigint): Promise<void> {
  const sum = await keyspace.update(
    args[1]!,
    (before = ZERO, expiresAtMs) => {
      const next = sumOf(integerOf(before), by);
      return { write: Buffer.from(String(next)), expiresAtMs, result: next };
    },
    session.writes,
  );
  reply.integer(sum);
}
