import { RingletError } from '../base/errors.js';
import type { Key, TimelineEvent } from './api.js';
import type { Connection } from './connection.js';
import type { LocatedKey } from './request.js';

/** Locates a key and keeps what a request needs of it. @throws RingletError KEY_TOO_LARGE, BAD_REQUEST */
export function locateKey({ router }: Connection, key: Key): LocatedKey {
  router.locate(key);
  // Not `slice`: a Buffer's is a view.
  const source = typeof key === 'string' ? key : new Uint8Array(key);
  const located = { source, hash: router.hash, partition: router.partition };
  router.remember(located);
  return located;
}

export function aborted(maybeApplied: boolean): RingletError {
  return new RingletError('ABORTED', 'the request was aborted by its signal', {}, { maybeApplied });
}

export function finished(
  timeline: TimelineEvent[],
  connection: Connection,
  startedMs: number,
): TimelineEvent[] {
  timeline.push({ atUs: Math.round((connection.clock.nowMs() - startedMs) * 1000), event: 'done' });
  return timeline;
}
