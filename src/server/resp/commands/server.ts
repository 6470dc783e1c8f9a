import { type Call, type Command, NO_KEYS } from '../command.js';
import { Glob } from '../glob.js';
import { LIMITS } from '../../../base/limits.js';
import { infoText } from '../info.js';
import type { ReplyWriter } from '../reply-writer.js';
import { subcommands } from './subcommands.js';

const GROUP = 'server';

export const serverCommands: readonly Command[] = [
  {
    name: 'info',
    arity: -1,
    flags: ['loading', 'stale'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '[section …]',
    summary: 'What clients look for, and the state of the store',
    since: '1.0.0',
    handler({ args, reply, server }) {
      const sections = args.slice(1).map((section) => section.toString('latin1').toLowerCase());
      reply.verbatim(infoText(server, sections));
    },
  },
  {
    name: 'time',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '',
    summary: 'Unix time: seconds, and microseconds',
    since: '2.6.0',
    handler({ reply }) {
      const nowMs = Date.now();
      reply.array(2);
      reply.text(String(Math.floor(nowMs / 1_000)));
      reply.text(String((nowMs % 1_000) * 1_000));
    },
  },
  {
    name: 'config',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    keys: NO_KEYS,
    group: GROUP,
    usage: 'GET pattern [pattern …]',
    summary: 'The few parameters that clients ask for',
    since: '2.0.0',
    note: 'Nothing can be set.',
    ...subcommands('config', { get: [-3, configGet] }),
  },
  {
    name: 'command',
    arity: -1,
    flags: ['loading', 'stale'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '[COUNT | LIST | INFO [name …] | DOCS [name …]]',
    summary: 'This table',
    since: '2.8.13',
    refusal: (args) => (args.length > 1 ? COMMAND.refusal(args) : undefined),
    handler(call) {
      if (call.args.length > 1) return COMMAND.handler(call);
      describeAll(call, [...call.server.commands.keys()]);
    },
  },
];

const COMMAND = subcommands('command', {
  count: [2, ({ server, reply }) => reply.integer(server.commands.size)],
  list: [
    -2,
    ({ server, reply }) => {
      reply.array(server.commands.size);
      for (const name of server.commands.keys()) reply.text(name);
    },
  ],
  info: [-2, (call) => describeAll(call, namesOf(call))],
  docs: [
    -2,
    (call) => {
      const { server, reply } = call;
      const known = namesOf(call).flatMap((name) => server.commands.get(name) ?? []);
      reply.map(known.length);
      for (const command of known) document(reply, command);
    },
  ],
});

function namesOf({ args, server }: Call): string[] {
  if (args.length === 2) return [...server.commands.keys()];
  return args.slice(2).map((name) => name.toString('latin1').toLowerCase());
}

function describeAll({ server, reply }: Call, names: readonly string[]): void {
  reply.array(names.length);
  for (const name of names) {
    const command = server.commands.get(name);
    if (command === undefined) reply.nullArray();
    else describe(reply, command);
  }
}

/** Ten elements since Redis 7: categories, tips, key specifications and subcommands are left empty. */
function describe(reply: ReplyWriter, { name, arity, flags, keys, group }: Command): void {
  reply.array(10);
  reply.text(name);
  reply.integer(arity);
  reply.set(flags.length);
  for (const flag of flags) reply.simple(flag);
  for (const key of keys) reply.integer(key);
  reply.set(1);
  reply.simple(`@${group === 'generic' ? 'keyspace' : group}`);
  for (let i = 0; i < 3; i++) reply.array(0);
}

function document(reply: ReplyWriter, { name, summary, note, since, group, usage }: Command): void {
  reply.text(name);
  reply.map(4);
  reply.text('summary');
  reply.text(note === undefined ? summary : `${summary}. ${note}`);
  reply.text('since');
  reply.text(since ?? '');
  reply.text('group');
  reply.text(group);
  reply.text('syntax');
  reply.text(`${name.toUpperCase()} ${usage}`.trimEnd());
}

function configGet({ args, reply, server }: Call): void {
  const parameters: Readonly<Record<string, string>> = {
    save: '',
    appendonly: 'no',
    databases: String(LIMITS.respDatabases),
    maxclients: String(LIMITS.respConnections),
    maxmemory: '0',
    'maxmemory-policy': 'noeviction',
    'proto-max-bulk-len': String(server.limits.bulkBytes),
    timeout: '0',
  };
  const globs = args
    .slice(2)
    .map((pattern) => new Glob(Buffer.from(pattern.toString('latin1').toLowerCase())));
  const found = Object.entries(parameters).filter(([name]) =>
    globs.some((glob) => glob.matches(Buffer.from(name))),
  );
  reply.map(found.length);
  for (const [name, value] of found) {
    reply.text(name);
    reply.text(value);
  }
}
