import { Command } from 'commander';
import type { RingPlan, RingProgress } from '../client/ring-api.js';
import { RingletError } from '../base/errors.js';
import type { HttpTarget } from './http-target.js';
import { print } from './key-command.js';
import { runningCommand, withRunning } from './target.js';

const LOOK_MS = 250;
const MAX_PARTITIONS = 16;

interface Flags {
  readonly plan?: true;
  readonly wait: boolean;
  readonly rollBack?: true;
  readonly abandon?: true;
  readonly json?: true;
}

/** What a change is, where none is taken back. */
interface Wanted {
  readonly planned: Readonly<Record<string, unknown>>;
  readonly begin: (target: HttpTarget) => Promise<RingProgress>;
}

/** `ringlet join --node n5 --capacity 2`. */
export function joinCommand(): Command {
  const command = runningCommand('join', 'add a node to a running store')
    .option('--node <ID>', 'its name, such as n5; --roll-back needs none')
    .option('--capacity <N>', 'relative load (default: 1)', numberOf('capacity'))
    .option('--vnodes <COUNT>', 'virtual nodes, each a thread (default: 1)', numberOf('vnodes'));
  return changeCommand(
    command,
    'Examples:\n  ringlet join --node n5 --capacity 2 --plan\n  ringlet join --node n5',
  ).action((flags: Flags & { node?: string; capacity?: number; vnodes?: number }, self: Command) => {
    const { node, capacity, vnodes } = flags;
    if (node === undefined) return takeBack(self, flags, "required option '--node <ID>' not specified");
    const request = {
      node,
      ...(capacity === undefined ? {} : { capacity }),
      ...(vnodes === undefined ? {} : { vnodes }),
    };
    return change(self, flags, {
      planned: { change: 'join', ...request },
      begin: (target) => target.join(request),
    });
  });
}

/** `ringlet leave n2`. */
export function leaveCommand(): Command {
  const command = runningCommand('leave', 'take a node out of a running store').argument(
    '[NODE]',
    'such as n2; --roll-back needs none',
  );
  return changeCommand(command, 'Examples:\n  ringlet leave n2 --plan\n  ringlet leave n2').action(
    (node: string | undefined, flags: Flags, self: Command) => {
      if (node === undefined) return takeBack(self, flags, "missing required argument 'NODE'");
      return change(self, flags, {
        planned: { change: 'leave', node },
        begin: (target) => target.leave(node),
      });
    },
  );
}

function changeCommand(command: Command, examples: string): Command {
  return command
    .option('--plan', 'show what would move, and change nothing')
    .option('--no-wait', 'return as soon as it has begun')
    .option('--roll-back', 'take back the change under way, if it has handed nothing over yet')
    .option('--abandon', 'with --roll-back: do not wait for a joiner that does not serve any more')
    .addHelpText(
      'after',
      `\nRequests go on meanwhile. One change at a time. A command that is stopped stops no change.\n\n${examples}`,
    );
}

/** Of a command without a node: one change is under way at a time, and needs no name to be taken back. */
function takeBack(self: Command, flags: Flags, missing: string): Promise<void> {
  return takesBack(flags) ? change(self, flags) : self.error(`error: ${missing}`);
}

async function change(self: Command, flags: Flags, wanted?: Wanted): Promise<void> {
  const begin = takesBack(flags) || wanted === undefined ? undefined : wanted.begin;
  await withRunning(self, async (target) => {
    if (flags.plan === true && wanted !== undefined) {
      const plan = await target.plan(wanted.planned);
      await print(flags.json === true ? `${JSON.stringify(plan)}\n` : planText(plan));
      return;
    }
    let progress = begin === undefined ? await target.rollBack(flags.abandon === true) : await begin(target);
    let shown = '';
    for (;;) {
      const line = flags.json === true ? JSON.stringify(progress) : progressLine(progress);
      if (line !== shown) await print(`${line}\n`);
      shown = line;
      if (!flags.wait || isOver(progress)) return;
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_MS);
      });
      progress = (await target.ringProgress()) ?? progress;
    }
  });
}

function takesBack({ rollBack, abandon, plan }: Flags): boolean {
  if (rollBack === true && plan === true) {
    throw new RingletError('USAGE', 'plan (flag --plan): not with --roll-back', { option: 'plan' });
  }
  if (rollBack === true || abandon !== true) return rollBack === true;
  throw new RingletError('USAGE', 'abandon (flag --abandon): only with --roll-back', { option: 'abandon' });
}

function isOver({ phase }: RingProgress): boolean {
  return phase === 'done' || phase === 'rolled back';
}

/** One line of what a change has done so far. */
export function progressLine(progress: RingProgress): string {
  const { change: kind, node, phase, partitions, handed, compared, keys, cleaning, forMs } = progress;
  const what = `${kind} of ${node}`;
  const seconds = `${(forMs / 1_000).toFixed(1)} s`;
  switch (phase) {
    case 'starting':
      return `${what}: its threads start`;
    case 'moving':
      return `${what}: ${handed} of ${partitions} partitions handed over, ${compared} compared; ${keys} keys moved`;
    case 'cleaning':
      return `${what}: all ${partitions} partitions handed over, ${keys} keys moved; old copies go at ${cleaning.join(', ')}`;
    case 'done':
      return `${what}: done in ${seconds}; ${partitions} partitions, ${keys} keys moved`;
    case 'rolled back':
      return `${what}: taken back after ${seconds}`;
  }
}

export function planText({ change: kind, node, partitions, keys, allKeys }: RingPlan): string {
  const share = allKeys === 0 ? '' : ` (${((100 * keys) / allKeys).toFixed(1)} % of all copies)`;
  const lines = partitions
    .slice(0, MAX_PARTITIONS)
    .map(
      ({ partition, from, to, keys: moving }) =>
        `  ${String(partition).padStart(5)}  ${`${from.join(', ')} → ${to.join(', ')}`.padEnd(32)}${moving}`,
    );
  const more = partitions.length - lines.length;
  return `${[
    `${kind} of ${node}: ${partitions.length} partitions and about ${keys} copies of keys would move${share}`,
    ...(lines.length === 0 ? [] : ['  PARTITION  FROM → TO, KEYS (ABOUT)', ...lines]),
    ...(more > 0 ? [`  and ${more} more (--json)`] : []),
  ].join('\n')}\n`;
}

function numberOf(flag: string): (text: string) => number {
  return (text) => {
    if (/^\d{1,3}$/.test(text)) return Number(text);
    throw new RingletError(
      'USAGE',
      `${flag} (flag --${flag}): got "${text.slice(0, 80)}", expected a whole number`,
      {
        option: flag,
        given: text.slice(0, 80),
      },
    );
  };
}
