import { Books } from './books.js';
import type { Coverage } from './coverage.js';
import { FaultDriver } from './fault-driver.js';
import { checkConvergence, checkKeys } from './final-checks.js';
import { checkJournals } from './journal-check.js';
import { checkLimits } from './running-checks.js';
import { asOneThread } from './one-thread.js';
import { RingDriver } from './ring-driver.js';
import { type Parts, PRODUCT } from './parts.js';
import { checkTrees } from './tree-check.js';
import { Workload } from './workload.js';
import { World } from './world.js';

/** Of clients; some of them read before they write. */
const STEPS_PER_SECOND = 52;
const SLICE_MS = 250;
const MINUTE_MS = 60_000;
/** How often the trees of a virtual node are looked at; one after the other. */
const TREES_MS = 5_000;
/** How often the journals of all of them are. */
const JOURNALS_MS = 1_000;
const HEAL_MS = 12_000;
const LIVE_MS = 8_000;
/** So long after the last write all replicas are equal, by hints and trees alone. */
const QUIET_MS = 30_000;

export interface RunOptions {
  readonly seed: number;
  readonly minutes: number;
  /** On average. */
  readonly faultsPerMinute?: number;
  readonly parts?: Parts;
  readonly trace?: ((line: string) => void) | undefined;
  /** Called after each simulated minute of the safety phase. */
  readonly onMinute?: ((minute: number) => void) | undefined;
}

export interface Verdict {
  readonly seed: number;
  readonly minutes: number;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly outcomes: ReadonlyMap<string, number>;
  readonly faults: ReadonlyMap<string, number>;
  readonly coverage: Coverage['cells'];
  readonly violations: readonly string[];
}

/** A run: load and faults for so long, then healing, then everything must work and be right. */
export function run(options: RunOptions): Verdict {
  const { stackTraceLimit } = Error;
  // Refusals are errors, and to find out where each was made takes as long as ten turns. A replay tells.
  if (options.trace === undefined) Error.stackTraceLimit = 0;
  try {
    return asOneThread(() => simulate(options));
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function simulate(options: RunOptions): Verdict {
  const { seed, minutes } = options;
  const world = new World({ seed, parts: options.parts ?? PRODUCT, trace: options.trace });
  const workload = new Workload(world);
  world.begin(new Books(world));
  const { scheduler } = world;
  const load = (): void => {
    if (world.ended) return;
    scheduler.after(world.random.interval(1_000 / STEPS_PER_SECOND), load);
    workload.step();
  };
  load();
  lookAtTrees(world, 0);
  lookAtJournals(world);
  // As often as faults ask for: about one change to ten faults.
  const changes = new RingDriver(world, ((options.faultsPerMinute ?? 1) / 10) * world.profile.changes);
  const faults = new FaultDriver(world, options.faultsPerMinute ?? 1, changes);
  for (let minute = 1; minute <= minutes && isGood(world); minute++) {
    pass(world, workload, MINUTE_MS);
    options.onMinute?.(minute);
  }
  pass(world, workload, (minutes % 1) * MINUTE_MS);
  if (isGood(world)) {
    world.note('HEALING');
    faults.heal();
    changes.stop();
    pass(world, workload, HEAL_MS);
  }
  if (isGood(world)) {
    world.note('LIVENESS');
    if (!world.process.isOpen) world.violation('after healing the store is not open');
    world.mustSucceed = true;
    pass(world, workload, LIVE_MS);
    world.ended = true;
    pass(world, workload, QUIET_MS);
    world.mustSucceed = false;
  }
  if (isGood(world)) for (const { ordinal } of world.ring.vnodes) checkTrees(world, ordinal);
  if (isGood(world)) checkConvergence(world);
  if (isGood(world)) checkKeys(world);
  return {
    seed,
    minutes,
    simulatedMs: scheduler.nowMs,
    operations: workload.operations,
    outcomes: world.counts,
    faults: new Map([...faults.counts, ...changes.counts]),
    coverage: faults.coverage.cells,
    violations: world.violations,
  };
}

function lookAtTrees(world: World, vnode: number): void {
  world.scheduler.after(TREES_MS, () => {
    checkTrees(world, vnode);
    lookAtTrees(world, (vnode + 1) % world.ring.vnodes.length);
  });
}

function lookAtJournals(world: World): void {
  world.scheduler.after(JOURNALS_MS, () => {
    checkJournals(world);
    lookAtJournals(world);
  });
}

function isGood(world: World): boolean {
  return world.violations.length === 0;
}

/** Time passes; the first violation ends it. */
function pass(world: World, { deadlines }: Workload, milliseconds: number): void {
  const endMs = world.scheduler.nowMs + milliseconds;
  while (world.scheduler.nowMs < endMs && isGood(world)) {
    world.scheduler.runUntil(Math.min(endMs, world.scheduler.nowMs + SLICE_MS));
    checkLimits(world);
    deadlines.checkOverdue();
  }
}
