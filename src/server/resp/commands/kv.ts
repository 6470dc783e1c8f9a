import { type Call, type Command, ONE_KEY } from '../command.js';
import type { PutOptions } from '../../../client/api.js';
import type { ConnectedBucket } from '../../../client/bucket.js';
import { syntaxError } from '../errors.js';
import { connectedBucket } from '../keyspace.js';

const GROUP = 'versions';

/** What Redis has no words for: siblings and contexts, in any bucket. */
export const versionCommands: readonly Command[] = [
  {
    name: 'kv.get',
    arity: -2,
    flags: ['readonly'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key [BUCKET name]',
    summary:
      'Two elements: the context, or null if nothing was ever written; and the siblings, each with its time in milliseconds',
    async handler(call) {
      const { bucket } = await optionsOf(call, 2, ['bucket']);
      const { context, siblings } = await bucket.get(call.args[1]!);
      const { reply } = call;
      reply.array(2);
      if (context === undefined) reply.null();
      else reply.text(context.toString());
      reply.array(siblings.length);
      for (const { value, modifiedAtMs } of siblings) {
        reply.array(2);
        reply.bulk(value);
        reply.integer(Math.floor(modifiedAtMs));
      }
    },
  },
  {
    name: 'kv.put',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key value [CONTEXT context | IFMATCH context | IFABSENT] [BUCKET name]',
    summary: 'Puts a value that supersedes what the context has seen; the new context',
    async handler(call) {
      const { bucket, options } = await optionsOf(call, 3, ['bucket', 'context', 'ifmatch', 'ifabsent']);
      const { context } = await bucket.put(call.args[1]!, call.args[2]!, options);
      call.session.writes.note(bucket, call.args[1]!, context);
      call.reply.text(context.toString());
    },
  },
  {
    name: 'kv.del',
    arity: -2,
    flags: ['write'],
    keys: ONE_KEY,
    group: GROUP,
    usage: 'key [CONTEXT context | IFMATCH context] [BUCKET name]',
    summary: 'Deletes what the context has seen; the new context',
    async handler(call) {
      const { bucket, options } = await optionsOf(call, 2, ['bucket', 'context', 'ifmatch']);
      const { context } = await bucket.delete(call.args[1]!, options);
      call.session.writes.note(bucket, call.args[1]!, context);
      call.reply.text(context.toString());
    },
  },
];

type Word = 'bucket' | 'context' | 'ifmatch' | 'ifabsent';

async function optionsOf(
  { args, keyspace, server }: Call,
  first: number,
  words: readonly Word[],
): Promise<{ bucket: ConnectedBucket; options: PutOptions }> {
  const given = new Map<Word, string>();
  for (let i = first; i < args.length; i++) {
    const word = args[i]!.toString('latin1').toLowerCase() as Word;
    if (!words.includes(word) || given.has(word)) throw syntaxError();
    if (word !== 'ifabsent' && ++i === args.length) throw syntaxError();
    given.set(word, args[i]!.toString('latin1'));
  }
  const conditions = words.filter((word) => word !== 'bucket' && given.has(word));
  if (conditions.length > 1) throw syntaxError();
  const name = given.get('bucket');
  const bucket = name === undefined ? await keyspace.bucket() : connectedBucket(server.store, name);
  const [context, ifMatch] = [given.get('context'), given.get('ifmatch')];
  return {
    bucket,
    options: {
      ...(context === undefined ? {} : { context }),
      ...(ifMatch === undefined ? {} : { ifMatch }),
      ...(given.has('ifabsent') ? { ifAbsent: true } : {}),
    },
  };
}
