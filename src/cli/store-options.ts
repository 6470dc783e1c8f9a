import { Option, type Command } from 'commander';
import type { OpenOptions } from '../client/api.js';
import { OPTION_KEYS, OPTIONS, variableName, type OptionKey } from '../config/options.js';
import { printValue, resolveSettings, type Resolved } from '../config/resolve.js';

const DEFAULTS = resolveSettings({}, {}).settings;

/** The rows of the option table as flags of a command, but for some; --config with them. */
export function addStoreOptions(command: Command, heading: string, without: readonly OptionKey[] = []): void {
  const keys = OPTION_KEYS.filter((key) => !without.includes(key));
  addOptions(command, heading, keys);
}

/** These rows of the option table as flags of a command; --config with them. */
export function addOptions(command: Command, heading: string, keys: readonly OptionKey[]): void {
  for (const key of keys) {
    const { flag, placeholder, help, fallbackText } = OPTIONS[key];
    const fallback = fallbackText ?? printValue(key, DEFAULTS);
    const description = `${help} (default: ${fallback}; ${variableName(key)})`;
    const value = placeholder === undefined ? '' : ` <${placeholder}>`;
    command.addOption(new Option(`--${flag}${value}`, description).helpGroup(heading));
  }
  const config =
    'JSON file with these options (flushMs for flush-ms); weaker than variables and flags (RINGLET_CONFIG)';
  command.addOption(new Option('--config <FILE>', config).helpGroup(heading));
}

/** @param without flags of the command that mean something else than the options of these names */
export function settingsOf(command: Command, without: readonly OptionKey[] = []): Resolved {
  const flags = Object.entries(command.opts<Record<string, unknown>>());
  const meant = flags.filter(([name]) => !without.some((key) => key === name));
  return resolveSettings(Object.fromEntries(meant), process.env);
}

/** What a directory decides by what it has already, unless somebody asks for something else. */
const KEPT = ['nodes', 'vnodes', 'capacity', 'partitions', 'n', 'r', 'w'] as const;

export function openOptions({ settings, asked }: Resolved): OpenOptions {
  const { data, engine, durability, valueBytes, flushMs, foregroundP99Ms, maxCallers, allowFaults } =
    settings;
  const kept = Object.fromEntries(KEPT.filter((key) => asked.has(key)).map((key) => [key, settings[key]]));
  return {
    data,
    engine,
    ...kept,
    durability,
    memoryMiB: settings.memory,
    cacheMiB: settings.cache,
    valueBytes,
    flushMs,
    foregroundP99Ms,
    maxCallers,
    allowFaults,
  };
}
