/** The compiled simulator: it runs about twice as fast as what vitest makes of the sources. */
export async function built<T>(module: string): Promise<T> {
  return (await import(new URL(`../../dist/${module}.js`, import.meta.url).href)) as T;
}

export const LONG = process.env['RINGLET_LONG'] !== undefined;
/** What takes minutes: in a stage of .ci/run, which sets this, and in long runs. */
export const WHOLE = LONG || process.env['RINGLET_SIM'] === 'whole';
