import { DURABILITIES, type Durability } from '../base/durability.js';
import { CACHE_SHARES, LIMITS } from '../base/limits.js';
import {
  byteSize,
  capacities,
  hostPort,
  offOr,
  oneOf,
  path,
  powerOfTwo,
  printHostPort,
  trueOrFalse,
  wholeNumber,
  type Capacities,
  type HostPort,
} from './parse.js';

/**
 * One row per option gives its flag (`--flush-ms`), its variable (`RINGLET_FLUSH_MS`), its key in
 * a JSON file and in {@link Settings} (`flushMs`), its help, its range and its type.
 */
export interface Option<T> {
  readonly flag: string;
  /** Absent where the flag alone says it. */
  readonly placeholder?: string;
  readonly help: string;
  /** The range in words, as it follows "expected" in an error. */
  readonly expects: string;
  readonly parse: (given: unknown) => T | undefined;
  /** Rows above this one are already settled in `above`. */
  readonly fallback: (above: Settings) => T;
  /** What the default is called in help where it depends on other options. */
  readonly fallbackText?: string;
  /** How a value is printed when JSON would not show it as it is given. */
  readonly print?: (value: T) => string | undefined;
  /** The narrower range that other options leave, if the value is outside it. */
  readonly check?: (value: T, all: Settings) => string | undefined;
}

export interface Settings {
  readonly http: HostPort;
  readonly resp: HostPort | 'off';
  readonly respFlush: 'on' | 'off';
  readonly ioThreads: number;
  readonly data: string;
  readonly engine: 'lmdb' | 'memory';
  readonly memory: number;
  readonly cache: number;
  readonly nodes: number;
  readonly vnodes: number;
  readonly capacity: Capacities;
  readonly partitions: number;
  readonly n: number;
  readonly r: number;
  readonly w: number;
  readonly durability: Durability;
  readonly flushMs: number;
  readonly foregroundP99Ms: number | 'off';
  readonly valueBytes: number;
  readonly maxCallers: number;
  readonly allowFaults: boolean;
  readonly admin: HostPort | undefined;
  readonly tokenFile: string | undefined;
  readonly insecure: boolean;
  readonly tlsCert: string | undefined;
  readonly tlsKey: string | undefined;
}

export type OptionKey = keyof Settings;

/** More than any machine that Node runs on has; the store asks the system for the rest. */
const MAX_MEMORY_MIB = 1 << 20;

const quorum = wholeNumber(1, LIMITS.replicas);
const withinN = (value: number, { n }: Settings) => (value > n ? `at most n, which is ${n}` : undefined);

