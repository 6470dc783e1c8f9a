import type { RespServer } from './server.js';
import { REDIS_VERSION } from './redis-version.js';

type Lines = Readonly<Record<string, string | number>>;

/** INFO: sections in Redis' form. `loading:0` and `role:master` are what clients wait for. */
export function infoText(server: RespServer, asked: readonly string[]): string {
  const everything =
    asked.length === 0 || asked.some((name) => ['all', 'default', 'everything'].includes(name));
  const wanted = Object.entries(SECTIONS).filter(
    ([name]) => everything || asked.includes(name.toLowerCase()),
  );
  return wanted
    .map(([name, lines]) => {
      const rows = Object.entries(lines(server)).map(([key, value]) => `${key}:${value}\r\n`);
      return `# ${name}\r\n${rows.join('')}`;
    })
    .join('\r\n');
}

const SECTIONS: Readonly<Record<string, (server: RespServer) => Lines>> = {
  Server: ({ options, port, startedMs }) => ({
    redis_version: REDIS_VERSION,
    redis_mode: 'standalone',
    ringlet_version: options.version,
    node_version: process.versions.node,
    arch_bits: 64,
    process_id: process.pid,
    tcp_port: port,
    uptime_in_seconds: Math.floor((Date.now() - startedMs) / 1_000),
  }),
  Clients: ({ counts }) => ({ connected_clients: counts.open }),
  Memory: () => ({ used_memory_rss: process.memoryUsage.rss(), maxmemory: 0 }),
  Persistence: ({ store }) => {
    const { processCrash, powerCut } = store.stats().atRisk;
    return {
      loading: 0,
      unwritten_records: processCrash.records,
      unwritten_bytes: processCrash.bytes,
      unsynced_records: powerCut.records,
    };
  },
  Stats: ({ counts }) => ({
    total_connections_received: counts.connectionsReceived,
    total_commands_processed: counts.commandsProcessed,
  }),
  Replication: () => ({ role: 'master', connected_slaves: 0 }),
  Ring: ({ store }) => {
    const { partitions, nodes } = store.ring();
    const vnodes = nodes.flatMap((node) => node.vnodes);
    return {
      nodes: nodes.length,
      virtual_nodes: vnodes.length,
      serving: vnodes.filter(({ state }) => state === 'serving').length,
      partitions,
    };
  },
};
