import { RingletError } from '../base/errors.js';
import { OPTION_KEYS, OPTIONS, type Option, type OptionKey, type Settings } from './options.js';
import { fromEnvironment, fromFile, fromFlags, type Source } from './sources.js';

/** Settings, and which of them somebody asked for (the others are defaults). */
export interface Resolved {
  readonly settings: Settings;
  readonly asked: ReadonlySet<OptionKey>;
}

/**
 * Defaults < file < environment < flags, each value checked alone and against the others. The file
 * is `--config` or RINGLET_CONFIG. Throws USAGE with the option, the place, what was given, and the range.
 */
export function resolveSettings(
  flags: Readonly<Record<string, unknown>>,
  env: Readonly<Record<string, string | undefined>>,
): Resolved {
  const file = typeof flags['config'] === 'string' ? flags['config'] : env['RINGLET_CONFIG'];
  const files = file === undefined || file === '' ? [] : [fromFile(file)];
  return merge([...files, fromEnvironment(env), fromFlags(flags)]);
}

/** Later sources win. Values that lose are checked as well: a mistake in a file should not wait for its day. */
export function merge(sources: readonly Source[]): Resolved {
  const values = new Map<OptionKey, unknown>();
  const winners = new Map<OptionKey, Source>();
  for (const source of sources) {
    for (const [key, given] of source.given) {
      const option: Option<unknown> = OPTIONS[key] as Option<unknown>;
      const value = option.parse(given);
      if (value === undefined) throw misuse(key, source.place(key), given, option.expects);
      if (source.typed && isQuoted(given, value))
        throw misuse(key, source.place(key), given, `${option.expects}, without quotes`);
      values.set(key, value);
      winners.set(key, source);
    }
  }
  const settings = Object.freeze(withDefaults(values));
  for (const key of OPTION_KEYS) checkAgainstOthers(key, settings, winners.get(key));
  return { settings, asked: new Set(values.keys()) };
}

/** "4" for 4, or "true" for true: open() takes neither. "64KiB" is text, and data may be a directory of the name 4. */
function isQuoted(given: unknown, value: unknown): boolean {
  if (typeof given !== 'string') return false;
  return typeof value === 'boolean' || (typeof value === 'number' && /^\d+$/.test(given));
}

function withDefaults(values: ReadonlyMap<OptionKey, unknown>): Settings {
  const settings: Record<string, unknown> = {};
  for (const key of OPTION_KEYS) {
    settings[key] = values.get(key) ?? OPTIONS[key].fallback(settings as unknown as Settings);
  }
  return settings as unknown as Settings;
}

function checkAgainstOthers(key: OptionKey, settings: Settings, source: Source | undefined): void {
  const expected = (OPTIONS[key] as Option<unknown>).check?.(settings[key], settings);
  if (expected === undefined) return;
  throw misuse(key, source?.place(key) ?? 'default', printValue(key, settings), expected);
}

function misuse(key: OptionKey, place: string, given: unknown, expected: string): RingletError {
  const isText = typeof given === 'string';
  const shown = isText ? given : (JSON.stringify(given) ?? 'nothing');
  const short = shown.length > 100 ? `${shown.slice(0, 100)}…` : shown;
  const got = isText ? `"${short}"` : short;
  return new RingletError('USAGE', `${key} (${place}): got ${got}, expected ${expected}`, {
    option: key,
    source: place,
    given: short,
    expected,
  });
}

/** A value as a flag or a file would give it. */
export function printValue(key: OptionKey, settings: Settings): string | number | boolean | undefined {
  const print = (OPTIONS[key] as Option<unknown>).print;
  return print === undefined
    ? (settings[key] as string | number | boolean | undefined)
    : print(settings[key]);
}

/** JSON that `--config` reads back to the same settings. */
export function printSettings(settings: Settings): string {
  const file: Record<string, unknown> = {};
  for (const key of OPTION_KEYS) {
    file[key] = key === 'capacity' ? settings.capacity : printValue(key, settings);
  }
  return JSON.stringify(file, null, 2);
}
