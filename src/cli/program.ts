import { Command } from 'commander';
import { usageLine } from '../base/usage-line.js';
import { backupCommand } from './backup.js';
import { compareCommand } from './compare.js';
import { deleteCommand } from './delete.js';
import { exportCommand } from './export.js';
import { faultCommand } from './fault.js';
import { getCommand } from './get.js';
import { inspectCommand } from './inspect.js';
import { loadCommand } from './load.js';
import { putCommand } from './put.js';
import { repairCommand } from './repair.js';
import { restoreCommand } from './restore.js';
import { joinCommand, leaveCommand } from './ring-change.js';
import { scanCommand } from './scan.js';
import { serveCommand } from './serve.js';
import { statusCommand } from './status.js';
import { benchCommand, simCommand } from './tool-command.js';
import { packageVersion } from '../server/version.js';
import { verifyCommand } from './verify.js';

const EXAMPLES = `
Examples:
  ringlet serve --nodes 4 --data ./data
  ringlet put greeting hello
  ringlet get greeting
  ringlet load cities.json --bucket cities --key '{country}/{name}/{lat},{lng}'
  ringlet scan --bucket cities --prefix CH/ --limit 10
  ringlet inspect greeting
  ringlet status
  ringlet bench --quick
  ringlet compare bench-results/before bench-results/after

Commands other than serve use --url, else the store that runs in the data directory (--data), else
they open the directory themselves; status, join, leave and fault need a store that runs, repair and verify one that is stopped. Exit codes: 0 done, 1 failed or not found, 2 wrong use.`;

/** The command line. It throws instead of exiting, so that what is open can be closed. */
export function buildProgram(): Command {
  const program = new Command('ringlet')
    .description('A Dynamo-style key-value store inside one Node.js process')
    .version(packageVersion(), '--version')
    .addHelpText('after', EXAMPLES);
  for (const command of [
    serveCommand(),
    loadCommand(),
    exportCommand(),
    getCommand(),
    putCommand(),
    deleteCommand(),
    scanCommand(),
    inspectCommand(),
    statusCommand(),
    joinCommand(),
    leaveCommand(),
    faultCommand(),
    backupCommand(),
    restoreCommand(),
    repairCommand(),
    verifyCommand(),
    benchCommand(),
    compareCommand(),
    simCommand(),
  ]) {
    program.addCommand(command);
  }
  for (const command of [program, ...program.commands]) {
    if (command.commands.length > 0) addHelpCommand(command);
  }
  const all = program.commands.flatMap((command) => [command, ...command.commands]);
  for (const command of [program, ...all]) {
    command.exitOverride().configureOutput({ outputError: (text, write) => write(usageLine(text)) });
  }
  return program;
}

/** In place of commander's, which for a command that is not there prints the whole help and no error. */
function addHelpCommand(of: Command): void {
  const help = new Command('help')
    .description('display help for command')
    .argument('[command]')
    .action((name?: string) => {
      const meant = name === undefined ? of : of.commands.find((command) => command.name() === name);
      if (meant !== undefined) meant.help();
      const known = of.commands.map((command) => command.name()).join(', ');
      of.error(`error: unknown command '${name}'; known are ${known}`);
    });
  of.helpCommand(false).addCommand(help);
}
