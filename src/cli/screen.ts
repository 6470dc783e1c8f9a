import { resolve } from 'node:path';
import type { RingDescription, StartupReport } from '../client/api.js';
import type { Settings } from '../config/options.js';
import { isLoopback } from '../server/security/access.js';

export interface Started {
  readonly version: string;
  readonly settings: Settings;
  readonly ring: RingDescription;
  readonly startup: StartupReport;
  readonly address: string;
  /** The same unless `/admin/` has a place of its own. */
  readonly adminAddress: string;
  /** Where Redis clients connect. */
  readonly resp?: string | undefined;
  /** Whether clients must show a token. */
  readonly guarded: boolean;
}

/** What a user sees when the store is up: one screen, the last line is for programs. */
export function startScreen(started: Started): string {
  const { version, settings, ring, startup, address, adminAddress, resp, guarded } = started;
  const { n, r, w, http, admin, resp: redis } = settings;
  const vnodes = ring.nodes.reduce((sum, node) => sum + node.vnodes.length, 0);
  const rows: [string, string][] = [
    [
      'Ring',
      `${counted(ring.nodes.length, 'node')}, ${counted(vnodes, 'virtual node')}, ${counted(ring.partitions, 'partition')}`,
    ],
    ...nodeRows(ring),
    ['', drawRing(ring)],
    ['New buckets', `N=${n} R=${r} W=${w}, ${settings.durability}`],
    ['Storage', storage(settings)],
    ['At risk', atRisk(settings)],
    ['Start', `${recovery(settings, startup)}; up after ${Math.round(startup.totalMs)} ms`],
    ...startup.rebuilding.map(({ vnode, reason }): [string, string] => [
      '',
      `${vnode} is being rebuilt from its peers: ${reason}`,
    ]),
    ['HTTP', `${address}   /buckets/{bucket}/keys/{key}  /ring  /stats  /healthz`],
  ];
  if (adminAddress !== address) rows.push(['Admin', `${adminAddress}   /admin/`]);
  if (resp !== undefined) {
    rows.push(['Redis', `${resp}   redis-cli -p ${resp.slice(resp.lastIndexOf(':') + 1)}`]);
  }
  if (
    !guarded &&
    ![http, admin ?? http, redis === 'off' ? http : redis].every(({ host }) => isLoopback(host))
  ) {
    rows.push(['', 'WARNING: open to the network, and nobody has to show a token']);
  }
  const lines = rows.map(([name, text]) => `${name.padEnd(12)} ${text}`.trimEnd());
  const ready = resp === undefined ? `ready ${address}` : `ready ${address} ${resp}`;
  return `Ringlet ${version} on Node ${process.versions.node}, process ${process.pid}\n\n${lines.join('\n')}\n\n${ready}\n`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** A screen holds this many; the rest is in /ring. */
const MAX_NODE_ROWS = 12;

function nodeRows({ nodes }: RingDescription): [string, string][] {
  const rows = nodes.slice(0, MAX_NODE_ROWS).map(({ id, capacity, vnodes }): [string, string] => {
    const owned = vnodes.reduce((sum, vnode) => sum + vnode.partitions, 0);
    const names = vnodes.map((vnode) => vnode.id).join(' ');
    return ['', `${id.padEnd(3)} capacity ${capacity}, ${counted(owned, 'partition')} (${names})`];
  });
  const more = nodes.length - rows.length;
  return more > 0 ? [...rows, ['', `and ${counted(more, 'more node')}: GET /ring`]] : rows;
}

const SYMBOLS = '123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const DRAWN_PARTITIONS = 64;

/** One character per partition, in the order of the ring: the node that owns it first. */
function drawRing({ nodes, preferenceLists, partitions }: RingDescription): string {
  const symbolOf = new Map<string, string>();
  for (const [i, { vnodes }] of nodes.entries()) {
    for (const { id } of vnodes) symbolOf.set(id, SYMBOLS[i] ?? '*');
  }
  const drawn = preferenceLists.slice(0, DRAWN_PARTITIONS).map((list) => symbolOf.get(list[0] ?? '') ?? '?');
  return `[${drawn.join('')}${partitions > DRAWN_PARTITIONS ? '…' : ''}] first owner by partition`;
}

function storage({ engine, data, memory }: Settings): string {
  const buffers = `${memory} MiB of object buffers`;
  return engine === 'memory' ? `memory only, ${buffers}` : `lmdb in ${resolve(data)}, ${buffers}`;
}

/** What is lost of what was acknowledged, in words. */
function atRisk({ engine, durability, flushMs, w }: Settings): string {
  if (engine === 'memory')
    return 'everything when the process ends: nothing is on disk; a crashed thread loses nothing';
  const nothing = 'a crashed thread loses nothing';
  switch (durability) {
    case 'buffered':
      return `${nothing}, a killed process at most the last ${flushMs} ms of writes, a power cut what is not synced yet`;
    case 'one-durable':
      return `${nothing}, a killed process or a power cut what no journal has yet: one replica syncs at once, unawaited`;
    case 'committed':
      return `${nothing}, a killed process neither (in ${counted(w, 'journal')} before the answer), a power cut what is not synced yet`;
    case 'durable':
      return `nothing acknowledged: synced to ${counted(w, 'journal')} before the answer`;
  }
}

function recovery(
  { engine }: Settings,
  { fresh, cleanShutdown, recoveredRecords, recoveryMs }: StartupReport,
): string {
  if (engine === 'memory') return 'empty';
  if (fresh) return 'new data directory';
  const took = `${Math.round(recoveryMs)} ms`;
  if (cleanShutdown) return `continued after a clean stop (recovery took ${took})`;
  return `recovered ${counted(recoveredRecords, 'record')} after an unclean stop in ${took}`;
}
