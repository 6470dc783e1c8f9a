/** Modules that start threads or processes run compiled: Node 20 cannot load a `.ts` worker. */
export async function built<T>(module: string): Promise<T> {
  return (await import(new URL(`../../dist/bench/${module}.js`, import.meta.url).href)) as T;
}
