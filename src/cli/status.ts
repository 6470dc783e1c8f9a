import type { Command } from 'commander';
import { print, withExamples } from './key-command.js';
import { statusScreen } from './status-screen.js';
import { runningCommand, withRunning } from './target.js';

/** `ringlet status`: who is there, who suspects whom, what waits or differs, what is broken on purpose. */
export function statusCommand(): Command {
  const command = runningCommand(
    'status',
    'members of a running store, who suspects whom, hints, trees, and injected faults',
  );
  return withExamples(command, 'ringlet status', 'ringlet status --url http://127.0.0.1:8098 --json').action(
    async ({ json }: { json?: true }, self: Command) => {
      const [ring, stats] = await withRunning(self, async (target) => [
        await target.ring(),
        await target.stats(),
      ]);
      await print(json === true ? `${JSON.stringify({ ring, stats })}\n` : statusScreen(ring, stats));
    },
  );
}
