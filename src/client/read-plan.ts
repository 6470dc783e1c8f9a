/** What a virtual node has done about a get. */
export type Standing =
  /** It was not asked, has died since, or the question may have been lost. */
  | 'unasked'
  | 'asked'
  /** It has not answered for so long that another one is asked besides. */
  | 'slow'
  /** It has not answered, and is not expected to. */
  | 'suspected'
  | 'answered'
  /** It gave a version, and is being rebuilt: it does not count. */
  | 'partial'
  /** It answered that it cannot tell. */
  | 'refused';

export interface ReadView {
  readonly n: number;
  readonly r: number;
  /** Only owners may answer. */
  readonly strict: boolean;
  /** What was put may be at a fallback, and at fewer than W owners. */
  readonly sloppyPuts: boolean;
  /** The preference list: n owners, then the fallbacks. */
  readonly list: ArrayLike<number>;
  /** Whether any answer so far, an owner's or a fallback's, has versions. */
  readonly versions: boolean;
  isServing(vnode: number): boolean;
  /** Whether it has all that it must have: it serves, and is not being rebuilt. */
  isWhole(vnode: number): boolean;
  /** Whether a virtual node is done without where others can answer. */
  suspects(vnode: number): boolean;
  /** Whether others are preferred to it. Whoever is suspected is doubted as well. */
  doubts(vnode: number): boolean;
  standing(vnode: number): Standing;
  /** Whether a virtual node may hold hints for another. */
  holdsHintsFor(holder: number, owner: number): boolean;
  /** All that the plans of this get have said to be {@link ReadPlan.unheard}. */
  readonly unheard: readonly Unheard[];
  /** Whether a virtual node has answered with versions. */
  hasVersions(vnode: number): boolean;
}

/** An owner that is asked although one who may hold hints for it has not answered. */
export interface Unheard {
  readonly holder: number;
  readonly owner: number;
}

export interface ReadPlan {
  /** Whom to ask now. */
  readonly ask: readonly number[];
  readonly unheard: readonly Unheard[];
  readonly end: 'wait' | 'complete' | 'degraded';
}

/**
 * The one place that decides what a get does next. It asks owners in order of preference until R
 * have answered or may still answer; those that are doubted come last, and those that are suspected after
 * them and are not waited for. An owner for which hints wait may lack what their holders
 * have, so these are asked too, and before it: what is handed over in between is met twice and
 * never missed. A holder that cannot be asked, or is too slow, makes the answer a degraded one, even if it
 * has let its hints go by then: the owner may have answered before it was handed them.
 *
 * A strict get is never degraded: an owner that may lack what a holder has does not count for it, and others are
 * asked. Where fallbacks stand in for nobody's puts, no holder has what R owners lack.
 *
 * Where fewer than R owners can answer, all fallbacks that serve are asked, and owners that are
 * being rebuilt: they contribute versions, never an absence nor a count towards R, and the answer
 * is a degraded one. While nothing
 * at all is known, neither of an owner nor a version, it waits for an owner: a thread that restarts
 * is no reason to say "not found".
 */
export function planRead(view: ReadView): ReadPlan {
  const { n, r, strict, list } = view;
  const ask: number[] = [];
  const unheard: Unheard[] = [];
  const answered = answeredOwners(view);
  let hopeful = 0;
  let slow = 0;
  for (let i = 0; i < n; i++) {
    const standing = view.standing(list[i]!);
    if (standing === 'asked') hopeful++;
    else if (standing === 'slow') slow++;
  }
  for (const trust of TRUST) {
    for (let i = 0; i < n && answered + hopeful < r; i++) {
      const owner = list[i]!;
      if (trustIn(view, owner) !== trust) continue;
      if (view.standing(owner) !== 'unasked' || !view.isWhole(owner)) continue;
      if (trust !== 'none') hopeful++;
      if (askServing(view, ask, (other) => view.holdsHintsFor(other, owner)) || ask.includes(owner)) continue;
      ask.push(owner);
      for (const holder of holdersFor(view, owner))
        if (view.standing(holder) !== 'answered') unheard.push({ holder, owner });
    }
  }
  if (answered >= r) return { ask, unheard, end: !strict && isDoubtful(view) ? 'degraded' : 'complete' };
  if (answered + hopeful + slow >= r || strict) return { ask, unheard, end: 'wait' };
  const fallbacks = askServing(view, ask, (vnode) => !isOwner(view, vnode) || !view.isWhole(vnode));
  if (hopeful + slow > 0 || fallbacks) return { ask, unheard, end: 'wait' };
  return { ask, unheard, end: ask.length === 0 && (answered > 0 || view.versions) ? 'degraded' : 'wait' };
}

/** In what order owners are asked. */
const TRUST = ['full', 'some', 'none'] as const;

function trustIn(view: ReadView, vnode: number): (typeof TRUST)[number] {
  if (!view.doubts(vnode)) return 'full';
  return view.suspects(vnode) ? 'none' : 'some';
}

/** Asks those who are meant, serve, and were not asked; true if one of the meant may still answer. */
function askServing(view: ReadView, ask: number[], meant: (vnode: number) => boolean): boolean {
  let open = false;
  for (let i = 0; i < view.list.length; i++) {
    const vnode = view.list[i]!;
    if (!meant(vnode)) continue;
    const standing = view.standing(vnode);
    if (standing === 'unasked' && view.isServing(vnode) && !ask.includes(vnode)) ask.push(vnode);
    if (standing === 'asked' || ask.includes(vnode)) open = true;
  }
  return open;
}

/** How many owners count towards R by now. */
export function answeredOwners(view: ReadView): number {
  let answered = 0;
  for (let i = 0; i < view.n; i++) {
    const owner = view.list[i]!;
    if (view.standing(owner) !== 'answered') continue;
    if (view.strict && view.sloppyPuts && mayLack(view, owner)) continue;
    answered++;
  }
  return answered;
}

/** Whether any owner has answered without what may wait for it. */
function isDoubtful(view: ReadView): boolean {
  for (let i = 0; i < view.n; i++)
    if (view.standing(view.list[i]!) === 'answered' && mayLack(view, view.list[i]!)) return true;
  return false;
}

/** Whether an owner has answered, or will, without what may wait for it at somebody who has not. */
function mayLack(view: ReadView, owner: number): boolean {
  return (
    holdersFor(view, owner).some((holder) => view.standing(holder) !== 'answered') ||
    view.unheard.some((one) => one.owner === owner && !view.hasVersions(one.holder))
  );
}

/** Who in the list may hold hints for an owner. */
function holdersFor({ list, holdsHintsFor }: ReadView, owner: number): number[] {
  const holders: number[] = [];
  for (let i = 0; i < list.length; i++) if (holdsHintsFor(list[i]!, owner)) holders.push(list[i]!);
  return holders;
}

function isOwner({ n, list }: ReadView, vnode: number): boolean {
  for (let i = 0; i < n; i++) if (list[i] === vnode) return true;
  return false;
}
