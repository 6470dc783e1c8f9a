import type { StoreStats, VnodeStats } from '../client/api.js';

/** Holders of hints are listed up to here; --json has all. */
const MAX_HOLDERS = 8;

/** What is kept for virtual nodes that do not serve: how much, for whom, how long already. */
export function hintLines({ vnodes }: StoreStats): string[] {
  const holders = vnodes.filter(({ hints }) => hints.waiting > 0);
  if (holders.length === 0) return ['Hints: none wait'];
  const waiting = holders.reduce((sum, { hints }) => sum + hints.waiting, 0);
  const shown = holders.slice(0, MAX_HOLDERS).map(({ id, hints }) => {
    const owners = named(hints.owners);
    return `  ${id} keeps ${hints.waiting} for ${owners} (${kib(hints.bytes)}, oldest ${seconds(hints.oldestMs)})`;
  });
  const more = holders.length - shown.length;
  return [
    `Hints: ${waiting} wait for owners that do not serve, or are on their way to them`,
    ...shown,
    ...(more > 0 ? [`  and ${more} more (--json)`] : []),
  ];
}

/** Whether replicas are known to be equal, and what was sent to make them so. */
export function treeLines({ vnodes }: StoreStats): string[] {
  const ids = (which: (vnode: VnodeStats) => boolean): string[] => vnodes.filter(which).map(({ id }) => id);
  const sent = vnodes.reduce((sum, { repairKeysSent }) => sum + repairKeysSent, 0);
  const repaired = vnodes.reduce((sum, { readRepairs }) => sum + readRepairs, 0);
  const rebuilding = ids(({ trees }) => trees === 'rebuilding');
  const unknown = ids(({ trees, inSyncMs }) => trees === 'usable' && inSyncMs === null);
  const longest = vnodes.reduce((most, { inSyncMs }) => Math.max(most, inSyncMs ?? 0), 0);
  const state =
    rebuilding.length > 0
      ? `rebuilding at ${named(rebuilding)}`
      : unknown.length > 0
        ? `usable; not compared yet, or n = 1: ${named(unknown)}`
        : `usable; all peers were found equal within the last ${seconds(longest)}`;
  return [
    `Trees: ${state}`,
    `Repair: ${sent} keys sent because trees differed, ${repaired} merged after reads`,
  ];
}

/** Whether background work is held back for requests, and where most. */
export function backgroundLines({ vnodes }: StoreStats): string[] {
  const held = vnodes.filter(({ background }) => background.share < 1);
  if (held.length === 0) return ['Background work: not held back'];
  const worst = held.reduce((a, b) => (b.background.share < a.background.share ? b : a));
  const { share, foregroundP99Ms } = worst.background;
  return [
    `Background work: held back for requests at ${named(held.map(({ id }) => id))}`,
    `  most at ${worst.id}: ${Math.round(share * 100)} % of its time, at a p99 of ${foregroundP99Ms.toFixed(1)} ms`,
  ];
}

/** What was read again, and what was wrong with it. */
export function scrubLine({ vnodes }: StoreStats): string {
  const records = vnodes.reduce((sum, { scrub }) => sum + scrub.records, 0);
  const damaged = vnodes.reduce((sum, { scrub }) => sum + scrub.damaged, 0);
  const unread = vnodes.filter(({ scrub }) => scrub.lastPassMs === null).length;
  const longest = vnodes.reduce((most, { scrub }) => Math.max(most, scrub.lastPassMs ?? 0), 0);
  const passes =
    unread === 0 ? `all were through within the last ${seconds(longest)}` : `${unread} are not through yet`;
  return `Scrub: ${records} records read again, ${damaged} damaged; ${passes}`;
}

function named(ids: readonly string[]): string {
  return ids.length <= 3 ? ids.join(', ') : `${ids.slice(0, 2).join(', ')} and ${ids.length - 2} more`;
}

function kib(bytes: number): string {
  return `${Math.ceil(bytes / 1024)} KiB`;
}

function seconds(milliseconds: number): string {
  return `${Math.ceil(milliseconds / 1000)} s`;
}
