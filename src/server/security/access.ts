import { readFileSync } from 'node:fs';
import { isIPv4 } from 'node:net';
import { createSecureContext } from 'node:tls';
import { RingletError } from '../../base/errors.js';
import { OPTIONS, type Settings } from '../../config/options.js';
import { printHostPort, type HostPort } from '../../config/parse.js';
import { readToken } from '../../config/secret.js';
import { Secret } from './secret.js';

export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Who may come in, and how: the same for every door of the store. */
export interface Access {
  /** Absent: no client has to show anything. */
  readonly secret?: Secret;
  /** Absent: doors speak in clear. */
  readonly tls?: TlsFiles;
}

/**
 * Reads token, certificate and key, and refuses to open a door to others without a token.
 *
 * @param doors where the doors will listen, by the option that says so
 * @throws RingletError USAGE
 */
export function accessOf(
  settings: Settings,
  env: Readonly<Record<string, string | undefined>>,
  doors: Readonly<Record<string, HostPort | undefined>>,
): Access {
  const token = readToken(settings, env);
  if (token === undefined && !settings.insecure) {
    for (const [flag, at] of Object.entries(doors)) if (at !== undefined) refuseExposed(flag, at);
  }
  const tls = readTls(settings);
  return {
    ...(token === undefined ? {} : { secret: new Secret(token) }),
    ...(tls === undefined ? {} : { tls }),
  };
}

export function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

function refuseExposed(flag: string, at: HostPort): void {
  if (isLoopback(at.host.toLowerCase())) return;
  const given = printHostPort(at);
  const expected = 'a loopback address while no token is set';
  const remedy =
    'set a token (--token-file FILE, or RINGLET_TOKEN), or let everybody in who can connect with --insecure';
  throw new RingletError(
    'USAGE',
    `${flag} (flag --${flag}): got "${given}", expected ${expected}; ${remedy}`,
    {
      option: flag,
      given,
      expected,
    },
  );
}

function readTls({ tlsCert, tlsKey }: Settings): TlsFiles | undefined {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new RingletError('USAGE', 'TLS needs both --tls-cert FILE and --tls-key FILE', {
      option: tlsCert === undefined ? 'tlsCert' : 'tlsKey',
    });
  }
  const files = { cert: contentOf('tlsCert', tlsCert), key: contentOf('tlsKey', tlsKey) };
  try {
    createSecureContext(files);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new RingletError(
      'USAGE',
      `${tlsCert} and ${tlsKey} are no certificate with its key in PEM: ${problem}`,
      { option: 'tlsKey', given: tlsKey },
    );
  }
  return files;
}

function contentOf(option: 'tlsCert' | 'tlsKey', file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new RingletError('USAGE', `${option} (flag --${OPTIONS[option].flag}): ${problem}`, {
      option,
      given: file,
    });
  }
}
