import { RingletError } from '../base/errors.js';
import type { TimelineEvent } from './api.js';
import type { Connection } from './connection.js';
import type { LocatedKey } from './request.js';

/** A copy of the key that the router has just located. */
export function keepKey({ router }: Connection): LocatedKey {
  const words = router.words.slice(0, (router.keyBytes + 3) >>> 2);
  return {
    bytes: new Uint8Array(words.buffer, 0, router.keyBytes),
    words,
    hash: router.hash,
    partition: router.partition,
  };
}

export function aborted(maybeApplied: boolean): RingletError {
  return new RingletError('ABORTED', 'the request was aborted by its signal', {}, { maybeApplied });
}

export function finished(timeline: TimelineEvent[], connection: Connection, startedMs: number): TimelineEvent[] {
  timeline.push({ atUs: Math.round((connection.clock.nowMs() - startedMs) * 1000), event: 'done' });
  return timeline;
}
