/** The one place that knows where worker entries are: compiled JavaScript beside this file. */
export const VNODE_WORKER = new URL('../shard/worker.js', import.meta.url).href;
