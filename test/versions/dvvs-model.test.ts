import fc from '../properties.js';
import { expect, test } from 'vitest';
import { covers, descends, equal, join, sync, update, values, type Clock } from '../../src/versions/dvvs.js';
import { ascending, bit, NaiveHistory, seeded } from './model.js';

interface Replica {
  clock: Clock<number>;
  known: bigint;
  actor: number;
  floor: number;
}

interface Read {
  readonly context: Clock<never>;
  readonly seen: bigint;
}

const RUNS = process.env['RINGLET_LONG'] === undefined ? 300 : 8_000;
const STEPS = 50;

/** One random life of a key on several replicas; every step is checked against the model. */
function live(seed: number, reaping: boolean): void {
  const pick = seeded(seed);
  const history = new NaiveHistory();
  // Actors from both ends of the unsigned range, in no order.
  let nextActor = 0;
  const freshActor = (): number => Math.imul(++nextActor, 0x9e37_79b1) >>> 0;
  const replicas: Replica[] = Array.from({ length: 2 + pick(4) }, () => ({
    clock: [],
    known: 0n,
    actor: freshActor(),
    floor: 0,
  }));
  const reads: Read[] = [{ context: [], seen: 0n }];

  for (let step = 0; step < STEPS; step++) {
    const replica = replicas[pick(replicas.length)]!;
    const other = replicas[pick(replicas.length)]!;
    const action = pick(20);
    if (action < 4) {
      reads.push({ context: join(replica.clock), seen: replica.known });
    } else if (action < 11) {
      // Blind, stale, of another replica, or fresh: any context that was ever handed out.
      const { context, seen } = reads[pick(reads.length)]!;
      const write = history.write(seen);
      replica.clock = update(context, write, replica.clock, replica.actor, replica.floor);
      replica.known |= seen | bit(write);
    } else if (action < 19) {
      const was = replica.clock;
      replica.clock = sync(was, other.clock);
      replica.known |= other.known;
      expect(sync(other.clock, was)).toEqual(replica.clock);
      expect(covers(was, other.clock)).toBe(equal(replica.clock, was));
      expect(covers(replica.clock, other.clock)).toBe(true);
    } else if (reaping && pick(3) === 0) {
      // Its actor forgets dots of another key, whatever stands here.
      replica.floor += pick(8);
    } else if (reaping && pick(2) === 0) {
      // All are equal and forget the key together: actors go on above what was forgotten (reaping).
      const all = replicas.reduce<Clock<number>>((clock, one) => sync(clock, one.clock), []);
      for (const one of replicas) {
        one.floor = Math.max(one.floor, all.find(({ actor }) => actor === one.actor)?.n ?? 0);
        one.clock = [];
        one.known = 0n;
      }
    } else {
      // It forgets everything and goes on under a fresh actor (trap 3).
      replica.clock = [];
      replica.known = 0n;
      replica.actor = freshActor();
      replica.floor = 0;
    }
    check(replica, history, reaping);
    // Above a floor an actor calls dots known that are forgotten.
    if (reaping) continue;
    expect(descends(replica.clock, other.clock)).toBe((replica.known | other.known) === replica.known);
  }

  for (const replica of replicas) {
    for (const other of replicas) {
      for (const third of replicas) {
        const left = sync(sync(replica.clock, other.clock), third.clock);
        expect(sync(replica.clock, sync(other.clock, third.clock))).toEqual(left);
      }
    }
    expect(sync(replica.clock, replica.clock)).toEqual(replica.clock);
  }
}

function check(replica: Replica, history: NaiveHistory, reaping: boolean): void {
  expect(ascending(values(replica.clock))).toEqual(history.live(replica.known));
  const dots = replica.clock.reduce((sum, entry) => sum + entry.n, 0);
  const sound = replica.clock.every(
    ({ actor, n, values }, i) =>
      n > 0 && values.length <= n && (i === 0 || actor > replica.clock[i - 1]!.actor),
  );
  expect(sound, 'sorted, positive, and no more values than dots').toBe(true);
  // One counter per actor describes exactly the known dots: none unknown, none made twice.
  if (!reaping) expect(dots).toBe(history.membersOf(replica.known).length);
}

test(`the clocks hold exactly what a naive model of causal pasts holds (${RUNS * STEPS} random steps)`, () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => live(seed, false)),
    { numRuns: RUNS },
  );
});

test(`the same values live when replicas forget a key together and actors go on above it (${RUNS * STEPS} steps)`, () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => live(seed, true)),
    { numRuns: RUNS },
  );
});
