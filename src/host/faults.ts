import { RingletError } from '../base/errors.js';
import type { Fault, FaultControl, LinkFaultRequest } from '../client/api.js';
import type { StoreView } from '../client/view.js';
import { FaultTable, type LinkFault } from '../messaging/fault-table.js';
import { checkFault, linkFaultOf, sidesNamed, vnodesNamed } from './fault-request.js';
import type { Supervisor } from './supervisor.js';

/**
 * Faults that a user injects. Threads are harmed by the supervisor, links by the words of the fault
 * table, of which this is the only writer. Refused whole unless the store was opened for it.
 */
export class Faults implements FaultControl {
  private readonly view: StoreView;
  private readonly table: FaultTable | undefined;
  private readonly supervisor: Supervisor;
  /** The timers that heal links, by directed pair of sides. */
  private readonly timers = new Map<string, NodeJS.Timeout>();

  constructor(view: StoreView, supervisor: Supervisor) {
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
    const down = vnodes.filter((ordinal) => !this.harm(ordinal, fault));
    if (down.length === 0) return;
    const names = down.map((ordinal) => this.view.ring.vnodes[ordinal]!.id).join(', ');
    throw new RingletError('BAD_REQUEST', `nothing can be done to ${names}: no thread serves there now`, {
      at: fault.at,
      down: down.length,
      of: vnodes.length,
    });
  }

  private harm(ordinal: number, fault: Exclude<Fault, LinkFaultRequest>): boolean {
    switch (fault.kind) {
      case 'crash':
        return this.supervisor.inject(ordinal, fault.how ?? 'throw');
      case 'hang':
        return this.supervisor.hang(ordinal, fault.forMs);
      case 'stop':
        return this.supervisor.hold(ordinal, fault.forMs);
    }
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
    const pair = `${from}>${to}`;
    clearTimeout(this.timers.get(pair));
    this.timers.delete(pair);
    table.set(from, to, fault);
    if (forMs === undefined) return;
    const heal = (): void => {
      this.timers.delete(pair);
      table.set(from, to, undefined);
    };
    this.timers.set(pair, setTimeout(heal, forMs).unref());
  }

  /** Heals all links and starts what is stopped. A thread that hangs is left to its end. */
  clear(): void {
    const table = this.allowed();
    for (const timer of this.timers.values()) clearTimeout(timer);
    this.timers.clear();
    for (let from = 0; from < table.sides; from++) {
      for (let to = 0; to < table.sides; to++) table.set(from, to, undefined);
    }
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
