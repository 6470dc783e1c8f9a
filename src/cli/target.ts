import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { RingletError } from '../base/errors.js';
import type { BucketProperties, Inspection, RingDescription, Sibling, TimelineEvent } from '../client/api.js';
import type { Settings } from '../config/options.js';
import { readToken } from '../config/secret.js';
import { readEndpoint } from './endpoint.js';
import type { Credentials } from './http-call.js';
import { HttpTarget } from './http-target.js';
import { openStore } from './open-store.js';
import { addOptions, settingsOf } from './store-options.js';
import { StoreTarget } from './store-target.js';

export interface Found {
  readonly siblings: readonly Sibling[];
  /** Absent when nothing was ever written. */
  readonly context?: string;
  readonly degraded: boolean;
}

export interface Listed {
  readonly key: Uint8Array;
  /** Where a list goes on behind this key. */
  readonly cursor: string;
  readonly siblings: readonly Sibling[];
  readonly context: string;
}

/** Where a key lives; see Inspection in the library. Values themselves are for get. */
export interface Inspected extends Omit<Inspection, 'result'> {
  readonly bucket: string;
  readonly degraded: boolean;
  readonly deleted: boolean;
  readonly siblings: readonly {
    readonly bytes: number;
    readonly contentType: string;
    readonly modifiedAt: string;
  }[];
  readonly timeline: readonly TimelineEvent[];
}

export interface WriteOptions {
  readonly context?: string;
  readonly contentType?: string;
  readonly ifAbsent?: boolean;
  /** Milliseconds since 1970. */
  readonly expiresAtMs?: number;
}

export interface ListOptions {
  /** False where only keys are wanted: values need not come all the way. */
  readonly values?: boolean;
  readonly prefix?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

/** A store as the commands see it, through HTTP or opened by the command itself. */
export interface Target {
  get(bucket: string, key: string | Uint8Array): Promise<Found>;
  /** Returns the new context. */
  put(bucket: string, key: string | Uint8Array, value: Uint8Array, options: WriteOptions): Promise<string>;
  delete(bucket: string, key: string, options: Pick<WriteOptions, 'context'>): Promise<string>;
  list(bucket: string, options: ListOptions): AsyncIterable<Listed>;
  /** The properties of a bucket; one that does not exist is created with these. */
  ensureBucket(name: string, properties: Partial<BucketProperties>): Promise<BucketProperties>;
  inspect(bucket: string, key: string): Promise<Inspected>;
  ring(): Promise<RingDescription>;
  /** A backup's bytes, up to its end or failure. */
  backup(without: readonly string[]): AsyncIterable<Uint8Array>;
  close(): Promise<void>;
}

/**
 * `--url`, else the store that runs in the data directory, else the directory itself, opened for
 * the time of the command.
 *
 * @param creates whether the command may begin a new data directory
 */
export async function openTarget(command: Command, creates: boolean): Promise<Target> {
  const { url } = command.opts<{ url?: string }>();
  const resolved = settingsOf(command);
  const { settings } = resolved;
  if (url !== undefined) return new HttpTarget(checkUrl(url), credentialsOf(settings));
  if (settings.engine === 'memory') {
    // What a put wrote into one of its own would be gone before anybody could read it.
    const problem =
      'a store with the memory engine ends with its process; name the one that runs with --url URL';
    throw new RingletError('USAGE', problem, { engine: settings.engine });
  }
  const running = await runningIn(settings);
  if (running !== undefined) return running;
  if (!creates && !existsSync(settings.data)) {
    const directory = resolve(settings.data);
    const remedy = 'start one with "ringlet serve", or name another with --data DIR or --url URL';
    throw new RingletError('IO', `there is no store in ${directory}; ${remedy}`, { data: directory });
  }
  return new StoreTarget(await openStore(resolved));
}

/** Which store a command means, for a checkpoint: what one has got so far, another has not. */
export function storeOf(command: Command): string {
  return command.opts<{ url?: string }>().url ?? resolve(settingsOf(command).settings.data);
}

/** The store that runs in a data directory; undefined if none does. */
async function runningIn(settings: Settings): Promise<HttpTarget | undefined> {
  const endpoint = await readEndpoint(settings.data);
  if (endpoint === undefined) return undefined;
  const { url, adminUrl, tokenFile, tlsCert } = endpoint;
  const credentials = credentialsOf({
    tokenFile: settings.tokenFile ?? tokenFile,
    tlsCert: settings.tlsCert ?? tlsCert,
  });
  const running = new HttpTarget(url, credentials, adminUrl);
  if ((await running.instance()) === endpoint.instance) return running;
  await running.close();
  return undefined;
}

function credentialsOf({ tokenFile, tlsCert }: Pick<Settings, 'tokenFile' | 'tlsCert'>): Credentials {
  const token = readToken({ tokenFile }, process.env);
  return {
    ...(token === undefined ? {} : { token }),
    ...(tlsCert === undefined ? {} : { certificate: readCertificate(tlsCert) }),
  };
}

function readCertificate(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new RingletError('USAGE', `tlsCert (flag --tls-cert): ${problem}`, {
      option: 'tlsCert',
      given: file,
    });
  }
}

/** A command that is only about a store that runs. */
export function runningCommand(name: string, description: string): Command {
  const command = new Command(name)
    .description(description)
    .addOption(new Option('--url <URL>', 'a running store; default: the one that runs in the data directory'))
    .addOption(new Option('--json', 'machine-readable output'));
  addOptions(command, 'Where the store is:', ['data', 'tokenFile', 'tlsCert']);
  return command;
}

/** Runs with the store that such a command means, and lets go of it whatever happens. */
export async function withRunning<T>(command: Command, run: (target: HttpTarget) => Promise<T>): Promise<T> {
  const { url } = command.opts<{ url?: string }>();
  // A node that joins has a capacity of its own.
  const { settings } = settingsOf(command, ['capacity', 'vnodes']);
  const target =
    url === undefined ? await runningIn(settings) : new HttpTarget(checkUrl(url), credentialsOf(settings));
  if (target === undefined) {
    const directory = resolve(settings.data);
    const left = await readEndpoint(settings.data);
    const problem =
      left === undefined
        ? `no store runs in ${directory}`
        : `the store in ${directory} does not answer, its process ${left.pid} was killed or hangs`;
    const remedy = 'start one with "ringlet serve", or name another with --data DIR or --url URL';
    throw new RingletError('IO', `${problem}; ${remedy}`, { data: directory });
  }
  try {
    return await run(target);
  } finally {
    await target.close();
  }
}

function checkUrl(given: string): string {
  const protocol = URL.canParse(given) ? new URL(given).protocol : '';
  if (protocol === 'http:' || protocol === 'https:') return given;
  const expected = 'an address such as http://127.0.0.1:8098';
  throw new RingletError('USAGE', `url (flag --url): got "${given}", expected ${expected}`, {
    option: 'url',
    given,
    expected,
  });
}
