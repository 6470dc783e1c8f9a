/** lmdb-js gives the cause within the turn in which the commit fails, or never. */
const CAUSE_MS = 100;

/**
 * What a commit failed of. lmdb-js rejects with a general error; the real one follows, as a rule,
 * by a promise of its own, which ends the thread if nobody handles it. Never rejects.
 */
export async function causeOf(error: unknown): Promise<unknown> {
  if (!(error instanceof Error) || !('commitError' in error)) return error;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<unknown>((resolve) => {
    timer = setTimeout(() => resolve(error), CAUSE_MS);
  });
  const real = Promise.resolve(error.commitError).then(
    () => error,
    (cause: unknown) => cause,
  );
  const cause = await Promise.race([real, late]);
  clearTimeout(timer);
  return cause;
}
