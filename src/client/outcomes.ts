import { RingletError } from '../base/errors.js';
import {
  OUT_CONDITION,
  OUT_CONDITION_UNAVAILABLE,
  OUT_CONTEXT,
  OUT_CORRUPT,
  OUT_COUNTER,
  OUT_FULL,
  OUT_NOT_A_COUNTER,
  OUT_OVERLOADED,
  OUT_QUORUM,
  OUT_READ_ONLY,
  OUT_SIBLINGS,
  OUT_STALE_RING,
  OUT_TOO_LARGE,
} from '../messaging/frames.js';

/** The error that an outcome of a reply stands for. */
export function errorOfOutcome(outcome: number, got: number, need: number, made: boolean): RingletError {
  const numbers = { need, got };
  switch (outcome) {
    case OUT_QUORUM:
      return new RingletError('QUORUM_NOT_MET', `${need} owners are needed, ${got} answered`, numbers, {
        maybeApplied: made,
      });
    case OUT_CONDITION:
      return new RingletError(
        'CONDITION_FAILED',
        'the condition does not hold: the key was changed or exists',
      );
    case OUT_CONDITION_UNAVAILABLE:
      return new RingletError(
        'CONDITION_UNAVAILABLE',
        `a conditional write needs the first owner and ${need} owners; ${got} are there`,
        numbers,
      );
    case OUT_SIBLINGS:
      return new RingletError(
        'TOO_MANY_SIBLINGS',
        `${got} siblings where ${need} are allowed: read, resolve, and put with the context`,
        {
          siblings: got,
          limit: need,
        },
      );
    case OUT_TOO_LARGE:
      return new RingletError(
        'TOO_MANY_SIBLINGS',
        `all siblings together would have ${got} bytes, at most ${need} are allowed: resolve them first`,
        {
          bytes: got,
          limit: need,
        },
      );
    case OUT_FULL:
      return new RingletError(
        'STORE_FULL',
        'no room for the record: memory or disk is full, or cannot keep up',
      );
    case OUT_READ_ONLY:
      return new RingletError('READ_ONLY', 'the virtual node takes no writes: its disk failed');
    case OUT_OVERLOADED:
      return new RingletError(
        'OVERLOADED',
        `too much waits there: ${got} of at most ${need} requests or bytes`,
        {
          got,
          limit: need,
        },
      );
    case OUT_NOT_A_COUNTER:
      return got === 1
        ? new RingletError('BAD_REQUEST', 'the sum would leave the safe integers')
        : new RingletError('NOT_A_COUNTER', 'the key holds an ordinary value');
    case OUT_COUNTER:
      return new RingletError('BAD_REQUEST', 'a counter has no time to live');
    case OUT_CORRUPT:
      return new RingletError('DATA_CORRUPT', 'the stored record does not match its checksum');
    case OUT_CONTEXT:
      return got === 0
        ? new RingletError('BAD_CONTEXT', 'the context leaves no further version: no get has returned it')
        : new RingletError(
            'BAD_CONTEXT',
            `the clock of the key would have ${got} entries, at most ${need} are kept: delete the key with the ` +
              'context of a get; once that is cleared away, within a minute or so, it can be written again',
            { entries: got, limit: need },
          );
    case OUT_STALE_RING:
      return new RingletError('CONDITION_UNAVAILABLE', 'the ring has changed; try again');
    default:
      return new RingletError('INTERNAL', `unknown outcome ${outcome}`, { outcome });
  }
}

/** None came before the deadline. @param text what is known of it then */
export function timeoutOf(tookMs: number, text: string, maybeApplied: boolean): RingletError {
  const rounded = Math.round(tookMs);
  return new RingletError(
    'TIMEOUT',
    `no answer after ${rounded} ms${text}`,
    { tookMs: rounded },
    { maybeApplied },
  );
}
