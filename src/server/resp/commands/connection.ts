import { LIMITS } from '../../../base/limits.js';
import { type Call, type Command, NO_KEYS } from '../command.js';
import { ReplyError, syntaxError, wrongArity } from '../errors.js';
import { integerIn, numberOf } from '../numbers.js';
import { REDIS_VERSION } from '../redis-version.js';
import { subcommands } from './subcommands.js';

const GROUP = 'connection';
const LEAST_INT = -(2 ** 31);
const MOST_INT = 2 ** 31 - 1;
const NO_INT = `ERR value is out of range, value must between ${LEAST_INT} and ${MOST_INT}`;

export const connectionCommands: readonly Command[] = [
  {
    name: 'ping',
    arity: -1,
    flags: ['fast'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '[message]',
    summary: 'PONG, or the message',
    since: '1.0.0',
    handler({ args, reply, command }) {
      if (args.length > 2) throw new ReplyError(wrongArity(command.name));
      if (args.length === 2) reply.bulk(args[1]!);
      else reply.simple('PONG');
    },
  },
  {
    name: 'echo',
    arity: 2,
    flags: ['fast'],
    keys: NO_KEYS,
    group: GROUP,
    usage: 'message',
    summary: 'The message',
    since: '1.0.0',
    handler: ({ args, reply }) => reply.bulk(args[1]!),
  },
  {
    name: 'quit',
    arity: -1,
    flags: ['fast', 'no_auth', 'loading', 'stale', 'noscript', 'allow_busy'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '',
    summary: 'Closes the connection',
    since: '1.0.0',
    immediate: true,
    handler({ reply, session }) {
      reply.simple('OK');
      session.end();
    },
  },
  {
    name: 'reset',
    arity: 1,
    flags: ['fast', 'no_auth', 'loading', 'stale', 'noscript', 'allow_busy'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '',
    summary: 'The connection as it was at its beginning',
    since: '6.2.0',
    immediate: true,
    handler({ reply, session }) {
      session.reset();
      reply.simple('RESET');
    },
  },
  {
    name: 'select',
    arity: 2,
    flags: ['fast', 'loading', 'stale'],
    keys: NO_KEYS,
    group: GROUP,
    usage: 'index',
    summary: 'Another database: bucket `redis-<index>`, last write wins unless it was created otherwise',
    since: '1.0.0',
    handler({ args, reply, session }) {
      const error = 'ERR DB index is out of range';
      numberOf(args[1]!, LEAST_INT, MOST_INT, integerIn(args[1]!) === undefined ? '' : NO_INT);
      session.database = numberOf(args[1]!, 0, LIMITS.respDatabases - 1, error);
      reply.simple('OK');
    },
  },
  {
    name: 'auth',
    arity: -2,
    flags: ['fast', 'no_auth', 'loading', 'stale', 'noscript', 'allow_busy'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '[username] password',
    summary: 'Authenticates the connection',
    since: '1.0.0',
    note: 'The only user is `default`.',
    handler(call) {
      const { args } = call;
      if (args.length > 3) throw syntaxError();
      authenticate(call, args.length === 3 ? args[1] : undefined, args.at(-1)!);
      call.reply.simple('OK');
    },
  },
  {
    name: 'hello',
    arity: -1,
    flags: ['fast', 'no_auth', 'loading', 'stale', 'noscript', 'allow_busy'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '[protover [AUTH username password] [SETNAME clientname]]',
    summary: 'RESP2 or RESP3, and what the server is',
    since: '6.0.0',
    handler: hello,
  },
  {
    name: 'client',
    arity: -2,
    flags: ['noscript', 'loading', 'stale'],
    keys: NO_KEYS,
    group: GROUP,
    usage:
      'ID | GETNAME | SETNAME name | SETINFO attribute value | INFO | LIST | NO-EVICT ON|OFF | NO-TOUCH ON|OFF',
    summary: 'The connection itself',
    since: '2.4.0',
    ...subcommands('client', {
      id: [2, ({ session, reply }) => reply.integer(session.id)],
      getname: [
        2,
        ({ session, reply }) => {
          if (session.name === '') reply.null();
          else reply.text(session.name);
        },
      ],
      setname: [3, ({ session, args, reply }) => ok(reply, () => (session.name = clientName(args[2]!)))],
      setinfo: [
        4,
        ({ args, reply }) => {
          const attribute = args[2]!.toString('latin1').toLowerCase();
          if (attribute !== 'lib-name' && attribute !== 'lib-ver') {
            throw new ReplyError(`ERR Unrecognized option '${args[2]!.toString('latin1', 0, 128)}'`);
          }
          printable(args[3]!, `${attribute} cannot contain spaces, newlines or special characters.`);
          reply.simple('OK');
        },
      ],
      info: [2, ({ session, reply }) => reply.verbatim(`${describe(session)}\n`)],
      list: [
        -2,
        ({ server, reply }) =>
          reply.verbatim([...server.sessions].map((each) => `${describe(each)}\n`).join('')),
      ],
      'no-evict': [3, ({ args, reply }) => ok(reply, () => onOrOff(args[2]!))],
      'no-touch': [3, ({ args, reply }) => ok(reply, () => onOrOff(args[2]!))],
    }),
  },
];

function ok(reply: Call['reply'], action: () => unknown): void {
  action();
  reply.simple('OK');
}

function describe({ id, remote, name, database, reply }: Call['session']): string {
  return `id=${id} addr=${remote} name=${name} db=${database} resp=${reply.protocol}`;
}

function onOrOff(word: Buffer): void {
  if (!/^(on|off)$/i.test(word.toString('latin1'))) throw syntaxError();
}

function printable(bytes: Buffer, error: string): string {
  for (const byte of bytes) if (byte < 33 || byte > 126) throw new ReplyError(`ERR ${error}`);
  return bytes.toString('latin1');
}

function clientName(bytes: Buffer): string {
  if (bytes.length > LIMITS.respNameBytes)
    throw new ReplyError(`ERR Client names have at most ${LIMITS.respNameBytes} bytes.`);
  return printable(bytes, 'Client names cannot contain spaces, newlines or special characters.');
}

function authenticate({ server, session }: Call, user: Buffer | undefined, password: Buffer): void {
  if (!server.needsPassword) {
    if (user?.toString('latin1') === 'default') return;
    throw new ReplyError(
      user === undefined
        ? 'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?'
        : WRONG_PASSWORD,
    );
  }
  const right = server.isPassword(password);
  if (!right || (user !== undefined && user.toString('latin1') !== 'default')) {
    throw new ReplyError(WRONG_PASSWORD);
  }
  session.authenticate();
}

const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.';

function hello(call: Call): void {
  const { args, session, reply } = call;
  let protocol = reply.protocol;
  if (args.length > 1) {
    const asked = numberOf(
      args[1]!,
      Number.MIN_SAFE_INTEGER,
      Number.MAX_SAFE_INTEGER,
      'ERR Protocol version is not an integer or out of range',
    );
    if (asked !== 2 && asked !== 3) throw new ReplyError('NOPROTO unsupported protocol version');
    protocol = asked;
  }
  let name: string | undefined;
  for (let i = 2; i < args.length;) {
    const option = args[i]!.toString('latin1').toLowerCase();
    if (option === 'auth' && i + 2 < args.length) {
      authenticate(call, args[i + 1], args[i + 2]!);
      i += 3;
    } else if (option === 'setname' && i + 1 < args.length) {
      name = clientName(args[i + 1]!);
      i += 2;
    } else {
      throw new ReplyError(`ERR Syntax error in HELLO option '${args[i]!.toString('latin1', 0, 128)}'`);
    }
  }
  if (!session.isAuthenticated) {
    throw new ReplyError(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    );
  }
  if (name !== undefined) session.name = name;
  reply.protocol = protocol;
  reply.map(7);
  reply.text('server');
  reply.text('redis');
  reply.text('version');
  reply.text(REDIS_VERSION);
  reply.text('proto');
  reply.integer(protocol);
  reply.text('id');
  reply.integer(session.id);
  reply.text('mode');
  reply.text('standalone');
  reply.text('role');
  reply.text('master');
  reply.text('modules');
  reply.array(0);
}
