/** A key that is written once and maybe deleted once, by one client. */
interface Plain {
  readonly value: string;
  written: 'tried' | 'refused' | 'acknowledged';
  deleted: 'no' | 'tried' | 'acknowledged';
}

interface Tally {
  acknowledged: number;
  attempted: number;
}

interface Members {
  readonly acknowledged: Set<string>;
  readonly attempted: Set<string>;
}

/** What clients were told, and what may not be true after that. */
export class Books {
  readonly plain = new Map<string, Plain>();
  readonly counters = new Map<string, Tally>();
  readonly sets = new Map<string, Members>();
  readonly violations: string[] = [];

  violation(text: string): void {
    if (this.violations.length < 20) this.violations.push(text);
  }

  counter(key: string): Tally {
    const known = this.counters.get(key) ?? { acknowledged: 0, attempted: 0 };
    this.counters.set(key, known);
    return known;
  }

  set(key: string): Members {
    const known = this.sets.get(key) ?? { acknowledged: new Set(), attempted: new Set() };
    this.sets.set(key, known);
    return known;
  }

  /** A read of a plain key; below R owners a missing value proves nothing. */
  checkPlain(key: string, found: readonly string[], degraded: boolean): void {
    const { value, written, deleted } = this.plain.get(key)!;
    const strange = found.find((other) => other !== value);
    if (strange !== undefined) this.violation(`${key} holds "${strange}", which nobody wrote there`);
    if (found.length > 1) this.violation(`${key} has ${found.length} values, it was written once`);
    if (found.length > 0 && written === 'refused')
      this.violation(`${key} was refused for certain and is there`);
    if (degraded) return;
    if (found.length > 0 && deleted === 'acknowledged') this.violation(`${key} was deleted and is there`);
    if (found.length === 0 && written === 'acknowledged' && deleted === 'no')
      this.violation(`${key} was acknowledged and is not there`);
  }

  /** @param acknowledged members that had been acknowledged before the read began */
  checkSet(
    key: string,
    found: ReadonlySet<string>,
    acknowledged: readonly string[],
    degraded: boolean,
  ): void {
    const { attempted } = this.set(key);
    for (const id of found) if (!attempted.has(id)) this.violation(`${key} holds ${id}, which nobody added`);
    if (degraded) return;
    const lost = acknowledged.filter((id) => !found.has(id));
    if (lost.length > 0) this.violation(`${key} lacks ${lost.join(' ')}, acknowledged before`);
  }

  checkCounter(key: string, sum: number, whole: boolean): void {
    const { acknowledged, attempted } = this.counter(key);
    if (sum <= attempted && (!whole || sum >= acknowledged)) return;
    this.violation(`counter ${key} is ${sum}, not within [${acknowledged}, ${attempted}]`);
  }
}

/** Members of a set, of all its siblings. */
export function membersIn(values: readonly string[]): Set<string> {
  return new Set(values.flatMap((value) => value.split(' ')).filter((id) => id !== ''));
}
