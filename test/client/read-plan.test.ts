import fc from '../properties.js';
import { describe, expect, it } from 'vitest';
import {
  answeredOwners,
  planRead,
  type ReadPlan,
  type ReadView,
  type Standing,
} from '../../src/client/read-plan.js';

/** Virtual nodes by number, in the order of the preference list: 0, 1, 2 own the key, 3 and 4 are fallbacks. */
interface World {
  readonly serving: readonly boolean[];
  readonly rebuilding: readonly number[];
  readonly standing: readonly Standing[];
  /** [holder, owner] */
  readonly hints: readonly (readonly [number, number])[];
  readonly suspected: readonly number[];
  /** But not suspected. */
  readonly doubted: readonly number[];
  readonly versions: boolean;
  readonly r: number;
  readonly strict: boolean;
  readonly sloppyPuts: boolean;
  readonly unheard: ReadPlan['unheard'];
  readonly holders: readonly number[];
}

const fresh: World = {
  serving: [true, true, true, true, true],
  rebuilding: [],
  standing: ['unasked', 'unasked', 'unasked', 'unasked', 'unasked'],
  hints: [],
  suspected: [],
  doubted: [],
  versions: false,
  r: 2,
  strict: false,
  sloppyPuts: true,
  unheard: [],
  holders: [],
};

function fullPlan(world: Partial<World>): ReadPlan {
  return planRead(viewOf(world));
}

function viewOf(world: Partial<World>): ReadView {
  const { serving, rebuilding, standing, hints, suspected, doubted, holders, ...asked } = {
    ...fresh,
    ...world,
  };
  return {
    ...asked,
    n: 3,
    list: [0, 1, 2, 3, 4],
    isServing: (vnode) => serving[vnode]!,
    isWhole: (vnode) => serving[vnode]! && !rebuilding.includes(vnode),
    standing: (vnode) => standing[vnode]!,
    suspects: (vnode) => suspected.includes(vnode),
    doubts: (vnode) => suspected.includes(vnode) || doubted.includes(vnode),
    holdsHintsFor: (holder, owner) => hints.some(([h, o]) => h === holder && o === owner),
    hasVersions: (vnode) => holders.includes(vnode),
  };
}

function plan(world: Partial<World>): Pick<ReadPlan, 'ask' | 'end'> {
  const { ask, end } = fullPlan(world);
  return { ask, end };
}

