import type { Contribution } from '../client/merge.js';
import type { KeyRouter } from '../client/key-router.js';
import type { Policy } from '../client/request.js';
import type { StoredValue } from '../storage/record-codec.js';
import { type Clock, equal } from '../versions/dvvs.js';
import { type StoredKey, storedKey } from './stored-key.js';

/** A bucket of the simulated store. */
export interface SimBucket extends Policy {
  readonly number: number;
  readonly counter: boolean;
}

export type Outcome = 'open' | 'acknowledged' | 'refused' | 'maybe';

/** A put, delete or increment, as its client knows it. */
export interface Write {
  readonly id: number;
  readonly key: SimKey;
  readonly isDelete: boolean;
  /** Its value goes by itself. */
  readonly expires: boolean;
  readonly by: number;
  /** What it supersedes. */
  readonly context: Clock<never>;
  readonly startedMs: number;
  /** The ring change (Moves.since) by which everybody decided when it began; 0: none. */
  readonly movesSince: number;
  endedMs: number;
  outcome: Outcome;
  /** The dot under which it was made, as far as it is known. */
  actor: number;
  n: number;
  /** A crash may have taken it, as its durability allows. */
  exempt: boolean;
  /** A crash took copies of it, so that R owners need not include one that has it. */
  thin: boolean;
}

/** What was seen under a dot. */
type Sighting = Pick<StoredValue, 'deleted' | 'time' | 'bytes'>;

/** A key with everything that was ever tried on it. */
export class SimKey {
  readonly name: string;
  readonly bucket: SimBucket;
  readonly stored: StoredKey;
  readonly writes: Write[] = [];
  /** Dot → what was seen under it. */
  readonly dots = new Map<string, Sighting>();
  /** Dots of values that expire: what is seen there becomes a tombstone of the same time. */
  readonly expiring = new Set<string>();
  /** Actor → the greatest dot of a write that was acknowledged and that W owners must have. */
  readonly acknowledged = new Map<number, number>();
  /** Dot → the write that made it, as far as that is known. */
  readonly made = new Map<string, Write>();
  /** Actor → the greatest n that any client was told of. */
  readonly seen = new Map<number, number>();
  attempted = 0;
  /** Version vectors of tombstones that were reaped. */
  readonly reaped: Clock<never>[] = [];

  constructor(name: string, bucket: SimBucket, router: KeyRouter) {
    router.locate(name);
    this.name = name;
    this.bucket = bucket;
    const bytes = router.bytes.slice(0, router.keyBytes);
    this.stored = storedKey(router.hash, router.partition, bucket.number, bytes);
  }

  see(clock: Clock<unknown>): void {
    for (const { actor, n } of clock) this.seen.set(actor, Math.max(n, this.seen.get(actor) ?? 0));
  }

  /** After a crash that some writes need not survive. */
  recount(): void {
    this.acknowledged.clear();
    for (const write of this.writes) if (mustBeThere(write) && !write.thin) this.raise(write);
  }

  isReaped(vector: Clock<never>): boolean {
    return this.reaped.some((other) => equal(other, vector));
  }

  raise({ actor, n }: Write): void {
    if (n > (this.acknowledged.get(actor) ?? 0)) this.acknowledged.set(actor, n);
  }
}

export function mustBeThere(write: Write): boolean {
  return write.outcome === 'acknowledged' && !write.exempt;
}

export function seenBy(clock: Clock<unknown>, actor: number): number {
  return clock.find((entry) => entry.actor === actor)?.n ?? 0;
}

/** A live value that a vector knows. */
export function firstKnown(
  clock: Clock<{ readonly deleted: boolean }>,
  vector: Clock<unknown>,
): string | undefined {
  for (const { actor, n, values } of clock) {
    for (let i = 0; i < values.length; i++) {
      if (!values[i]!.deleted && n - i <= seenBy(vector, actor)) return `${actor}:${n - i}`;
    }
  }
  return undefined;
}

/** What clients did and saw: checked as it comes, and as a whole at the end. */
export class History {
  readonly keys = new Map<string, SimKey>();
  readonly writes: Write[] = [];
  /** Actors of fallbacks that have let go of a key with dots of theirs, and when they last did. */
  readonly forgotten = new Map<number, number>();
  private readonly violation: (text: string) => void;

  constructor(violation: (text: string) => void) {
    this.violation = violation;
  }

  begin(
    key: SimKey,
    { startedMs, movesSince }: Pick<Write, 'startedMs' | 'movesSince'>,
    { isDelete, expires, by }: Pick<Write, 'isDelete' | 'expires' | 'by'>,
    context: Clock<never>,
  ): Write {
    const write: Write = {
      id: this.writes.length,
      key,
      isDelete,
      expires,
      by,
      context,
      startedMs,
      movesSince,
      endedMs: Number.POSITIVE_INFINITY,
      outcome: 'open',
      actor: 0,
      n: 0,
      exempt: false,
      thin: false,
    };
    this.writes.push(write);
    key.writes.push(write);
    key.attempted += by;
    return write;
  }

