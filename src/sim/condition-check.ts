import { IF_ABSENT, IF_MATCH, RULE_LWW } from '../messaging/frames.js';
import type { Clock } from '../versions/dvvs.js';
import { mustBeThere, nameOf, seenBy, type Write } from './history.js';
import type { World } from './world.js';

/**
 * A put with a condition was acknowledged: the condition held. Both are said by dots alone, so that it does not
 * matter who has decided, nor what else is on its way.
 */
export function checkCondition(world: World, write: Write, condition: number, vector: Clock<never>): void {
  if (condition === IF_MATCH) checkMatch(world, write, vector);
  else if (condition === IF_ABSENT) checkAbsence(world, write);
}

/** What the coordinator knew is what the client had seen: its own dot is all that has been added. */
function checkMatch(world: World, write: Write, vector: Clock<never>): void {
  const { context, actor } = write;
  for (const { actor: other, n } of vector) {
    if (other === actor || seenBy(context, other) === n) continue;
    world.violation(
      `${nameOf(write)} was to be made if ${seenBy(context, other)} dots of ${other} were known, and ${n} were`,
    );
    return;
  }
}

/** Where R+W>N: no value stood there that had been acknowledged before and that nobody can have superseded. */
function checkAbsence(world: World, write: Write): void {
  const { key, startedMs } = write;
  const { n: owners, r, w, rule } = key.bucket;
  if (r + w <= owners || rule === RULE_LWW) return;
  const standing = key.writes.find(
    (other) =>
      mustBeThere(other) &&
      !other.thin &&
      !other.isDelete &&
      !other.expires &&
      other.endedMs < startedMs &&
      !key.writes.some(
        (one) => one !== other && one.outcome !== 'refused' && seenBy(one.context, other.actor) >= other.n,
      ),
  );
  if (standing === undefined) return;
  world.violation(`${nameOf(write)} was to be made if there is nothing, and ${nameOf(standing)} stood there`);
}
