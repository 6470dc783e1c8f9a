import { Command, Option } from 'commander';
import { backupText } from './backup.js';
import { print } from './key-command.js';
import { interruptible } from './stop-signal.js';
import { addStoreOptions, openOptions, settingsOf } from './store-options.js';

const NOTES = `
The backup is verified first. The directory must be missing or empty; it is filled under another name, and
gets its own when all is in it, so a command that fails or is stopped leaves nothing. Nodes, capacities and partitions are
those of the backup unless flags name others; buckets and their properties come with it.

The new store has an id and actor numbers of its own: it may run beside the original, and the two go
different ways from then on. Contexts that clients hold are good for what is in the backup.

Examples:
  ringlet restore monday.ringlet --data ./restored
  ringlet restore monday.ringlet --data /var/lib/ringlet --nodes 6 --partitions 256 --json`;

/** `ringlet restore FILE --data DIR`. */
export function restoreCommand(): Command {
  const command = new Command('restore')
    .description('make a new data directory of a backup')
    .argument('<FILE>', 'what backup has written')
    .addOption(new Option('--json', 'machine-readable output'));
  addStoreOptions(command, 'The new store:', [
    'http',
    'resp',
    'respFlush',
    'ioThreads',
    'engine',
    'allowFaults',
    'admin',
    'insecure',
    'tokenFile',
    'tlsCert',
    'tlsKey',
  ]);
  return command
    .addHelpText('after', NOTES)
    .action(async (file: string, { json }: { json?: true }, self: Command) => {
      const startMs = performance.now();
      const options = openOptions(settingsOf(self));
      const { restore } = await import('../host/backup/restore.js');
      const restored = await interruptible((signal) => restore(file, options, { signal }));
      const seconds = (performance.now() - startMs) / 1_000;
      const copies = restored.copies.toLocaleString('en');
      const text = `${backupText(restored)}, ${copies} copies in ${restored.data} (${seconds.toFixed(1)} s)\n`;
      await print(json === true ? `${JSON.stringify({ file, ...restored, seconds })}\n` : text);
    });
}
