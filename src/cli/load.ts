import { extname } from 'node:path';
import { type Command, Option } from 'commander';
import { RingletError } from '../base/errors.js';
import { oneLine } from './failure.js';
import { print, targetCommand, withTarget } from './key-command.js';
import { bucketOf } from './load/bucket.js';
import { EntryWriter } from './load/entry-writer.js';
import { type InputFormat, openInput, readRecords } from './load/input.js';
import { compileKey } from './load/key-template.js';
import { drawNodeLoad, NodeTally, type NodeLoad } from './load/node-load.js';
import { exportedEntries, keyedEntries } from './load/prepare.js';
import { startProgress, type Progress } from './load/progress.js';
import { LoadCheckpoint } from './load/resume.js';
import { LoadRun, TOLD, type LoadCounts } from './load/run.js';
import { interruptible } from './stop-signal.js';
import { storeOf } from './target.js';

interface LoadFlags {
  readonly bucket: string;
  readonly key?: string;
  readonly format: InputFormat['format'];
  readonly columns?: string[];
  readonly resume?: true;
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
With --key records are any JSON: they are stored compact, as application/json. A row of CSV becomes an
object of text, named by the first line or --columns. Without --key the file is one that export has
written, and keys come back with their values, content types, siblings and remaining lifetimes.

Bad records are reported by number (the line of NDJSON, the element of an array, the line where a row
begins) and skipped. Of several records with the same key the last one stays, or all as siblings in a bucket
that keeps them; they are counted as duplicates by a 53-bit hash, up to 12 million different keys. A bucket
that does not exist yet is created with the conflict rule lww (siblings for exported keys), so that repeated
loads leave one value per key. What --conflict, --n, --r, --w and --durability say is the new bucket's; where
the bucket exists otherwise, the load is refused.

--resume notes every second in FILE.ringlet-load up to which record all are acknowledged, and begins
behind it when there is such a file; it goes when the load is complete. Records behind it may be written
twice, with the same result. Ctrl-C ends a load in good order: what is under way is still written. Exit
code 1 if a record could not be written, every one was bad, or the input breaks off.

Examples:
  ringlet load users.ndjson --bucket users --key id
  ringlet load cities.json --bucket cities --key '{country}/{name}/{lat},{lng}'
  ringlet load stations.csv --bucket stations --key id --resume
  zcat log.gz | ringlet load - --bucket log --key '#line' --json
  ringlet export --bucket users --out users.ndjson && ringlet load users.ndjson --bucket copy`;

export function loadCommand(): Command {
  return targetCommand('load', 'write the records of an NDJSON, JSON or CSV file, of any length')
    .argument('<FILE>', 'the file, or - for standard input')
    .option(
      '--key <KEY>',
      'a field (id, address.city), a template ({country}/{name}), or #line; without: exported keys',
    )
    .addOption(
      new Option('--format <FORMAT>', 'what the input is; auto goes by .csv and the first character')
        .choices(['auto', 'ndjson', 'array', 'csv'])
        .default('auto'),
    )
    .addOption(
      new Option('--columns <NAMES>', 'of CSV without a line that names them: id,name,…').argParser(
        (names: string) => names.split(','),
      ),
    )
    .option('--conflict <RULE>', 'of the bucket: lww or siblings')
    .option('--resume', 'go on where an earlier load with --resume was interrupted')
    .addHelpText('after', NOTES)
    .action(async (file: string, flags: LoadFlags, command: Command) => {
      const { bucket, key, columns } = flags;
      const exported = key === undefined;
      const prepare = exported ? exportedEntries : keyedEntries(compileKey(key));
      const format = formatOf(file, flags);
      const checkpoint = await checkpointOf(file, flags, format, storeOf(command));
      let interrupted = false;
      const summary = await interruptible(async (signal) => {
        const input = await openInput(file, signal);
        return withTarget(command, { creates: true }, async (target) => {
          const { n, conflict } = await bucketOf(target, command, bucket, exported ? 'siblings' : 'lww');
          const tally = new NodeTally(await target.ring(), n);
          const after = checkpoint?.after ?? 0;
          const writer = new EntryWriter(target, { bucket, conflict, supersedes: exported || after > 0 });
          const run: LoadRun = new LoadRun({
            prepare,
            after,
            signal,
            write: (entry) => writer.write(entry),
            repeatable: writer.repeatable,
            written: (name) => tally.add(name),
            tell: (line) => progress.tell(oneLine(`ringlet: ${line}`)),
          });
          const progress: Progress = startProgress(() => run.counts, input.totalBytes, process.stderr);
          checkpoint?.begin(() => run.settled);
          const startMs = performance.now();
          const inputFormat = { format, exported, ...(columns === undefined ? {} : { columns }) };
          let complete = false;
          try {
            await run.run(readRecords(input.chunks, inputFormat, (bytes) => progress.read(bytes)));
            complete = run.counts.failed === 0 && run.counts.stopped === undefined;
          } finally {
            progress.stop();
            await checkpoint?.end(run.settled, complete);
          }
          const seconds = (performance.now() - startMs) / 1_000;
          const recordsPerSecond = Math.round(run.counts.written / Math.max(seconds, 0.001));
          const loadPerNode = tally.result();
          interrupted = signal.aborted;
          return { file, bucket, ...run.counts, seconds, recordsPerSecond, loadPerNode };
        });
      });
      await print(flags.json === true ? `${JSON.stringify(summary)}\n` : describe(summary));
      if (summary.stopped !== undefined) {
        const code = interrupted ? 'ABORTED' : 'IO';
        throw new RingletError(code, `the load ended early: ${summary.stopped}`, { file });
      }
      if (summary.bad > 0 && summary.bad === summary.records) {
        throw new RingletError(
          'IO',
          `no record of ${file} is one that can be stored; is it NDJSON, a JSON array or CSV, not compressed, with the fields of --key?`,
          { file, records: summary.records },
        );
      }
      if (summary.failed > 0) process.exitCode = 1;
    });
}

function formatOf(file: string, { format, columns }: LoadFlags): InputFormat['format'] {
  const named = format === 'auto' && extname(file).toLowerCase() === '.csv' ? 'csv' : format;
  if (columns === undefined || named === 'csv') return named;
  throw new RingletError('USAGE', `columns (flag --columns): expected with CSV, the input is ${named}`, {
    option: 'columns',
    format: named,
  });
}

async function checkpointOf(
  file: string,
  { bucket, key, columns, resume }: LoadFlags,
  format: string,
  store: string,
): Promise<LoadCheckpoint | undefined> {
  if (resume !== true) return undefined;
  if (file === '-') {
    throw new RingletError('USAGE', 'resume (flag --resume): expected with a file, not standard input', {
      option: 'resume',
    });
  }
  return LoadCheckpoint.open(file, { store, bucket, key: key ?? null, format, columns: columns ?? null });
}

function describe(summary: LoadSummary): string {
  const number = (value: number): string => value.toLocaleString('en');
  const untold = Math.max(0, summary.bad - TOLD);
  const lines = [
    `${number(summary.records)} records of ${summary.file} into bucket ${summary.bucket}:`,
    ...(summary.skipped > 0 ? [`  skipped     ${number(summary.skipped)}, written by an earlier load`] : []),
    ...(summary.expired > 0 ? [`  expired     ${number(summary.expired)}`] : []),
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