describe('whom a get asks (owners 0 to 2, fallbacks 3 and 4, R=2)', () => {
  it('R owners in order, another for one that is down or slow, fallbacks only below R', () => {
    expect(plan({})).toEqual({ ask: [0, 1], end: 'wait' });
    expect(plan({ serving: [false, true, true, true, true] })).toEqual({ ask: [1, 2], end: 'wait' });
    expect(plan({ standing: ['slow', 'asked', 'unasked', 'unasked', 'unasked'] })).toEqual({
      ask: [2],
      end: 'wait',
    });
    expect(plan({ serving: [false, false, true, true, true] })).toEqual({ ask: [2, 3, 4], end: 'wait' });
    expect(plan({ serving: [false, false, true, true, true], strict: true })).toEqual({
      ask: [2],
      end: 'wait',
    });
  });

  it('an owner that is doubted comes after the others, and is waited for like any other', () => {
    expect(plan({ doubted: [0] })).toEqual({ ask: [1, 2], end: 'wait' });
    expect(plan({ doubted: [0, 1] })).toEqual({ ask: [2, 0], end: 'wait' });
    expect(plan({ doubted: [0], suspected: [2] })).toEqual({ ask: [1, 0], end: 'wait' });
    const silent: World['standing'] = ['slow', 'slow', 'answered', 'unasked', 'unasked'];
    expect(plan({ doubted: [0, 1], standing: silent })).toEqual({ ask: [], end: 'wait' });
  });

  it('a suspected owner comes last, is asked all the same, and is not waited for', () => {
    expect(plan({ suspected: [0] })).toEqual({ ask: [1, 2], end: 'wait' });
    expect(plan({ suspected: [0, 1] })).toEqual({ ask: [2, 0, 1, 3, 4], end: 'wait' });
    const silent: World['standing'] = ['suspected', 'suspected', 'answered', 'answered', 'answered'];
    expect(plan({ suspected: [0, 1], standing: silent })).toEqual({ ask: [], end: 'degraded' });
    expect(plan({ suspected: [0, 1], standing: silent, strict: true })).toEqual({ ask: [], end: 'wait' });
  });

  it('who holds hints for an owner is asked before it', () => {
    const hints = [[3, 0]] as const;
    expect(plan({ hints, r: 1 })).toEqual({ ask: [3], end: 'wait' });
    expect(plan({ hints, r: 1, standing: ['unasked', 'unasked', 'unasked', 'asked', 'unasked'] })).toEqual({
      ask: [],
      end: 'wait',
    });
    expect(plan({ hints, r: 1, standing: ['unasked', 'unasked', 'unasked', 'answered', 'unasked'] })).toEqual(
      {
        ask: [0],
        end: 'wait',
      },
    );
    expect(
      plan({ hints, r: 1, standing: ['answered', 'unasked', 'unasked', 'answered', 'unasked'] }),
    ).toEqual({
      ask: [],
      end: 'complete',
    });
  });

  it('an owner whose hints nobody can tell of makes the answer degraded', () => {
    const standing: Standing[] = ['answered', 'answered', 'unasked', 'unasked', 'unasked'];
    expect(plan({ standing, hints: [[3, 0]], serving: [true, true, true, false, true] }).end).toBe(
      'degraded',
    );
    expect(plan({ standing, hints: [[3, 2]], serving: [true, true, true, false, true] }).end).toBe(
      'complete',
    );
  });

  it('such an owner does not count for a strict get, which asks another, unless no fallback stands in for an owner', () => {
    const standing: Standing[] = ['answered', 'answered', 'unasked', 'unasked', 'unasked'];
    const world = {
      standing,
      strict: true,
      hints: [[3, 0]],
      serving: [true, true, true, false, true],
    } as const;
    expect(plan(world)).toEqual({ ask: [2], end: 'wait' });
    expect(answeredOwners(viewOf(world))).toBe(1);
    const all: Standing[] = ['answered', 'answered', 'answered', 'unasked', 'unasked'];
    expect(plan({ ...world, standing: all })).toEqual({ ask: [], end: 'complete' });
    expect(plan({ ...world, standing: all, r: 3 })).toEqual({ ask: [], end: 'wait' });
    expect(plan({ ...world, sloppyPuts: false })).toEqual({ ask: [], end: 'complete' });
    const unheard = [{ holder: 3, owner: 0 }];
    expect(plan({ standing, strict: true, unheard })).toEqual({ ask: [2], end: 'wait' });
    expect(plan({ standing, strict: true, unheard, holders: [3] })).toEqual({ ask: [], end: 'complete' });
  });

  it('an owner that is asked before a slow holder has answered is doubted, although the hint is gone by then', () => {
    const slow: Standing[] = ['unasked', 'unasked', 'unasked', 'slow', 'unasked'];
    const asked = fullPlan({ hints: [[3, 0]], r: 1, standing: slow });
    expect(asked).toEqual({ ask: [0], unheard: [{ holder: 3, owner: 0 }], end: 'wait' });
    const { unheard } = asked;
    for (const holder of ['slow', 'answered'] as const) {
      const standing: Standing[] = ['answered', 'unasked', 'unasked', holder, 'unasked'];
      expect(plan({ r: 1, standing, unheard }).end).toBe('degraded');
    }
    const standing: Standing[] = ['answered', 'unasked', 'unasked', 'answered', 'unasked'];
    expect(plan({ r: 1, standing, unheard, holders: [3] }).end).toBe('complete');
  });

  it('an absence at fallbacks is no answer, a version there is a degraded one', () => {
    const standing: Standing[] = ['unasked', 'unasked', 'unasked', 'answered', 'answered'];
    const serving = [false, false, false, true, true];
    expect(plan({ standing, serving })).toEqual({ ask: [], end: 'wait' });
    expect(plan({ standing, serving, versions: true })).toEqual({ ask: [], end: 'degraded' });
  });
});

