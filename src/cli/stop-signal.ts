/** What a shell reports for a process that a signal ended. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * On Ctrl-C under npm the signal comes twice, from the terminal and from npm, which passes it on.
 * The second one within this time is the same key press.
 */
const ECHO_MS = 300;

/** Runs what a SIGINT or SIGTERM ends early, so that it leaves nothing behind; a second one ends the process at once. */
export async function interruptible<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const [interrupt, done] = [new AbortController(), new AbortController()];
  void stopSignal(done.signal).then((signal) => interrupt.abort(signal));
  try {
    return await run(interrupt.signal);
  } finally {
    done.abort();
  }
}

/**
 * Resolves at the first SIGINT or SIGTERM; a second one ends the process at once.
 *
 * @param done from then on signals do what they do without us
 */
export function stopSignal(done?: AbortSignal): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    let firstInterruptMs = Infinity;
    let stopping = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      const onSignal = (): void => {
        const nowMs = performance.now();
        const echo = signal === 'SIGINT' && nowMs - firstInterruptMs < ECHO_MS;
        if (signal === 'SIGINT') firstInterruptMs = Math.min(firstInterruptMs, nowMs);
        if (stopping && !echo) process.exit(EXIT_CODES[signal]);
        stopping = true;
        resolve(signal);
      };
      process.on(signal, onSignal);
      done?.addEventListener('abort', () => process.off(signal, onSignal));
    }
  });
}
