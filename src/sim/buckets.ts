import { RULE_LWW, RULE_SIBLINGS } from '../messaging/frames.js';
import { BUFFERED, COMMITTED, DURABLE, type Level, ONE_DURABLE } from '../storage/pipeline.js';
import type { SimBucket } from './history.js';
import type { Random } from './random.js';

const BUCKETS = 6;

/** Buckets with N, R, W, durability and conflict rule drawn for the run. */
export function drawBuckets(random: Random, nodes: number): SimBucket[] {
  return Array.from({ length: BUCKETS }, (_, i) => {
    // The first three are what most people have; the others whatever comes.
    // With N=1 nobody can give back what is lost: few runs have such a bucket.
    const least = i === 5 && random.chance(0.4) ? 1 : 2;
    const n = i < 3 ? 3 : least + random.below(Math.min(5, nodes) + 1 - least);
    const w = i < 3 ? 2 : 1 + random.below(n);
    const r = i < 3 || random.chance(0.6) ? n - w + 1 : 1 + random.below(n);
    const drawn: Level =
      i < 3 ? ([BUFFERED, COMMITTED, DURABLE] as const)[i]! : random.pick([BUFFERED, COMMITTED, DURABLE]);
    // What is promised is the same as of buffered; the disk is asked for more.
    const level = drawn === BUFFERED && i >= 3 ? ONE_DURABLE : drawn;
    const rule = i === 3 || (i > 4 && random.chance(0.3)) ? RULE_LWW : RULE_SIBLINGS;
    const strict = random.chance(0.35);
    return {
      number: i + 1,
      bucket: i + 1,
      n,
      r,
      w,
      level,
      rule,
      counter: i === 4,
      strict,
      sloppyPuts: !strict,
    };
  });
}
