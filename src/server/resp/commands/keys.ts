import { ALL_KEYS, type Call, type Command, NO_KEYS, ONE_KEY } from '../command.js';
import { LIMITS } from '../../../base/limits.js';
import { bounded } from '../../../client/bounded.js';
import { allDone } from '../all-done.js';
import { ReplyError, syntaxError } from '../errors.js';
import { Glob } from '../glob.js';
import { integerIn, integerOf, numberOf } from '../numbers.js';
import { subcommands } from './subcommands.js';
import { scanPage } from '../walk.js';

const GROUP = 'generic';
/** Up to here Redis keeps a string beside its key. */
const EMBEDDED_BYTES = 44;
/** Deletes of one FLUSHDB under way. */
const FLUSH_WIDTH = 128;

export const keyCommands: readonly Command[] = [
  ...(['del', 'unlink'] as const).map((name): Command => ({
    name,
    arity: -2,
    flags: name === 'del' ? ['write'] : ['write', 'fast'],
    keys: ALL_KEYS,
    group: GROUP,
    usage: 'key [key …]',
    summary: 'Deletes; how many keys had a value',
    since: name === 'del' ? '1.0.0' : '4.0.0',
    note: 'Of two that delete a key at the same time, both may count it; GETDEL is exact.',
    async handler({ args, reply, keyspace, session }) {
      const keys = distinct(args.slice(1));
      const done = await allDone(keys.map((key) => keyspace.delete(key, session.writes)));
      reply.integer(done.filter(Boolean).length);
    },
  })),
  ...(['exists', 'touch'] as const).map((name): Command => ({
    name,
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: ALL_KEYS,
    group: GROUP,
    usage: 'key [key …]',
    summary: 'How many of the keys have a value; one that is named twice counts twice',
    since: name === 'exists' ? '1.0.0' : '3.2.1',
    async handler({ args, reply, keyspace }) {
      // Of each only whether it is there: the values of all would take any amount of memory.
      const isThere = async (key: Buffer): Promise<boolean> => (await keyspace.find(key)).found;
      const found = await bounded(args.slice(1), LIMITS.respKeysAtOnce, isThere);
      reply.integer(found.filter(Boolean).length);
    },
  })),
  {
    name: 'type',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key',
    summary: '`string`, or `none`',
    since: '1.0.0',
    async handler({ args, reply, keyspace }) {
      reply.simple((await keyspace.find(args[1]!)).found ? 'string' : 'none');
    },
  },
  {
    name: 'object',
    arity: -2,
    flags: ['readonly'],
    keys: [2, 2, 1],
    group: GROUP,
    usage: 'ENCODING key',
    summary: '`int`, `embstr` or `raw`, as Redis would keep the value',
    since: '2.2.3',
    ...subcommands('object', {
      encoding: [
        3,
        async ({ args, reply, keyspace }) => {
          const value = await keyspace.get(args[2]!);
          if (value === undefined) reply.null();
          else if (integerIn(value) !== undefined) reply.text('int');
          else reply.text(value.length <= EMBEDDED_BYTES ? 'embstr' : 'raw');
        },
      ],
    }),
  },
  {
    name: 'scan',
    arity: -2,
    flags: ['readonly'],
    keys: NO_KEYS,
    group: GROUP,
    usage: 'cursor [MATCH pattern] [COUNT count] [TYPE type]',
    summary: 'Keys, a page at a time; every key that stays is returned at least once',
    since: '2.8.0',
    handler: scan,
  },
  {
    name: 'keys',
    arity: 2,
    flags: ['readonly'],
    keys: NO_KEYS,
    group: GROUP,
    usage: 'pattern',
    summary: 'All keys that match',
    since: '1.0.0',
    note: 'Walks the whole bucket, beside other requests.',
    async handler({ args, reply, keyspace, server }) {
      const glob = new Glob(args[1]!);
      const found: Uint8Array[] = [];
      let bytes = 0;
      const charge = server.memory.begin();
      try {
        for await (const { key } of (await keyspace.bucket()).scan({ prefix: glob.prefix })) {
          if (!glob.matches(key)) continue;
          const length = key.length + 16;
          bytes += length;
          if (bytes > LIMITS.respReplyBytes) throw new ReplyError('ERR too many keys match; use SCAN');
          charge.add(length);
          found.push(key);
        }
        reply.array(found.length);
        for (const key of found) reply.bulk(key);
      } finally {
        charge.end();
      }
    },
  },
  {
    name: 'randomkey',
    arity: 1,
    flags: ['readonly'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '',
    summary: 'Some key, or null',
    since: '1.0.0',
    async handler({ reply, keyspace }) {
      const key = await keyspace.someKey();
      if (key === undefined) reply.null();
      else reply.bulk(key);
    },
  },
  {
    name: 'dbsize',
    arity: 1,
    flags: ['readonly', 'fast'],
    keys: NO_KEYS,
    group: 'server',
    usage: '',
    summary: 'How many keys the database has',
    since: '1.0.0',
    note: 'Counts by walking the bucket: use it now and then.',
    async handler({ reply, keyspace }) {
      reply.integer(await keyspace.count());
    },
  },
  ...(['flushdb', 'flushall'] as const).map((name): Command => ({
    name,
    arity: -1,
    flags: ['write'],
    keys: NO_KEYS,
    group: 'server',
    usage: '[ASYNC | SYNC]',
    summary: name === 'flushdb' ? 'Deletes all keys of the database' : 'Deletes all keys of all 16 databases',
    since: '1.0.0',
    note: 'Key by key, and finished when it answers; `--resp-flush off` refuses it.',
    handler: flush,
  })),
];

function distinct(keys: readonly Buffer[]): Buffer[] {
  if (keys.length === 1) return [keys[0]!];
  return [...new Map(keys.map((key) => [key.toString('latin1'), key])).values()];
}

async function scan({ args, reply, keyspace, server }: Call): Promise<void> {
  const cursor = numberOf(args[1]!, 0, Number.MAX_SAFE_INTEGER, 'ERR invalid cursor');
  let glob: Glob | undefined;
  let count = 10;
  let type: string | undefined;
  for (let i = 2; i < args.length; i += 2) {
    const word = args[i]!.toString('latin1').toLowerCase();
    const value = args[i + 1];
    if (value === undefined) throw syntaxError();
    if (word === 'match') glob = new Glob(value);
    else if (word === 'type') type = value.toString('latin1').toLowerCase();
    else if (word !== 'count') throw syntaxError();
    else {
      count = Number(integerOf(value));
      if (count < 1) throw syntaxError();
    }
  }
  const page =
    type === undefined || type === 'string'
      ? await scanPage(server, await keyspace.bucket(), cursor, glob, Math.min(count, LIMITS.scanPage))
      : { cursor: '0', keys: [] };
  reply.array(2);
  reply.text(page.cursor);
  reply.array(page.keys.length);
  for (const key of page.keys) reply.bulk(key);
}

async function flush({ args, reply, command, server, keyspace, session }: Call): Promise<void> {
  const [, how] = args;
  if (args.length > 2 || (how !== undefined && !/^(a?sync)$/i.test(how.toString('latin1'))))
    throw syntaxError();
  if (!server.options.allowFlush) throw new ReplyError(`ERR ${command.name.toUpperCase()} is switched off`);
  const all = command.name === 'flushall' ? server.keyspaces : [keyspace];
  for (const each of all) await each.clear(FLUSH_WIDTH, session.writes);
  reply.simple('OK');
}
