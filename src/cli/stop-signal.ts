/** What a shell reports for a process that a signal ended. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * On Ctrl-C under npm the signal comes twice, from the terminal and from npm, which passes it on.
 * The second one within this time is the same key press.
 */
const ECHO_MS = 300;

/** Resolves at the first SIGINT or SIGTERM; a second one ends the process at once. */
export function stopSignal(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    let firstInterruptMs = Infinity;
    let stopping = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        const nowMs = performance.now();
        const echo = signal === 'SIGINT' && nowMs - firstInterruptMs < ECHO_MS;
        if (signal === 'SIGINT') firstInterruptMs = Math.min(firstInterruptMs, nowMs);
        if (stopping && !echo) process.exit(EXIT_CODES[signal]);
        stopping = true;
        resolve(signal);
      });
    }
  });
}
