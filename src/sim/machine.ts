import { type RingNode, type RingState, slotsOf } from '../ring/state.js';
import { type Clock, TICKS_PER_MS } from '../base/time.js';
import type { RebuildMark } from '../host/rebuild-mark.js';
import type { CleanMark } from './clean-stop.js';
import { type DiskCondition, healthyDisk } from './disk.js';
import { EngineFiles } from './engine.js';
import { SimDirectory } from './journal-directory.js';
import type { Random } from './random.js';

/** How old the written clock may be, twice; see host/clock-mark.ts. */
const CLOCK_EVERY_MS = 10_000;

/** What a virtual node has on disk. */
export interface VnodeFiles {
  readonly journal: SimDirectory;
  readonly engine: EngineFiles;
}

function noFiles(): VnodeFiles {
  return { journal: new SimDirectory(), engine: new EngineFiles() };
}

function isDamaged({ engine, journal }: VnodeFiles): boolean {
  for (const { damaged } of engine.rows.values()) if (damaged === true) return true;
  for (const { damaged } of journal.files.values()) if (damaged) return true;
  return false;
}

/** The machine under the process: disks, the time of day, and what the host keeps beside the data. */
export class Machine {
  /** By slot. */
  readonly vnodes: VnodeFiles[];
  /** Per node. */
  readonly disks: DiskCondition[];
  /** What stands in the manifest. */
  ring: RingState;
  /** Added to the monotonic time. */
  wallOffsetMs = 1_700_000_000_000;
  /** Directories that are deleted, whether or not a thread has them open still. */
  readonly gone = new Set<number>();
  /** Marks of virtual nodes that lost their data and have not got it back (host/rebuild-mark.ts), by id. */
  readonly rebuilding = new Map<string, RebuildMark>();
  private nextActor = 256;
  private readonly actorOwners = new Map<number, number>();
  private marks: (CleanMark | undefined)[] = [];
  private clockMark = 0;
  private clockMarkAtMs = 0;
  private boot = 1;
  /** Boots under which the data was used since it was last whole (host/session-mark.ts). */
  private boots = new Set<number>();

  constructor(ring: RingState) {
    this.ring = ring;
    this.vnodes = Array.from({ length: slotsOf(ring) }, noFiles);
    this.disks = ring.nodes.map(healthyDisk);
  }

  /** A node that joins, with a disk of its own. */
  add({ firstSlot, vnodes }: RingNode): void {
    for (let i = 0; i < vnodes; i++) this.vnodes[firstSlot + i] = noFiles();
    this.disks.push(healthyDisk());
  }

  /** An empty directory instead of one that was lost, of one who has left, or did not join after all. */
  forget(slot: number): void {
    this.vnodes[slot] = noFiles();
    this.marks[slot] = undefined;
    this.gone.delete(slot);
  }

  /** Slots where something on the disk has other bits than were written. */
  get damaged(): ReadonlySet<number> {
    const slots = this.vnodes.keys();
    return new Set(Array.from(slots).filter((slot) => isDamaged(this.vnodes[slot]!)));
  }

  /** A number nobody has had, from blocks that are durable before their use (host/actor-blocks.ts). */
  readonly freshActor = (): number => this.nextActor++;

  /** Remembers whose actor it is. */
  assign(actor: number, vnode: number): number {
    this.actorOwners.set(actor, vnode);
    return actor;
  }
  ownerOf(actor: number): number | undefined {
    return this.actorOwners.get(actor);
  }

  /** What a start of the process does first; whether no page written since can be lost. */
  begin(): boolean {
    const same = this.boots.size > 0 && [...this.boots].every((boot) => boot === this.boot);
    this.boots.add(this.boot);
    return same;
  }
  /** All virtual nodes serve. */
  recovered(): void {
    this.boots = new Set([this.boot]);
  }

  /** A clean shutdown: marks of the virtual nodes that are whole, the clock, and no open session. */
  stopped(marks: ReadonlyMap<number, CleanMark | undefined>, time: number): void {
    this.marks = [];
    for (const [vnode, mark] of marks) this.marks[vnode] = this.gone.has(vnode) ? undefined : mark;
    this.boots.clear();
    this.clockMark = time;
  }
  hasMark(vnode: number): boolean {
    return this.marks[vnode] !== undefined;
  }
  /** The mark goes before the first dot is made. */
  takeMark(vnode: number): CleanMark | undefined {
    const mark = this.marks[vnode];
    this.marks[vnode] = undefined;
    return mark;
  }

  writeClock(clock: { last(): number }, nowMs: number): void {
    if (nowMs - this.clockMarkAtMs < CLOCK_EVERY_MS) return;
    this.clockMarkAtMs = nowMs;
    this.clockMark = clock.last();
  }
  /** A process starts: what its hybrid clock must be past, written down before anything is given out. */
  startClock({ nowMs, wallMs }: Clock): number {
    const least = this.clockMark === 0 ? 0 : this.clockMark + 2 * CLOCK_EVERY_MS * TICKS_PER_MS;
    this.clockMark = Math.max(least, Math.floor(wallMs()) * TICKS_PER_MS);
    this.clockMarkAtMs = nowMs();
    return least;
  }

  cutPower(random: Random): void {
    this.boot++;
    for (const { journal } of this.vnodes) journal.cutPower(random);
  }

  heal(): void {
    for (const disk of this.disks) Object.assign(disk, healthyDisk());
  }
}
