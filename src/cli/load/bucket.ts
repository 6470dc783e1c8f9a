import type { Command } from 'commander';
import { RingletError } from '../../base/errors.js';
import type { BucketProperties } from '../../client/api.js';
import { settingsOf } from '../store-options.js';
import type { Target } from '../target.js';

const OF_BUCKETS = ['n', 'r', 'w', 'durability'] as const;

/**
 * The bucket that a load writes to, which is created where there is none. What the command line asks of it
 * holds: a load of a million records should not end in a bucket of another kind than its flags say. What
 * variables and files say is about the store, and only the default here.
 *
 * @param rule of a new one, where no flag says another
 * @throws RingletError BUCKET_MISMATCH
 */
export async function bucketOf(
  target: Target,
  command: Command,
  name: string,
  rule: BucketProperties['conflict'],
): Promise<BucketProperties> {
  const flags = command.opts<Partial<Record<(typeof OF_BUCKETS)[number] | 'conflict', string>>>();
  const { settings } = settingsOf(command);
  const asked: Partial<BucketProperties> = {
    ...(flags.conflict === undefined ? {} : { conflict: flags.conflict }),
    ...Object.fromEntries(
      OF_BUCKETS.filter((key) => flags[key] !== undefined).map((key) => [key, settings[key]]),
    ),
  };
  const properties = await target.ensureBucket(name, { conflict: rule, ...asked });
  for (const [property, wanted] of Object.entries(asked)) {
    const got = properties[property as keyof BucketProperties];
    if (got === wanted) continue;
    throw new RingletError(
      'BUCKET_MISMATCH',
      `bucket ${name} has ${property} = ${String(got)}, not ${String(wanted)}; leave --${property} out, or load into another bucket`,
      { bucket: name, property, got: String(got), asked: String(wanted) },
    );
  }
  return properties;
}
