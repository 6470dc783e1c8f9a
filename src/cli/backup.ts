import type { Command } from 'commander';
import { RingletError } from '../base/errors.js';
import type { BackupSummary } from '../client/backup-api.js';
import { print, storeCommand, withTarget } from './key-command.js';
import { interruptible } from './stop-signal.js';

interface BackupFlags {
  readonly without?: string[];
  readonly json?: true;
}

const NOTES = `
The store goes on serving. The file has everything that was acknowledged before the command began, of all
buckets: siblings, deletions, counters, lifetimes, and the buckets' properties. It is read again and every
checksum compared before it gets its name, so a file of that name is a whole backup. It comes to where the
command runs, also with --url. All virtual nodes must serve, or be left out by --without; no node joins or
leaves meanwhile. "ringlet verify --backup FILE" checks it later, "ringlet restore" makes a store of it.

Examples:
  ringlet backup /backups/monday.ringlet
  ringlet backup monday.ringlet --url http://127.0.0.1:8098 --json
  ringlet backup saved.ringlet --without n2.0`;

/** `ringlet backup FILE`. */
export function backupCommand(): Command {
  return storeCommand('backup', 'write everything of a store into a new file, also while it serves')
    .argument('<FILE>', 'a new file')
    .option('--without <VNODES>', 'virtual nodes that cannot serve, such as n2.0,n3.0', (list: string) =>
      list.split(',').map((name) => name.trim()),
    )
    .addHelpText('after', NOTES)
    .action(async (file: string, { without = [], json }: BackupFlags, command: Command) => {
      if (file === '-') {
        // It is read again before it is one.
        const expected = 'the name of a new file, a backup cannot go to standard output';
        throw new RingletError('USAGE', `FILE: got "-", expected ${expected}`, { given: file, expected });
      }
      const startMs = performance.now();
      const { writeBackup } = await import('../host/backup/file.js');
      const summary = await interruptible((signal) =>
        withTarget(command, { creates: false }, (target) =>
          writeBackup(file, target.backup(without), signal),
        ),
      );
      const seconds = (performance.now() - startMs) / 1_000;
      const text = `${backupText(summary)} in ${file} (${seconds.toFixed(1)} s)\n`;
      await print(json === true ? `${JSON.stringify({ file, ...summary, seconds })}\n` : text);
    });
}

/** What a backup has, as the beginning of a sentence. */
export function backupText({ records, buckets, bytes, damagedCopies, without }: BackupSummary): string {
  const number = (value: number): string => value.toLocaleString('en');
  const what = `${number(records)} keys of ${number(buckets)} buckets, ${number(bytes)} bytes`;
  const missing = without.length === 0 ? '' : `, without ${without.join(', ')}`;
  const damaged =
    damagedCopies === 0 ? '' : `, ${number(damagedCopies)} damaged copies left out (see "ringlet status")`;
  return what + missing + damaged;
}
