import type { Mode } from '../report/schema.js';

interface Window {
  readonly warmupSeconds: number;
  readonly seconds: number;
}

export interface PeersParameters {
  readonly rounds: number;
  readonly inFlight: number;
  /** Paths of every system, unless named below. */
  readonly closed: Window;
  /** Puts with many in flight, of Ringlet's rows with a requirement. */
  readonly sustained: Window;
  /** The same where experiments were chosen by name and need not share their time with all others. */
  readonly sustainedAlone: Window;
  /** The same of the systems that those rows are compared with. */
  readonly compared: Window;
  readonly open: Window;
  readonly scaling: Window;
  /** Whether levels without a requirement run too; the experiment `durability` has them at N=3. */
  readonly allLevels: boolean;
  /** Records of the memory measurement. */
  readonly records: number;
}

export const PEERS_PARAMETERS = {
  quick: {
    rounds: 1,
    inFlight: 64,
    closed: { warmupSeconds: 0.05, seconds: 0.15 },
    sustained: { warmupSeconds: 0.2, seconds: 0.8 },
    sustainedAlone: { warmupSeconds: 3, seconds: 5 },
    compared: { warmupSeconds: 0.05, seconds: 0.3 },
    open: { warmupSeconds: 0.15, seconds: 0.4 },
    scaling: { warmupSeconds: 0.05, seconds: 0.2 },
    allLevels: false,
    records: 100_000,
  },
  default: {
    rounds: 3,
    inFlight: 64,
    closed: { warmupSeconds: 0.2, seconds: 0.4 },
    sustained: { warmupSeconds: 0.5, seconds: 2 },
    sustainedAlone: { warmupSeconds: 5, seconds: 30 },
    compared: { warmupSeconds: 0.2, seconds: 1 },
    open: { warmupSeconds: 0.4, seconds: 1.5 },
    scaling: { warmupSeconds: 0.2, seconds: 0.6 },
    allLevels: true,
    records: 1_000_000,
  },
  full: {
    rounds: 5,
    inFlight: 64,
    closed: { warmupSeconds: 2, seconds: 20 },
    sustained: { warmupSeconds: 5, seconds: 60 },
    sustainedAlone: { warmupSeconds: 5, seconds: 60 },
    compared: { warmupSeconds: 2, seconds: 20 },
    open: { warmupSeconds: 2, seconds: 20 },
    scaling: { warmupSeconds: 2, seconds: 10 },
    allLevels: true,
    records: 1_000_000,
  },
} as const satisfies Record<Mode, PeersParameters>;
