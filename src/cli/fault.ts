import { Command, Option } from 'commander';
import type { DiskFaultRequest, Fault, LinkFaultRequest } from '../client/api.js';
import { durationOf, probabilityOf } from './durations.js';
import { print, withExamples } from './key-command.js';
import { faultLines } from './status-screen.js';
import { runningCommand, withRunning } from './target.js';

const NOTES = `
The store must run with --allow-faults. AT is a virtual node (n1.0) or a node (n1: all of its virtual
nodes); FROM and TO can also be "callers" (all threads that make requests, HTTP's among them) or "all".
While a link between callers and a virtual node is broken, gets do not read its memory directly.`;

const EXAMPLES: Readonly<Record<string, string>> = {
  crash: 'crash n1.0 --how exit',
  hang: 'hang n2 --for 3s',
  stop: 'stop n3 --for 1m',
  cut: 'cut n1 all --for 30s',
  link: 'link n1 n2 --delay 20ms --jitter 5ms --drop 1% --one-way',
  disk: 'disk n1.0 --slow 50ms --for 30s',
  corrupt: 'corrupt n1.0',
  delete: 'delete n2.0',
  clear: 'clear',
};

/** `ringlet fault …`: one subcommand per kind. */
export function faultCommand(): Command {
  const command = new Command('fault')
    .description('break a running store on purpose')
    .addHelpText('after', NOTES);
  withExamples(command, ...Object.values(EXAMPLES).map((example) => `ringlet fault ${example}`));
  const lasting = '--for <TIME>';
  command.addCommand(
    runningCommand('crash', 'end threads, which are replaced at once')
      .argument('<AT>')
      .addOption(new Option('--how <HOW>', 'by an exception, or by process.exit').choices(['throw', 'exit']))
      .action((at: string, { how }: { how?: 'throw' | 'exit' }, self: Command) =>
        inject(self, { kind: 'crash', at, ...(how === undefined ? {} : { how }) }),
      ),
  );
  command.addCommand(
    runningCommand('hang', 'have threads run in a loop and do nothing else')
      .argument('<AT>')
      .option(lasting, 'for so long; default: until they are replaced, after 10 s', durationOf('for'))
      .action((at: string, { for: forMs }: { for?: number }, self: Command) =>
        inject(self, { kind: 'hang', at, ...(forMs === undefined ? {} : { forMs }) }),
      ),
  );
  command.addCommand(
    runningCommand('stop', 'end threads and start them again later')
      .argument('<AT>')
      .requiredOption(lasting, 'for so long', durationOf('for'))
      .action((at: string, { for: forMs }: { for: number }, self: Command) =>
        inject(self, { kind: 'stop', at, forMs }),
      ),
  );
  command.addCommand(
    linkCommand('cut', 'lose every message between two sides').action(
      (from: string, to: string, flags: LinkFlags, self: Command) =>
        inject(self, linkOf(from, to, flags, true)),
    ),
  );
  command.addCommand(
    linkCommand('link', 'delay, lose, repeat or reorder messages between two sides')
      .option('--delay <TIME>', 'each comes so much later', durationOf('delay'))
      .option('--jitter <TIME>', '… and up to so much more', durationOf('jitter'))
      .option('--drop <P>', 'probability that one is lost, such as 0.1 or 10%', probabilityOf('drop'))
      .option('--duplicate <P>', 'probability that one comes twice', probabilityOf('duplicate'))
      .option('--reorder <P>', 'probability that one is overtaken', probabilityOf('reorder'))
      .action((from: string, to: string, flags: LinkFlags, self: Command) =>
        inject(self, linkOf(from, to, flags, false)),
      ),
  );
  command.addCommand(
    runningCommand('disk', 'make disks slow, full, or fail to sync')
      .argument('<AT>')
      .option('--slow <TIME>', 'everything takes so much longer', durationOf('slow'))
      .option('--full', 'there is no room left')
      .option('--fail-sync', 'every sync fails')
      .option(lasting, 'heals by itself after so long', durationOf('for'))
      .action((at: string, flags: DiskFlags, self: Command) => inject(self, diskOf(at, flags))),
  );
  command.addCommand(
    runningCommand('corrupt', 'change bytes of files in place')
      .argument('<AT>')
      .action((at: string, _flags: object, self: Command) => inject(self, { kind: 'corrupt', at })),
  );
  command.addCommand(
    runningCommand('delete', 'delete directories under threads that have them open')
      .argument('<AT>')
      .action((at: string, _flags: object, self: Command) => inject(self, { kind: 'delete', at })),
  );
  command.addCommand(
    runningCommand('clear', 'heal all links and disks and start what is stopped').action(
      (_flags: object, self: Command) =>
        withRunning(self, async (target) => report(self, await target.clearFaults())),
    ),
  );
  for (const sub of command.commands) withExamples(sub, `ringlet fault ${EXAMPLES[sub.name()]!}`);
  return command;
}

interface LinkFlags {
  readonly oneWay?: true;
  readonly for?: number;
  readonly delay?: number;
  readonly jitter?: number;
  readonly drop?: number;
  readonly duplicate?: number;
  readonly reorder?: number;
}

interface DiskFlags {
  readonly slow?: number;
  readonly full?: true;
  readonly failSync?: true;
  readonly for?: number;
}

function diskOf(at: string, { slow: slowMs, full, failSync, for: forMs }: DiskFlags): DiskFaultRequest {
  const given = Object.entries({ slowMs, full, failSync, forMs }).filter(([, value]) => value !== undefined);
  return { kind: 'disk', at, ...Object.fromEntries(given) };
}

function linkCommand(name: string, description: string): Command {
  return runningCommand(name, description)
    .argument('<FROM>')
    .argument('<TO>')
    .option('--one-way', 'only messages from FROM to TO')
    .option('--for <TIME>', 'heals by itself after so long', durationOf('for'));
}

function linkOf(from: string, to: string, flags: LinkFlags, cut: boolean): LinkFaultRequest {
  const { oneWay, for: forMs, delay: delayMs, jitter: jitterMs, drop, duplicate, reorder } = flags;
  const fields = { oneWay, forMs, delayMs, jitterMs, drop, duplicate, reorder };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return { kind: 'link', from, to, ...(cut ? { cut } : {}), ...Object.fromEntries(given) };
}

function inject(self: Command, fault: Fault): Promise<void> {
  return withRunning(self, async (target) => report(self, await target.inject(fault)));
}

async function report(self: Command, faults: Parameters<typeof faultLines>[0]): Promise<void> {
  const { json } = self.opts<{ json?: true }>();
  await print(json === true ? `${JSON.stringify(faults)}\n` : `${faultLines(faults).join('\n')}\n`);
}
