/** The one place that knows where worker entries are: compiled JavaScript beside this file. */
export const VNODE_WORKER = new URL('../shard/worker-entry.cjs', import.meta.url).href;
