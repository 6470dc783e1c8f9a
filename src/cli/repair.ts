import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { print } from './key-command.js';
import { addOptions, settingsOf } from './store-options.js';

const NOTES = `
The store must be stopped. A virtual node that lost its data is rebuilt from its peers as soon as the store
starts; this command is for what no peer has: buckets with n = 1, or a partition whose owners are all lost.
Such a store does not start (DATA_CORRUPT names the virtual nodes) until they are discarded: they then begin
with what the others still have, and what was put aside for them is deleted when they are whole.

Example:
  ringlet repair --discard n1.0,n2.0 --data /var/lib/ringlet`;

/** `ringlet repair --discard`: the operator's word that what is lost shall count as gone. */
export function repairCommand(): Command {
  const command = new Command('repair')
    .description('give up what virtual nodes have lost that no other replica has')
    .addOption(
      new Option('--discard <VNODES>', 'virtual nodes that lost their data, such as n1.0,n2.0')
        .argParser((list: string) => list.split(',').map((name) => name.trim()))
        .makeOptionMandatory(),
    )
    .addOption(new Option('--json', 'machine-readable output'))
    .addHelpText('after', NOTES);
  addOptions(command, 'Where the store is:', ['data']);
  return command.action(async ({ discard, json }: { discard: string[]; json?: true }, self: Command) => {
    const { data } = settingsOf(self).settings;
    const { discardLost } = await import('../host/offline.js');
    await discardLost(resolve(data), discard);
    const text = `discarded what only ${discard.join(', ')} had; the next start rebuilds from the others\n`;
    await print(json === true ? `${JSON.stringify({ discarded: discard })}\n` : text);
  });
}
