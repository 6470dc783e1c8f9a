import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { RingletError } from '../base/errors.js';
import type { VnodeReport } from '../host/offline.js';
import { backupText } from './backup.js';
import { print } from './key-command.js';
import { addOptions, settingsOf } from './store-options.js';

const NOTES = `
The store must be stopped. Every record of LMDB and of the journals is read in a process of its own and
compared with its checksum. Nothing is repaired: a start puts aside what is damaged, and rebuilds it from
the other nodes. Exit code 1 if anything is damaged or missing. With --backup a backup is read instead.

Examples:
  ringlet verify
  ringlet verify --data /var/lib/ringlet --json
  ringlet verify --backup monday.ringlet`;

/** `ringlet verify`: every record of a data directory, offline. */
export function verifyCommand(): Command {
  const command = new Command('verify')
    .description('check every record of the data directory of a store that is stopped')
    .addOption(new Option('--backup <FILE>', 'check a backup, and nothing else'))
    .addOption(new Option('--json', 'machine-readable output'))
    .addHelpText('after', NOTES);
  addOptions(command, 'Where the store is:', ['data']);
  return command.action(async ({ json, backup }: { json?: true; backup?: string }, self: Command) => {
    if (backup !== undefined) {
      const { readBackup } = await import('../host/backup/reader.js');
      const { summary } = await readBackup(backup);
      await print(json === true ? `${JSON.stringify(summary)}\n` : `whole: ${backupText(summary)}\n`);
      return;
    }
    const data = resolve(settingsOf(self).settings.data);
    const { verifyStore } = await import('../host/offline.js');
    const report = await verifyStore(data);
    await print(json === true ? `${JSON.stringify({ vnodes: report })}\n` : verifyScreen(report));
    const damaged = report.filter(({ damage }) => damage !== null);
    if (damaged.length === 0) return;
    throw new RingletError(
      'DATA_CORRUPT',
      `${damaged.length} of ${report.length} virtual nodes are damaged; a start rebuilds them from the others, if these have everything`,
      { damaged: damaged.length, of: report.length },
    );
  });
}

export function verifyScreen(report: readonly VnodeReport[]): string {
  const lines = report.flatMap(({ vnode, records, journalled, hints, damage, rebuilding, quarantines }) => [
    `${vnode.padEnd(8)} ${damage === null ? 'whole  ' : 'DAMAGED'}  ${records} records, ${journalled} newer in the journal` +
      (hints === null || hints === 0 ? '' : `, ${hints} hints`),
    ...(damage === null ? [] : [`         ${damage}`]),
    ...(rebuilding === null ? [] : [`         is being rebuilt: ${rebuilding}`]),
    ...quarantines.map((name) => `         put aside: ${name}`),
  ]);
  return `${lines.join('\n')}\n`;
}
