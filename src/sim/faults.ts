import { pairs, some, split, victim, victimNode } from './aim.js';
import { corruptRecord } from './corruption.js';
import type { LinkFault } from './network.js';
import type { World } from './world.js';

/** A fault that goes on; instantaneous ones return nothing. */
interface Lasting {
  readonly forMs: number;
  end(): void;
}

/** False: it cannot strike as things are. */
type Begin = (world: World) => Lasting | undefined | false;

/** What can happen. Each draws its victim, strength and length from the run's source. */
export const FAULTS: Readonly<Record<string, Begin>> = {
  'thread crash': (world) => {
    crash(world, 'crash');
    return undefined;
  },
  'crash between stores': (world) => {
    const thread = world.process.threads[victim(world)];
    if (thread?.node !== undefined) thread.storesLeft = world.random.below(60);
    return undefined;
  },
  'node down': (world) => {
    const { ring, random, process } = world;
    const node = victimNode(world);
    const downMs = random.between(500, 30_000);
    for (const { ordinal, nodeIndex } of ring.vnodes) {
      if (nodeIndex === node)
        process.supervisor.crash(ordinal, `node ${ring.nodes[node]!.id} is down`, downMs);
    }
    return {
      forMs: downMs,
      end: () => {
        for (const { ordinal, nodeIndex } of ring.vnodes) {
          if (nodeIndex === node) process.supervisor.comeBack(ordinal);
        }
      },
    };
  },
  'owners down': (world) => ownersDown(world),
  restart: (world) => {
    world.restart(world.random.between(50, 1_000));
    return undefined;
  },
  'process kill': (world) => {
    world.endProcess('process kill', world.random.between(50, 3_000));
    return undefined;
  },
  'power cut': (world) => {
    world.endProcess('power cut', world.random.between(50, 3_000));
    return undefined;
  },
  'failed sync': (world) => {
    diskOf(world).failSyncs += 1 + world.random.below(3);
    return undefined;
  },
  'failed write': (world) => {
    diskOf(world).failWrites += 1 + world.random.below(2);
    return undefined;
  },
  'failed commit': (world) => {
    diskOf(world).failCommits += 1;
    return undefined;
  },
  'lost directory': (world) => {
    const vnode = victimOfLoss(world);
    if (vnode === undefined) return false;
    world.process.supervisor.loseDirectory(vnode);
    return { forMs: REBUILT_MS, end: () => undefined };
  },
  'corrupt record': (world) => {
    const vnode = victimOfLoss(world);
    return vnode !== undefined && corruptRecord(world, vnode) && undefined;
  },
  'slow disk': (world) => {
    const disk = diskOf(world);
    disk.slowness = world.random.between(10, 200);
    return { forMs: world.random.between(1_000, 20_000), end: () => (disk.slowness = 1) };
  },
  'full disk': (world) => {
    const disk = diskOf(world);
    disk.full = true;
    return { forMs: world.random.between(1_000, 30_000), end: () => (disk.full = false) };
  },
  stall: (world) => {
    const vnode = victim(world);
    stall(world, vnode, world.random.chance(0.8) ? world.random.between(50, 3_000) : HUNG_MS);
    return undefined;
  },
  'process sleeps': (world) => {
    const forMs = world.random.between(100, 8_000);
    for (const vnode of world.process.members) stall(world, vnode, forMs);
    return undefined;
  },
  partition: (world) => {
    const side = split(world);
    return links(world, (from, to) => side[from] !== side[to], { cut: true });
  },
  'one-way partition': (world) => {
    const side = split(world);
    return links(world, (from, to) => side[from] === true && side[to] === false, { cut: true });
  },
  'partial partition': (world) => links(world, pairs(world), { cut: true }),
  'flapping link': (world) => flap(world),
  delay: (world) => links(world, some(world), { delayMs: world.random.pick([5, 50, 500, 3_000]) }),
  drop: (world) => links(world, some(world), { drop: world.random.between(0.01, 0.5) }),
  duplicate: (world) => links(world, some(world), { duplicate: world.random.between(0.05, 0.5) }),
  reorder: (world) => links(world, some(world), { reorder: world.random.between(0.05, 0.6) }),
  'clock jump': (world) => {
    const byMs = world.random.pick([-1, 1]) * world.random.between(1_000, 3_600_000);
    world.machine.wallOffsetMs += byMs;
    world.note(`the time of day jumps by ${(byMs / 1_000).toFixed(0)} s`);
    return undefined;
  },
  'dying caller': (world) => {
    world.process.crashCaller(world.random.below(world.process.callers.length));
    return undefined;
  },
};

