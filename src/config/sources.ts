import { readFileSync } from 'node:fs';
import { RingletError } from '../base/errors.js';
import { OPTION_KEYS, OPTIONS, variableName, type OptionKey } from './options.js';

/** The values that one place gave, not yet parsed. */
export interface Source {
  /** How an error names the place of this option, such as "flag --nodes". */
  readonly place: (key: OptionKey) => string;
  readonly given: ReadonlyMap<OptionKey, unknown>;
  /** The place has numbers and truth values of its own: text is not taken for one. */
  readonly typed: boolean;
}

export function isOptionKey(name: string): name is OptionKey {
  return Object.hasOwn(OPTIONS, name);
}

/** Flags as the command line parser gives them; keys that are no options of the store are not looked at. */
export function fromFlags(flags: Readonly<Record<string, unknown>>): Source {
  return {
    place: (key) => `flag --${OPTIONS[key].flag}`,
    given: new Map(OPTION_KEYS.filter((key) => flags[key] !== undefined).map((key) => [key, flags[key]])),
    typed: false,
  };
}

/** RINGLET_* variables. An empty one counts as absent: that is how container tools unset one. */
export function fromEnvironment(env: Readonly<Record<string, string | undefined>>): Source {
  const given = new Map<OptionKey, unknown>();
  for (const key of OPTION_KEYS) {
    const value = env[variableName(key)];
    if (value !== undefined && value !== '') given.set(key, value);
  }
  return { place: (key) => `environment variable ${variableName(key)}`, given, typed: false };
}

/** A JSON object with the keys of the option table. An unknown key is an error: it is a typing mistake. */
export function fromFile(file: string): Source {
  const given = new Map<OptionKey, unknown>();
  for (const [name, value] of Object.entries(readObject(file))) {
    if (!isOptionKey(name)) {
      throw new RingletError(
        'USAGE',
        `unknown option "${name}" in ${file}; known are ${OPTION_KEYS.join(', ')}`,
        {
          option: name,
          source: `file ${file}`,
        },
      );
    }
    given.set(name, value);
  }
  return { place: (key) => `"${key}" in file ${file}`, given, typed: true };
}

function readObject(file: string): object {
  let problem: string;
  try {
    // Editors of Windows begin a file with a mark that JSON does not know.
    const content: unknown = JSON.parse(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''));
    if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content;
    problem = 'it does not hold a JSON object';
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  throw new RingletError('USAGE', `cannot use configuration file ${file}: ${problem}`, {
    option: 'config',
    given: file,
  });
}