  acknowledge(write: Write, nowMs: number, actor: number, n: number): void {
    write.outcome = 'acknowledged';
    write.endedMs = nowMs;
    write.actor = actor;
    write.n = n;
    write.key.raise(write);
    const dot = `${actor}:${n}`;
    const other = write.key.made.get(dot);
    if (other !== undefined && other !== write) {
      this.violation(`${nameOf(write)} and ${nameOf(other)} were both made under dot ${dot}`);
    }
    write.key.made.set(dot, write);
    if ((this.forgotten.get(actor) ?? Infinity) < write.startedMs)
      this.violation(`${nameOf(write)} was made as ${dot} although dots of ${actor} had been forgotten`);
  }

  refuse(write: Write, nowMs: number, maybe: boolean): void {
    write.outcome = maybe ? 'maybe' : 'refused';
    write.endedMs = nowMs;
    if (!maybe) write.key.attempted -= write.by;
  }

  /** Copies of a key that a read brought, or that stand on disk. */
  observe(key: SimKey, copies: readonly Contribution[]): void {
    for (const { clock } of copies) if (clock !== undefined) this.observeClock(key, clock);
  }

  observeClock(key: SimKey, clock: Clock<StoredValue>): void {
    for (const vector of key.reaped) {
      const back = firstKnown(clock, vector);
      if (back !== undefined)
        this.violation(`value ${back} of ${key.name} is back after its tombstone was reaped`);
    }
    for (const { actor, n, values } of clock) {
      values.forEach((value, i) => this.observeValue(key, actor, n - i, value));
    }
  }

  private observeValue(key: SimKey, actor: number, n: number, value: StoredValue): void {
    const dot = `${actor}:${n}`;
    if (value.expiresAtMs !== undefined) key.expiring.add(dot);
    if (value.deleted && key.expiring.has(dot)) return;
    const found = key.dots.get(dot);
    // Another owner may have made a tombstone of it before anybody saw it here.
    const expired = value.expiresAtMs !== undefined && found?.deleted === true && found.time === value.time;
    if (found !== undefined && !expired) {
      if (!isSame(found, value))
        this.violation(
          `key ${key.name}: dot ${dot} was made twice, for ${sightingText(found)} and for ${sightingText(value)}`,
        );
      return;
    }
    const { deleted, time, bytes } = value;
    key.dots.set(dot, { deleted, time, bytes: bytes.slice() });
    if (!deleted && !key.bucket.counter) this.attribute(key, actor, n, textOf(value));
  }

  private attribute(key: SimKey, actor: number, n: number, text: string): void {
    const write = this.writes[Number.parseInt(text, 10)];
    if (
      write === undefined ||
      write.key !== key ||
      write.isDelete ||
      valueOf(write.id, text.length) !== text
    ) {
      this.violation(`key ${key.name} holds "${text.slice(0, 40)}", which nobody wrote there`);
    } else if (write.outcome === 'refused') {
      this.violation(`${nameOf(write)} was refused for certain and is there all the same`);
    } else if (write.n === 0) {
      write.actor = actor;
      write.n = n;
      key.made.set(`${actor}:${n}`, write);
    } else if (write.actor !== actor || write.n !== n) {
      this.violation(
        `${nameOf(write)} was executed twice, as ${write.actor}:${write.n} and as ${actor}:${n}`,
      );
    }
  }
}

/** The value of a write: its number, and something behind it up to a length. */
export function valueOf(id: number, length: number): string {
  return `${id}:`.padEnd(length, 'abcdefghijklmnopqrstuvwxyz');
}

function isSame(a: Sighting, b: Sighting): boolean {
  return (
    a.deleted === b.deleted && a.time === b.time && (a.deleted || Buffer.compare(a.bytes, b.bytes) === 0)
  );
}

function sightingText(sighting: Sighting): string {
  return `${sighting.deleted ? 'deleted' : textOf(sighting)} at ${sighting.time}`;
}

export function textOf(value: Pick<StoredValue, 'bytes'>): string {
  return Buffer.from(value.bytes.buffer, value.bytes.byteOffset, value.bytes.length).toString('latin1');
}

export function nameOf(write: Write): string {
  const what = write.isDelete ? 'delete' : write.by === 0 ? 'put' : `increment by ${write.by}`;
  return `${what} #${write.id} of ${write.key.name} (bucket ${write.key.bucket.number})`;
}
