import { type Call, type Command, NO_KEYS } from '../command.js';

const GROUP = 'transactions';
const FLAGS = ['noscript', 'loading', 'stale', 'fast', 'allow_busy'] as const;

export const transactionCommands: readonly Command[] = [
  {
    name: 'multi',
    arity: 1,
    flags: FLAGS,
    keys: NO_KEYS,
    group: GROUP,
    usage: '',
    summary: 'Queues the commands that follow, up to EXEC',
    since: '1.2.0',
    immediate: true,
    handler({ session, reply }) {
      session.transaction.open();
      reply.simple('OK');
    },
  },
  {
    name: 'exec',
    arity: 1,
    flags: ['noscript', 'loading', 'stale'],
    keys: NO_KEYS,
    group: GROUP,
    usage: '',
    summary: 'Executes what was queued, in order',
    since: '1.2.0',
    note: 'Not isolated: commands of others may come in between, and one that fails undoes nothing. WATCH is refused.',
    immediate: true,
    handler: exec,
  },
  {
    name: 'discard',
    arity: 1,
    flags: FLAGS,
    keys: NO_KEYS,
    group: GROUP,
    usage: '',
    summary: 'Forgets what was queued',
    since: '2.0.0',
    immediate: true,
    handler({ session, reply }) {
      session.transaction.take('DISCARD');
      reply.simple('OK');
    },
  },
];

async function exec({ session, reply }: Call): Promise<void> {
  const queued = session.transaction.take('EXEC');
  reply.array(queued.length);
  for (const { command, args } of queued) {
    await session.call(command, args, false);
    await session.pause();
  }
}