export const OPTIONS: { readonly [K in OptionKey]: Option<Settings[K]> } = {
  http: {
    flag: 'http',
    placeholder: 'HOST:PORT',
    help: 'where HTTP listens; port 0 takes a free one',
    expects: 'HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8098 or [::1]:0',
    parse: hostPort,
    fallback: () => ({ host: '127.0.0.1', port: 8_098 }),
    print: printHostPort,
  },
  resp: {
    flag: 'resp',
    placeholder: 'HOST:PORT',
    help: 'where Redis clients connect, or off; port 0 takes a free one',
    expects: 'off, or HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:6398 or [::1]:0',
    parse: offOr(hostPort),
    fallback: () => ({ host: '127.0.0.1', port: 6_398 }),
    print: (value) => (value === 'off' ? value : printHostPort(value)),
  },
  respFlush: {
    flag: 'resp-flush',
    placeholder: 'on/off',
    help: 'whether Redis clients may delete everything (FLUSHDB, FLUSHALL)',
    expects: 'on or off',
    parse: oneOf(['on', 'off']),
    fallback: () => 'on',
  },
  ioThreads: {
    flag: 'io-threads',
    placeholder: 'COUNT',
    help: 'threads that serve Redis clients on the one port; each but the first takes one of --max-callers',
    expects: `a whole number from 1 to ${LIMITS.ioThreads}`,
    parse: wholeNumber(1, LIMITS.ioThreads),
    fallback: () => 1,
    check: (value, { maxCallers }) =>
      value > maxCallers ? `at most max-callers, which is ${maxCallers}` : undefined,
  },
  data: {
    flag: 'data',
    placeholder: 'DIR',
    help: 'data directory (not used by the memory engine)',
    expects: 'a path',
    parse: path,
    fallback: () => './data',
  },
  engine: {
    flag: 'engine',
    placeholder: 'NAME',
    help: 'lmdb, or memory: nothing on disk',
    expects: 'lmdb or memory',
    parse: oneOf(['lmdb', 'memory']),
    fallback: () => 'lmdb',
  },
  memory: {
    flag: 'memory',
    placeholder: 'MIB',
    help: 'object buffers of all virtual nodes together, in MiB',
    expects: `a whole number of MiB from ${LIMITS.minMemoryMiB} to ${MAX_MEMORY_MIB}`,
    parse: wholeNumber(LIMITS.minMemoryMiB, MAX_MEMORY_MIB),
    fallback: () => LIMITS.memoryMiB,
  },
  cache: {
    flag: 'cache',
    placeholder: 'MIB',
    help: 'of these, for cache buckets, in MiB',
    expects: `a whole number of MiB from 1 to ${MAX_MEMORY_MIB}`,
    parse: wholeNumber(1, MAX_MEMORY_MIB),
    fallback: ({ engine, memory }) => Math.floor(memory * CACHE_SHARES[engine].standard),
    fallbackText: 'a quarter of --memory; with engine memory half',
    check: (value, { engine, memory }) => {
      const most = Math.floor(memory * CACHE_SHARES[engine].most);
      return value > most ? `at most ${most} MiB of ${memory} with engine ${engine}` : undefined;
    },
  },
  nodes: {
    flag: 'nodes',
    placeholder: 'COUNT',
    help: 'nodes (n1, n2, …), each a failure domain',
    expects: `a whole number from 1 to ${LIMITS.nodes}`,
    parse: wholeNumber(1, LIMITS.nodes),
    fallback: () => 4,
  },
  vnodes: {
    flag: 'vnodes',
    placeholder: 'COUNT',
    help: 'virtual nodes (worker threads) per node',
    expects: `a whole number from 1 to ${LIMITS.virtualNodes}`,
    parse: wholeNumber(1, LIMITS.virtualNodes),
    fallback: () => 1,
    check: (value, { nodes }) =>
      value * nodes > LIMITS.virtualNodes
        ? `at most ${LIMITS.virtualNodes} virtual nodes in total (${nodes} nodes have ${value * nodes})`
        : undefined,
  },
  capacity: {
    flag: 'capacity',
    placeholder: 'n1=2,…',
    help: 'relative load of single nodes; the others have 1',
    expects: `pairs such as n1=2,n3=4 with capacities from 1 to ${LIMITS.capacity}`,
    parse: capacities(LIMITS.capacity),
    fallback: () => Object.freeze({}),
    fallbackText: 'all 1',
    print: (value) =>
      Object.entries(value)
        .map(([id, capacity]) => `${id}=${capacity}`)
        .join(','),
    check: (value, { nodes }) =>
      Object.keys(value).some((id) => Number(id.slice(1)) > nodes)
        ? `node ids from n1 to n${nodes}`
        : undefined,
  },
  partitions: {
    flag: 'partitions',
    placeholder: 'COUNT',
    help: 'equal ranges of the key space',
    expects: `a power of two up to ${LIMITS.partitions}`,
    parse: powerOfTwo(LIMITS.partitions),
    fallback: () => 64,
  },
  n: {
    flag: 'n',
    placeholder: 'COUNT',
    help: 'replicas per key, of new buckets',
    expects: `a whole number from 1 to ${LIMITS.replicas}`,
    parse: quorum,
    fallback: ({ nodes }) => Math.min(3, nodes),
    fallbackText: '3, or the number of nodes if that is less',
    check: (value, { nodes }) =>
      value > nodes ? `at most the number of nodes, which is ${nodes}` : undefined,
  },
  r: {
    flag: 'r',
    placeholder: 'COUNT',
    help: 'replicas that a get waits for, of new buckets',
    expects: 'a whole number from 1 to n',
    parse: quorum,
    fallback: ({ n }) => Math.floor(n / 2) + 1,
    fallbackText: 'a majority of n',
    check: withinN,
  },
  w: {
    flag: 'w',
    placeholder: 'COUNT',
    help: 'replicas that a put waits for, of new buckets',
    expects: 'a whole number from 1 to n',
    parse: quorum,
    fallback: ({ n }) => Math.floor(n / 2) + 1,
    fallbackText: 'a majority of n',
    check: withinN,
  },
  durability: {
    flag: 'durability',
    placeholder: 'LEVEL',
    help: 'how far a write has come on w replicas when it is acknowledged, of new buckets: buffered, one-durable, committed, durable',
    expects: 'buffered, one-durable, committed or durable',
    parse: oneOf([...DURABILITIES]),
    fallback: () => 'buffered',
    check: (value, { engine }) =>
      engine === 'memory' && value !== 'buffered'
        ? 'buffered with engine memory, which keeps nothing on disk'
        : undefined,
  },
  flushMs: {
    flag: 'flush-ms',
    placeholder: 'MS',
    help: 'longest time that a buffered write stays unwritten',
    expects: `a whole number of milliseconds from 1 to ${LIMITS.maxFlushMs}`,
    parse: wholeNumber(1, LIMITS.maxFlushMs),
    fallback: () => LIMITS.flushMs,
  },
  foregroundP99Ms: {
    flag: 'foreground-p99-ms',
    placeholder: 'MS',
    help: 'p99 of requests above which background work is held back, or off: it never is',
    expects: `off, or a whole number of milliseconds from 1 to ${LIMITS.maxForegroundP99Ms}`,
    parse: offOr(wholeNumber(1, LIMITS.maxForegroundP99Ms)),
    fallback: () => LIMITS.foregroundP99Ms,
  },
  valueBytes: {
    flag: 'value-bytes',
    placeholder: 'BYTES',
    help: 'largest value; takes KiB and MiB',
    expects: `bytes from 1 to ${LIMITS.maxValueBytes} (64MiB)`,
    parse: byteSize(1, LIMITS.maxValueBytes),
    fallback: () => LIMITS.valueBytes,
  },
  maxCallers: {
    flag: 'max-callers',
    placeholder: 'COUNT',
    help: 'threads that may use the store at the same time',
    expects: `a whole number from 1 to ${LIMITS.maxCallers}`,
    parse: wholeNumber(1, LIMITS.maxCallers),
    fallback: () => LIMITS.callers,
  },
  allowFaults: {
    flag: 'allow-faults',
    help: 'take injected faults (ringlet fault, POST /admin/faults)',
    expects: 'true or false',
    parse: trueOrFalse,
    fallback: () => false,
  },
  admin: {
    flag: 'admin',
    placeholder: 'HOST:PORT',
    help: 'where /admin/, the dashboard and /metrics listen instead',
    expects: 'HOST:PORT, such as 127.0.0.1:8099',
    parse: hostPort,
    fallback: () => undefined,
    fallbackText: 'with the data',
    print: (value) => (value === undefined ? undefined : printHostPort(value)),
  },
  tokenFile: {
    flag: 'token-file',
    placeholder: 'FILE',
    help: 'holds the token that clients must show; or RINGLET_TOKEN is the token itself',
    expects: 'a path',
    parse: path,
    fallback: () => undefined,
    fallbackText: 'none',
  },
  insecure: {
    flag: 'insecure',
    help: 'listen on other addresses than loopback without a token',
    expects: 'true or false',
    parse: trueOrFalse,
    fallback: () => false,
  },
  tlsCert: {
    flag: 'tls-cert',
    placeholder: 'FILE',
    help: 'certificate in PEM: the doors speak TLS; commands trust it',
    expects: 'a path',
    parse: path,
    fallback: () => undefined,
    fallbackText: 'none',
  },
  tlsKey: {
    flag: 'tls-key',
    placeholder: 'FILE',
    help: 'private key of the certificate, in PEM',
    expects: 'a path',
    parse: path,
    fallback: () => undefined,
    fallbackText: 'none',
  },
};

export const OPTION_KEYS = Object.keys(OPTIONS) as readonly OptionKey[];

export function variableName(key: OptionKey): string {
  return `RINGLET_${OPTIONS[key].flag.toUpperCase().replaceAll('-', '_')}`;
}
