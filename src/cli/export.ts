import { type Command, Option } from 'commander';
import { RingletError } from '../base/errors.js';
import { type ExportFormat, exportHead, exportLine } from './entries/write.js';
import { ExportFile, type ExportSink, StandardOutput } from './export/sink.js';
import { print, targetCommand, withTarget } from './key-command.js';
import { interruptible } from './stop-signal.js';
import { storeOf } from './target.js';

interface ExportFlags {
  readonly bucket: string;
  readonly prefix?: string;
  readonly format: ExportFormat;
  readonly out?: string;
  readonly resume?: true;
  readonly json?: true;
}

const NOTES = `
One line per key: {"key":"a","json":{"b":1}}. Values of the content type application/json are JSON
without white space, others {"base64":"…","contentType":"…"}; keys that are no UTF-8 are keyBase64;
concurrent values are a list, siblings; what expires says expiresAt. A counter is its sum. load reads
all of it back, also with other options for the bucket, into any store.

Each key is as it was when it was read; one that exists throughout is met exactly once. For everything as
of one moment use backup. With --resume an interrupted export goes on where OUT.ringlet-export says, which
is noted every second: keys that were written since then are in it if they come behind that place.

Examples:
  ringlet export --bucket cities > cities.ndjson
  ringlet export --bucket cities --prefix CH/ --format csv --out swiss.csv
  ringlet export --bucket cities --out cities.ndjson --resume`;

/** `ringlet export`: all keys of a bucket with their values, as `load` takes them. */
export function exportCommand(): Command {
  return targetCommand('export', 'write the keys and values of a bucket as NDJSON or CSV')
    .option('--prefix <PREFIX>', 'only keys that begin with this')
    .addOption(new Option('--format <FORMAT>', 'of the output').choices(['ndjson', 'csv']).default('ndjson'))
    .option('--out <FILE>', 'a new file; default: standard output')
    .option('--resume', 'go on with the file of an export that was interrupted')
    .addHelpText('after', NOTES)
    .action(async (flags: ExportFlags, command: Command) => {
      const { bucket, prefix, format, out } = flags;
      const sink = await sinkOf(flags, storeOf(command));
      let keys = 0;
      try {
        await interruptible((signal) =>
          withTarget(command, { creates: false }, async (target) => {
            const { cursor } = sink;
            if (cursor === undefined) await sink.write(exportHead(format));
            const options = {
              ...(prefix === undefined ? {} : { prefix }),
              ...(cursor === undefined ? {} : { cursor }),
            };
            for await (const listed of target.list(bucket, options)) {
              if (signal.aborted) throw interruption(keys);
              await sink.write(exportLine(listed, format), listed.cursor);
              keys++;
            }
          }),
        );
      } catch (error) {
        await sink.interrupted();
        throw error;
      }
      await sink.complete();
      if (out === undefined) return;
      const summary = { bucket, out, format, keys, resumed: sink.cursor !== undefined };
      const also = summary.resumed ? ' more' : '';
      const text = `${keys.toLocaleString('en')}${also} keys of bucket ${bucket} in ${out}\n`;
      await print(flags.json === true ? `${JSON.stringify(summary)}\n` : text);
    });
}

function interruption(keys: number): RingletError {
  return new RingletError('ABORTED', `the export was interrupted after ${keys} keys`, { keys });
}

async function sinkOf(
  { bucket, prefix, format, out, resume }: ExportFlags,
  store: string,
): Promise<ExportSink> {
  if (out !== undefined) {
    const purpose = { store, bucket, prefix: prefix ?? null, format };
    return ExportFile.open(out, purpose, resume === true);
  }
  if (resume !== true) return new StandardOutput();
  throw new RingletError('USAGE', 'resume (flag --resume): expected with --out FILE', { option: 'resume' });
}
