import type { Command } from 'commander';
import { printable } from './failure.js';
import { print, targetCommand, withTarget } from './key-command.js';
import type { Inspected } from './target.js';

/** `ringlet inspect KEY`: where a key lives, and what each of its owners has. */
export function inspectCommand(): Command {
  return targetCommand('inspect', 'show where a key lives and what each of its owners has')
    .argument('<KEY>')
    .addHelpText(
      'after',
      `
Examples:
  ringlet inspect greeting
  ringlet inspect CH/Bern/46.94809,7.44744 --bucket cities --json`,
    )
    .action(async (key: string, { bucket, json }: { bucket: string; json?: true }, command: Command) => {
      const inspected = await withTarget(command, { creates: false }, (target) =>
        target.inspect(bucket, key),
      );
      await print(json === true ? `${JSON.stringify(inspected)}\n` : inspectionScreen(key, inspected));
    });
}

const ANSWERS = { present: 'has it', absent: 'has nothing', none: 'not asked, or no answer' } as const;

export function inspectionScreen(key: string, inspected: Inspected): string {
  const { bucket, partition, n, r, preferenceList, siblings, deleted, degraded, timeline } = inspected;
  const values = siblings.length === 1 ? 'one value' : `${siblings.length} siblings`;
  const found = siblings.length > 0 ? values : deleted ? 'deleted' : 'never written';
  const copies = preferenceList.filter(({ owner, answer }) => owner && answer === 'present').length;
  const lines = [
    `"${printable(key)}" in bucket ${bucket}: ${found}; partition ${partition}, ${copies} of ${n} owners have it, a get compares ${r}${degraded ? '; degraded' : ''}`,
    '',
    row('VIRTUAL NODE', 'ROLE', 'STATE', 'COPY', 'VERSIONS'),
    ...preferenceList.map(({ vnode, owner, state, answer, versions }) =>
      row(
        vnode,
        owner ? 'owner' : 'fallback',
        state,
        ANSWERS[answer],
        versions.map(({ actor, counter }) => `${actor}:${counter}`).join(' '),
      ),
    ),
    '',
    ...siblings.map(
      ({ bytes, contentType, modifiedAt }) => `Value: ${bytes} bytes, ${contentType}, written ${modifiedAt}`,
    ),
    'Timeline of the get, in µs:',
    ...timeline.map(({ atUs, event, vnode = '', outcome = '' }) =>
      `${String(atUs).padStart(9)}  ${event.padEnd(12)} ${vnode.padEnd(8)} ${outcome}`.trimEnd(),
    ),
  ];
  return `${lines.join('\n')}\n`;
}

function row(vnode: string, role: string, state: string, copy: string, versions: string): string {
  return `${vnode.padEnd(14)}${role.padEnd(10)}${state.padEnd(12)}${copy.padEnd(26)}${versions}`.trimEnd();
}
