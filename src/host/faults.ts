import { RingletError } from '../base/errors.js';
import type { DiskFaultRequest, Fault, FaultControl, LinkFaultRequest } from '../client/api.js';
import type { StoreView } from '../client/view.js';
import { FaultTable, type LinkFault } from '../messaging/fault-table.js';
import { checkFault, diskFaultOf, linkFaultOf, sidesNamed, vnodesNamed } from './fault-request.js';
import type { FaultySupervisor } from './faulty-supervisor.js';

const NEEDS_DISK: ReadonlySet<Fault['kind']> = new Set(['disk', 'corrupt', 'delete']);

/**
 * Faults that a user injects. Threads are harmed by the supervisor, links and disks by the words of the fault
 * table, of which this is the only writer. Refused whole unless the store was opened for it.
 */
export class Faults implements FaultControl {
  private readonly view: StoreView;
  private readonly table: FaultTable | undefined;
  private readonly supervisor: FaultySupervisor;
  /** The timers that heal links, by directed pair of sides, and disks, by virtual node. */
  private readonly timers = new Map<string, NodeJS.Timeout>();

  constructor(view: StoreView, supervisor: FaultySupervisor) {
    const { faults, shape } = view.shared;
    this.view = view;
    this.table = faults && new FaultTable(faults, shape.vnodes);
    this.supervisor = supervisor;
  }

  inject(given: Fault): void {
    const table = this.allowed();
    const fault = checkFault(given);
    if (fault.kind === 'link') {
      this.breakLinks(table, fault);
      return;
    }
    const vnodes = vnodesNamed(this.view.ring, 'at', fault.at);
    if (NEEDS_DISK.has(fault.kind)) this.assertDisk(fault.at);
    if (fault.kind === 'disk') {
      for (const ordinal of vnodes) this.armDisk(table, ordinal, fault);
      return;
    }
    const down = vnodes.filter((ordinal) => !this.harm(ordinal, fault));
    if (down.length === 0) return;
    const names = down.map((ordinal) => this.view.ring.vnodes[ordinal]!.id).join(', ');
    throw new RingletError('BAD_REQUEST', `nothing can be done to ${names}: no thread serves there now`, {
      at: fault.at,
      down: down.length,
      of: vnodes.length,
    });
  }

  private harm(ordinal: number, fault: Exclude<Fault, LinkFaultRequest | DiskFaultRequest>): boolean {
    switch (fault.kind) {
      case 'crash':
        return this.supervisor.inject(ordinal, fault.how ?? 'throw');
      case 'hang':
        return this.supervisor.hang(ordinal, fault.forMs);
      case 'stop':
        return this.supervisor.hold(ordinal, fault.forMs);
      case 'corrupt':
        return this.supervisor.corrupt(ordinal);
      case 'delete':
        return this.supervisor.deleteFiles(ordinal);
    }
  }

  private assertDisk(at: string): void {
    if (this.view.engine === 'lmdb') return;
    throw new RingletError('BAD_REQUEST', `${at} has no disk: the store is in memory only`, { at });
  }

  private armDisk(table: FaultTable, ordinal: number, request: DiskFaultRequest): void {
    table.setDisk(ordinal, diskFaultOf(request));
    this.healLater(`disk ${ordinal}`, request.forMs, () => table.setDisk(ordinal, undefined));
  }

  private breakLinks(table: FaultTable, link: LinkFaultRequest): void {
    const { ring } = this.view;
    const callers = this.view.shared.shape.vnodes;
    const from = sidesNamed(ring, 'from', link.from, callers);
    const to = sidesNamed(ring, 'to', link.to, callers);
    const fault = linkFaultOf(link);
    const pairs = from.flatMap((a) => to.map((b) => [a, b] as const)).filter(([a, b]) => a !== b);
    if (pairs.length === 0) {
      throw new RingletError('BAD_REQUEST', `there is no link between ${link.from} and ${link.to}`, {
        from: link.from,
        to: link.to,
      });
    }
    for (const [a, b] of pairs) {
      this.arm(table, a, b, fault, link.forMs);
      if (link.oneWay !== true) this.arm(table, b, a, fault, link.forMs);
    }
  }

  private arm(
    table: FaultTable,
    from: number,
    to: number,
    fault: LinkFault,
    forMs: number | undefined,
  ): void {
    table.set(from, to, fault);
    this.healLater(`${from}>${to}`, forMs, () => table.set(from, to, undefined));
  }

  /** In place of what was to heal it before. */
  private healLater(what: string, forMs: number | undefined, heal: () => void): void {
    clearTimeout(this.timers.get(what));
    this.timers.delete(what);
    if (forMs === undefined) return;
    const timer = setTimeout(() => {
      this.timers.delete(what);
      heal();
    }, forMs);
    this.timers.set(what, timer.unref());
  }

  /** Heals all links and disks and starts what is stopped. A thread that hangs is left to its end. */
  clear(): void {
    const table = this.allowed();
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    for (let from = 0; from < table.sides; from++) {
      for (let to = 0; to < table.sides; to++) table.set(from, to, undefined);
    }
    for (let vnode = 0; vnode < this.view.shared.shape.vnodes; vnode++) table.setDisk(vnode, undefined);
    this.supervisor.releaseAll();
  }

  /** @throws RingletError FAULTS_OFF */
  private allowed(): FaultTable {
    if (this.table !== undefined) return this.table;
    throw new RingletError(
      'FAULTS_OFF',
      'this store takes no injected faults; start it with --allow-faults, or open({ allowFaults: true })',
      { allowFaults: false },
    );
  }
}
