import type { VnodePaths } from './data-layout.js';
import type { Lives } from './lives.js';
import type { Finding, Losses } from './losses.js';
import { quarantine } from './quarantine.js';
import type { RebuildMark } from './rebuild-mark.js';

/** Durably, before the first record of the virtual node is made anew. */
export function putAside(
  vnode: VnodePaths,
  { reason, kept }: Finding,
  losses: Losses,
  lives: Lives,
): RebuildMark {
  const mark = {
    since: new Date().toISOString(),
    reason,
    buckets: losses.lastBucket,
    discarded: false,
  };
  // What was put aside is never taken for what takes its place.
  lives.replace(vnode.vnodeId, (stampIn) => quarantine(vnode, mark, kept, stampIn));
  losses.began(vnode.vnodeId, mark);
  return mark;
}
