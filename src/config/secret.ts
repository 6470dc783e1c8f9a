import { readFileSync } from 'node:fs';
import { RingletError } from '../base/errors.js';
import type { Settings } from './options.js';

/** Nothing slows down who guesses, so that guessing has to be hopeless. */
const LEAST_CHARACTERS = 16;
const MOST_CHARACTERS = 512;

/** The variable that holds the token itself: a flag would show it to everybody in the list of processes. */
export const TOKEN_VARIABLE = 'RINGLET_TOKEN';

/**
 * The token that clients must show: the content of `--token-file` without the line's end, else the
 * variable. It is no row of the option table, so that no print of settings can hold it.
 *
 * @throws RingletError USAGE, without the token in it
 */
export function readToken(
  { tokenFile }: Pick<Settings, 'tokenFile'>,
  env: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const given = tokenFile === undefined ? env[TOKEN_VARIABLE] : contentOf(tokenFile);
  if (tokenFile === undefined && (given === undefined || given === '')) return undefined;
  const token = (given ?? '').replace(/\r?\n$/, '');
  if (/^[\x21-\x7e]+$/.test(token) && token.length >= LEAST_CHARACTERS && token.length <= MOST_CHARACTERS)
    return token;
  const place = tokenFile === undefined ? `environment variable ${TOKEN_VARIABLE}` : `file ${tokenFile}`;
  const expected = `${LEAST_CHARACTERS} to ${MOST_CHARACTERS} printable ASCII characters without spaces`;
  throw new RingletError('USAGE', `token (${place}): got ${token.length} characters, expected ${expected}`, {
    option: 'token',
    source: place,
    expected,
  });
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new RingletError('USAGE', `cannot read the token file ${file}: ${problem}`, {
      option: 'tokenFile',
      given: file,
    });
  }
}