/** A lost directory is looked at so long: that is about what noticing and rebuilding take. */
const REBUILT_MS = 4_000;

/** One whose data its peers can give back, whatever else is lost or damaged by now. */
function victimOfLoss({ random, process, machine }: World): number | undefined {
  const able = process.members.filter(
    (vnode) =>
      !machine.gone.has(vnode) && process.threads[vnode]?.node !== undefined && process.losses.canLose(vnode),
  );
  return able.length === 0 ? undefined : random.pick(able);
}

/** As host/supervisor.ts: a thread that stands still for so long is terminated. */
const HUNG_MS = 10_000;

function crash(world: World, why: string): void {
  world.process.supervisor.crash(victim(world), why);
}

function diskOf({ random, machine }: World): World['machine']['disks'][number] {
  return random.pick(machine.disks);
}

function stall(world: World, vnode: number, forMs: number): void {
  const { process, scheduler } = world;
  const thread = process.threads[vnode];
  if (thread === undefined) return;
  world.note(`vnode ${vnode} stands still for ${forMs.toFixed(0)} ms`);
  thread.stalledUntilMs = scheduler.nowMs + forMs;
  process.wake(vnode, thread.stalledUntilMs);
  if (forMs < HUNG_MS) return;
  scheduler.after(HUNG_MS, () => {
    if (process.threads[vnode] === thread) process.supervisor.crash(vnode, 'it hung and was terminated');
  });
}

function links(world: World, chosen: (from: number, to: number) => boolean, fault: LinkFault): Lasting {
  const { network, random, process } = world;
  const { parties } = process.memory.layout;
  const armed: [number, number][] = [];
  for (let from = 0; from < parties; from++) {
    for (let to = 0; to < parties; to++) {
      if (from === to || !chosen(from, to)) continue;
      network.arm(from, to, fault);
      armed.push([from, to]);
    }
  }
  world.note(`${JSON.stringify(fault)} on ${armed.length} links`);
  return {
    forMs: random.between(500, 20_000),
    end: () => {
      for (const [from, to] of armed) network.disarm(from, to, fault);
    },
  };
}

/**
 * All owners of the key with the most load go down, come back, and go down again: fallbacks take its writes,
 * hand them over, and take the next ones. The load stays where it is meanwhile.
 */
function ownersDown(world: World): Lasting | false {
  const { random, scheduler, focus } = world;
  const { key } = focus;
  if (key === undefined) return false;
  const forMs = random.between(2_000, 15_000);
  focus.keptUntilMs = scheduler.nowMs + forMs;
  let down: readonly number[] = [];
  let over = false;
  const comeBack = (): void => {
    for (const vnode of down) world.process.supervisor.comeBack(vnode);
    down = [];
  };
  const turn = (): void => {
    if (over) return;
    if (down.length > 0) comeBack();
    else if (world.process.isOpen) {
      down = world.owners(key);
      for (const vnode of down)
        world.process.supervisor.crash(vnode, `the owners of ${key.name} are down`, forMs);
    }
    scheduler.after(random.between(300, 3_000), turn);
  };
  turn();
  const end = (): void => {
    over = true;
    comeBack();
  };
  return { forMs, end };
}

/** A partition that comes and goes. */
function flap(world: World): Lasting {
  const side = split(world);
  let cut: Lasting | undefined;
  let over = false;
  const turn = (): void => {
    if (over) return;
    cut?.end();
    cut = cut === undefined ? links(world, (from, to) => side[from] !== side[to], { cut: true }) : undefined;
    world.scheduler.after(world.random.between(100, 1_500), turn);
  };
  turn();
  const end = (): void => {
    over = true;
    cut?.end();
  };
  return { forMs: world.random.between(1_000, 20_000), end };
}