describe('a get while owners are being rebuilt (owners 0 to 2, R=2)', () => {
  it('whole owners are asked, and R of them are a whole answer', () => {
    expect(plan({ rebuilding: [0] })).toEqual({ ask: [1, 2], end: 'wait' });
    const standing: Standing[] = ['unasked', 'answered', 'answered', 'unasked', 'unasked'];
    expect(plan({ rebuilding: [0], standing })).toEqual({ ask: [], end: 'complete' });
  });

  it('below R whole ones it is asked like a fallback: its version is a degraded answer, its absence none', () => {
    expect(plan({ rebuilding: [0, 1] })).toEqual({ ask: [2, 0, 1, 3, 4], end: 'wait' });
    const standing: Standing[] = ['partial', 'refused', 'answered', 'answered', 'answered'];
    expect(plan({ rebuilding: [0, 1], standing, versions: true })).toEqual({ ask: [], end: 'degraded' });
    const lost: Standing[] = ['refused', 'refused', 'refused', 'answered', 'answered'];
    expect(plan({ rebuilding: [0, 1, 2], standing: lost })).toEqual({ ask: [], end: 'wait' });
  });

  it('one that became whole after it had answered partly does not count', () => {
    const standing: Standing[] = ['partial', 'answered', 'unasked', 'unasked', 'unasked'];
    expect(plan({ standing, versions: true })).toEqual({ ask: [2], end: 'wait' });
  });
});

/** Whether one that serves may still count. */
function isOpen(standing: Standing): boolean {
  return standing !== 'refused' && standing !== 'partial';
}

const worlds = fc.record<World>({
  serving: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  rebuilding: fc.uniqueArray(fc.nat(2), { maxLength: 2 }),
  standing: fc.array(
    fc.constantFrom<Standing[]>('unasked', 'asked', 'slow', 'suspected', 'answered', 'partial', 'refused'),
    {
      minLength: 5,
      maxLength: 5,
    },
  ),
  hints: fc.array(
    fc.tuple(fc.nat(4), fc.nat(2)).filter(([holder, owner]) => holder !== owner),
    { maxLength: 3 },
  ),
  suspected: fc.uniqueArray(fc.nat(4)),
  doubted: fc.uniqueArray(fc.nat(4)),
  versions: fc.boolean(),
  r: fc.integer({ min: 1, max: 3 }),
  strict: fc.boolean(),
  sloppyPuts: fc.boolean(),
  unheard: fc.constant([]),
  holders: fc.constant([]),
});

describe('any state of a get', () => {
  it('asks each once and only who serves; ends complete only with R owners, and degraded never strictly', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { ask, end } = plan(world);
        expect(new Set(ask).size).toBe(ask.length);
        for (const vnode of ask)
          expect([world.standing[vnode], world.serving[vnode]]).toEqual(['unasked', true]);
        const mayLack = (owner: number): boolean =>
          world.hints.some(([holder, other]) => other === owner && world.standing[holder] !== 'answered');
        const answered = [0, 1, 2].filter((owner) => world.standing[owner] === 'answered');
        const owners = answered.filter(
          (owner) => !(world.strict && world.sloppyPuts && mayLack(owner)),
        ).length;
        if (end !== 'wait') expect(ask).toEqual([]);
        if (end === 'complete') expect(owners).toBeGreaterThanOrEqual(world.r);
        if (end === 'degraded') {
          expect(world.strict).toBe(false);
          expect(answered.length > 0 || world.versions).toBe(true);
        }
        if (owners >= world.r) expect(end).not.toBe('wait');
      }),
      { numRuns: 5_000 },
    );
  });

  it('comes to an end when everybody who serves answers, if any owner does', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const standing = [...world.standing].map<Standing>((one, i) => (world.serving[i] ? one : 'unasked'));
        fc.pre(
          !world.strict &&
            world.serving
              .slice(0, 3)
              .some((serves, i) => serves && !world.rebuilding.includes(i) && isOpen(standing[i]!)),
        );
        for (let round = 0; round < 10; round++) {
          const { ask, end } = plan({ ...world, standing });
          if (end !== 'wait') return;
          for (const vnode of ask) standing[vnode] = 'asked';
          standing.forEach((one, i) => {
            if (one !== 'asked' && one !== 'slow' && one !== 'suspected') return;
            standing[i] = world.rebuilding.includes(i) ? 'partial' : 'answered';
          });
        }
        throw new Error('it waits for ever');
      }),
      { numRuns: 5_000 },
    );
  });
});
