import { Option, type Command } from 'commander';
import { RingletError } from '../base/errors.js';
import { print, targetCommand, withTarget } from './key-command.js';
import { openInput, readRecords } from './load/input.js';
import { compileKey } from './load/key-template.js';
import { drawNodeLoad, NodeTally, type NodeLoad } from './load/node-load.js';
import { startProgress, type Progress } from './load/progress.js';
import type { Format } from './load/records.js';
import { LoadRun, TOLD, type LoadCounts } from './load/run.js';

interface LoadFlags {
  readonly bucket: string;
  readonly key: string;
  readonly format: Format | 'auto';
  readonly conflict: string;
  readonly json?: true;
}

interface LoadSummary extends LoadCounts {
  readonly file: string;
  readonly bucket: string;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly loadPerNode: readonly NodeLoad[];
}

const NOTES = `
Records are stored as compact JSON, content type application/json. Bad ones are reported by number
(the line of NDJSON, the element of an array) and skipped. Of several records with the same key the
last one stays; they are counted as duplicates by a 53-bit hash, up to 12 million different keys.
Repeated loads leave one value per key, since a bucket that does not exist yet is created with the
conflict rule lww. Exit code 1 if a record could not be written or the input breaks off.

Examples:
  ringlet load users.ndjson --bucket users --key id
  ringlet load cities.json --bucket cities --key '{country}/{name}/{lat},{lng}'
  zcat log.gz | ringlet load - --bucket log --key '#line' --json`;

export function loadCommand(): Command {
  return targetCommand('load', 'write the records of an NDJSON file or a JSON array, of any length')
    .argument('<FILE>', 'the file, or - for standard input')
    .requiredOption('--key <KEY>', 'a field (id, address.city), a template ({country}/{name}), or #line')
    .addOption(
      new Option('--format <FORMAT>', 'what the input is')
        .choices(['auto', 'ndjson', 'array'])
        .default('auto'),
    )
    .addOption(new Option('--conflict <RULE>', 'of the bucket, if it does not exist yet').default('lww'))
    .addHelpText('after', NOTES)
    .action(async (file: string, flags: LoadFlags, command: Command) => {
      const keyOf = compileKey(flags.key);
      const input = await openInput(file);
      const summary = await withTarget(command, { creates: true }, async (target) => {
        const { n, conflict } = await target.ensureBucket(flags.bucket, { conflict: flags.conflict });
        const tally = new NodeTally(await target.ring(), n);
        const run: LoadRun = new LoadRun({
          keyOf,
          write: (key, value) => target.put(flags.bucket, key, value, { contentType: 'application/json' }),
          repeatable: conflict === 'lww',
          written: (key) => tally.add(key),
          tell: (line) => progress.tell(`ringlet: ${line}`),
        });
        const progress: Progress = startProgress(() => run.counts, input.totalBytes, process.stderr);
        const startMs = performance.now();
        const counts = await run
          .run(readRecords(input.chunks, flags.format, (bytes) => progress.read(bytes)))
          .finally(() => progress.stop());
        const seconds = (performance.now() - startMs) / 1_000;
        const recordsPerSecond = Math.round(counts.written / Math.max(seconds, 0.001));
        return {
          file,
          bucket: flags.bucket,
          ...counts,
          seconds,
          recordsPerSecond,
          loadPerNode: tally.result(),
        };
      });
      await print(flags.json === true ? `${JSON.stringify(summary)}\n` : describe(summary));
      if (summary.stopped !== undefined) {
        throw new RingletError('IO', `the load ended early: ${summary.stopped}`, { file });
      }
      if (summary.failed > 0) process.exitCode = 1;
    });
}

function describe(summary: LoadSummary): string {
  const number = (value: number): string => value.toLocaleString('en');
  const untold = Math.max(0, summary.bad - TOLD);
  const lines = [
    `${number(summary.records)} records of ${summary.file} into bucket ${summary.bucket}:`,
    `  written     ${number(summary.written)} (${number(summary.bytes)} bytes)`,
    `  bad         ${number(summary.bad)}${untold > 0 ? ` (${number(untold)} of them not told above)` : ''}`,
    `  duplicates  ${summary.duplicatesIncomplete ? 'at least ' : ''}${number(summary.duplicates)}`,
    `  failed      ${number(summary.failed)}`,
    `  time        ${summary.seconds.toFixed(1)} s, ${number(summary.recordsPerSecond)} records/s`,
    'Load per node: records held, deviation from the mean (per capacity), the band of ±15 % of the Dynamo paper',
    ...drawNodeLoad(summary.loadPerNode),
  ];
  return `${lines.join('\n')}\n`;
}
