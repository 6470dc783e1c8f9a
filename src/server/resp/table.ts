import type { Command } from './command.js';
import { connectionCommands } from './commands/connection.js';
import { copyCommands } from './commands/copies.js';
import { counterCommands } from './commands/counters.js';
import { keyCommands } from './commands/keys.js';
import { lifetimeCommands } from './commands/lifetimes.js';
import { versionCommands } from './commands/kv.js';
import { serverCommands } from './commands/server.js';
import { stringCommands } from './commands/strings.js';
import { transactionCommands } from './commands/transactions.js';

/** Every command that exists, by its name in lower case. */
export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  [
    ...connectionCommands,
    ...serverCommands,
    ...keyCommands,
    ...stringCommands,
    ...counterCommands,
    ...lifetimeCommands,
    ...copyCommands,
    ...transactionCommands,
    ...versionCommands,
  ].map((command) => [command.name, command]),
);
