import { randomBytes } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** `endpoint.json` in the data directory: how other commands find the store that runs there. */
export interface Endpoint {
  readonly url: string;
  /** Where `/admin/` is; the same unless the store was told another place. */
  readonly adminUrl: string;
  /** Where Redis clients connect, such as `resp://127.0.0.1:6398`. */
  readonly resp?: string;
  /** Files of the store that a command of the same user may need to get in; never what is in them. */
  readonly tokenFile?: string;
  readonly tlsCert?: string;
  /** The same as in /healthz: tells this run from another store that has taken the port since. */
  readonly instance: string;
  readonly pid: number;
  /** ISO 8601 */
  readonly startedAt: string;
}

function fileIn(data: string): string {
  return join(resolve(data), 'endpoint.json');
}

/** Written aside and renamed, so that a reader meets all of it or none. Only the owner may read it. */
export async function writeEndpoint(data: string, endpoint: Endpoint): Promise<void> {
  const aside = `${fileIn(data)}.${randomBytes(6).toString('hex')}`;
  const file = await open(aside, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(endpoint)}\n`);
  } finally {
    await file.close();
  }
  await rename(aside, fileIn(data));
}

export async function removeEndpoint(data: string): Promise<void> {
  await rm(fileIn(data), { force: true });
}

/** Undefined when there is none, or when it is no such file: it is a hint, and its store may have been killed. */
export async function readEndpoint(data: string): Promise<Endpoint | undefined> {
  try {
    const content = JSON.parse(await readFile(fileIn(data), 'utf8')) as Partial<Endpoint>;
    const { url, adminUrl = url, resp, instance, pid, startedAt, tokenFile, tlsCert } = content;
    if (typeof url !== 'string' || typeof instance !== 'string' || !URL.canParse(url)) return undefined;
    return {
      url,
      adminUrl: String(adminUrl),
      instance,
      pid: Number(pid),
      startedAt: String(startedAt),
      ...(typeof resp === 'string' ? { resp } : {}),
      ...(typeof tokenFile === 'string' ? { tokenFile } : {}),
      ...(typeof tlsCert === 'string' ? { tlsCert } : {}),
    };
  } catch {
    return undefined;
  }
}
