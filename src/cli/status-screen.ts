import type { ArmedDisk, ArmedLink, RingDescription, StoreStats } from '../client/api.js';
import { backgroundLines, hintLines, scrubLine, treeLines } from './repair-lines.js';

const COLUMNS = 80;
/** Broken links are listed up to here; --json has all. */
const MAX_LINKS = 12;

/** The state of a store on a screen of 80 columns. */
export function statusScreen(ring: RingDescription, stats: StoreStats): string {
  const vnodes = ring.nodes.flatMap((node) => node.vnodes.map((vnode) => ({ node, ...vnode })));
  const serving = vnodes.filter(({ state }) => state === 'serving').length;
  const rebuilding = vnodes.filter(({ state }) => state === 'rebuilding').length;
  const lines = [
    `${serving} of ${vnodes.length} virtual nodes serve${rebuilding > 0 ? `, ${rebuilding} are being rebuilt` : ''}, on ${ring.nodes.length} nodes; ${ring.partitions} partitions, ring ${hex(ring.epoch)}`,
    '',
    row('NODE', 'CAPACITY', 'VIRTUAL NODE', 'STATE', 'INCARNATION', 'SUSPECTED BY'),
    ...vnodes.map(({ node, id, state, incarnation, suspectedBy }, i) =>
      row(
        vnodes[i - 1]?.node === node ? '' : node.id,
        vnodes[i - 1]?.node === node ? '' : String(node.capacity),
        id,
        state,
        String(incarnation),
        fitted(suspectedBy, COLUMNS - 57),
      ),
    ),
    '',
    ...changeLines(ring),
    membership(stats),
    ...hintLines(stats),
    ...treeLines(stats),
    scrubLine(stats),
    ...backgroundLines(stats),
    ...faultLines(stats.faults),
  ];
  return `${lines.join('\n')}\n`;
}

function row(
  node: string,
  capacity: string,
  vnode: string,
  state: string,
  incarnation: string,
  suspects: string,
): string {
  const left = `${node.padEnd(6)}${capacity.padEnd(10)}${vnode.padEnd(14)}${state.padEnd(12)}`;
  return `${left}${incarnation.padEnd(15)}${suspects}`.trimEnd();
}

/** As many names as fit, and how many there are besides. */
function fitted(names: readonly string[], width: number): string {
  const whole = names.join(', ');
  if (whole.length <= width) return whole;
  let shown = names.length - 1;
  const text = (): string => [...names.slice(0, shown), `${names.length - shown} more`].join(', ');
  while (shown > 0 && text().length > width) shown--;
  return text();
}

/** How far a ring change has come, if one is under way. */
function changeLines({ change }: RingDescription): string[] {
  if (change === undefined) return [];
  if (change.phase === 'cleaning') return [`Ring change: old copies go at ${change.cleaning.join(', ')}`];
  const { partitions, handed, compared } = change;
  return [`Ring change: ${handed} of ${partitions} partitions handed over, ${compared} compared`];
}

function membership({ vnodes }: StoreStats): string {
  const views = new Map<number, string[]>();
  for (const { id, membership: digest } of vnodes) views.set(digest, [...(views.get(digest) ?? []), id]);
  if (views.size <= 1) return `Membership: all agree (${hex(vnodes[0]?.membership ?? 0)})`;
  const parts = Array.from(views, ([digest, ids]) => `${hex(digest)} at ${ids[0]!}${others(ids.length - 1)}`);
  return `Membership: ${views.size} views, as after a change or in a partition:\n  ${parts.join('\n  ')}`;
}

function others(count: number): string {
  return count === 0 ? '' : ` and ${count} more`;
}

/** What is broken on purpose. */
export function faultLines({ allowed, links, disks }: StoreStats['faults']): string[] {
  if (!allowed) return ['Faults: not allowed'];
  if (links.length + disks.length === 0) return ['Faults: allowed, no link or disk is broken'];
  const shown = links
    .slice(0, MAX_LINKS)
    .map((link) => `  ${`${link.from} → ${link.to}`.padEnd(22)}${effects(link)}`);
  const more = links.length - shown.length;
  return [
    ...(links.length > 0 ? [`Faults: ${links.length} links are broken, counted one way`] : []),
    ...shown,
    ...(more > 0 ? [`  and ${more} more (--json)`] : []),
    ...(disks.length > 0 ? [`Faults: ${disks.length} disks are broken`] : []),
    ...disks.map((disk) => `  ${disk.at.padEnd(22)}${diskEffects(disk)}`),
  ];
}

function diskEffects({ slowMs, full, failSync }: ArmedDisk): string {
  const parts = [slowMs > 0 ? `${slowMs} ms slower` : '', full ? 'full' : '', failSync ? 'syncs fail' : ''];
  return parts.filter((part) => part !== '').join(', ');
}

function effects({ cut, drop, duplicate, reorder, delayMs, jitterMs }: ArmedLink): string {
  if (cut) return 'cut';
  const percent = (name: string, value: number): string =>
    value > 0 ? `${name} ${+(value * 100).toFixed(2)} %` : '';
  const delay = jitterMs > 0 ? `delay ${delayMs}–${delayMs + jitterMs} ms` : `delay ${delayMs} ms`;
  return [
    percent('drop', drop),
    percent('duplicate', duplicate),
    percent('reorder', reorder),
    delayMs + jitterMs > 0 ? delay : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
