/**
 * Every error that leaves Ringlet carries a stable code and the numbers behind it.
 *
 * `retryable`: the same request may succeed later. `maybeApplied`: the write may have taken
 * effect, or may still take effect; only a later read tells.
 */
export const ERROR_CODES = {
  /** An argument or option is outside its documented range. */
  BAD_REQUEST: { retryable: false, http: 400 },
  /** A context string is damaged, of another version, or not one of ours. */
  BAD_CONTEXT: { retryable: false, http: 400 },
  KEY_TOO_LARGE: { retryable: false, http: 400 },
  VALUE_TOO_LARGE: { retryable: false, http: 413 },
  /** `increment` on a key that holds an ordinary value. */
  NOT_A_COUNTER: { retryable: false, http: 400 },
  /** A bucket was opened with an `n` or conflict rule other than the one it was created with. */
  BUCKET_MISMATCH: { retryable: false, http: 409 },
  BUCKET_LIMIT: { retryable: false, http: 400 },
  /** `ifAbsent` or `ifMatch` did not hold. */
  CONDITION_FAILED: { retryable: false, http: 412 },
  /** A conditional write needs its first owner and W owners; they are not reachable. */
  CONDITION_UNAVAILABLE: { retryable: true, http: 503 },
  /** Fewer than R or W owners answered. */
  QUORUM_NOT_MET: { retryable: true, http: 503 },
  /** The coordinating virtual node died after it had taken the put. */
  COORDINATOR_LOST: { retryable: true, http: 503 },
  /** The deadline passed. */
  TIMEOUT: { retryable: true, http: 503 },
  /** The caller's AbortSignal fired. */
  ABORTED: { retryable: true, http: 499 },
  /** A queue, ring buffer or in-flight limit is full. */
  OVERLOADED: { retryable: true, http: 429 },
  /** The key has as many siblings as the store keeps; resolve them first. */
  TOO_MANY_SIBLINGS: { retryable: false, http: 409 },
  /** No room: the object buffers of a memory-only store are full, or the disk is. */
  STORE_FULL: { retryable: true, http: 507 },
  /** A virtual node takes no writes because its disk failed. */
  READ_ONLY: { retryable: true, http: 503 },
  /** The store or handle is closed. */
  CLOSED: { retryable: false, http: 503 },
  /** All caller slots (`maxCallers`) are taken. */
  TOO_MANY_CALLERS: { retryable: true, http: 503 },
  /** A fault was to be injected into a store that was not opened with `allowFaults`. */
  FAULTS_OFF: { retryable: false, http: 403 },
  DATA_CORRUPT: { retryable: false, http: 500 },
  DATA_FOREIGN: { retryable: false, http: 500 },
  /** Another process owns the data directory. */
  DATA_LOCKED: { retryable: true, http: 500 },
  /** The directory was made with other nodes, virtual nodes, capacities or partitions. */
  TOPOLOGY_CHANGED: { retryable: false, http: 500 },
  /** A ring change is under way; there is one at a time. */
  RING_CHANGING: { retryable: true, http: 409 },
  /** No room for more virtual nodes until the store is opened again. */
  RING_FULL: { retryable: false, http: 409 },
  PORT_IN_USE: { retryable: true, http: 500 },
  /** A command line or configuration mistake (exit code 2). */
  USAGE: { retryable: false, http: 400 },
  UNSUPPORTED_PLATFORM: { retryable: false, http: 500 },
  /** An input or output operation failed. */
  IO: { retryable: true, http: 500 },
  INTERNAL: { retryable: false, http: 500 },
} as const satisfies Record<string, { retryable: boolean; http: number }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Numbers and short strings: what was asked, what was got. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

export class RingletError extends Error {
  override readonly name = 'RingletError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  readonly maybeApplied: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    details: ErrorDetails = {},
    options: { maybeApplied?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = details;
    this.retryable = ERROR_CODES[code].retryable;
    this.maybeApplied = options.maybeApplied ?? false;
  }

  toJSON(): ErrorFields {
    return {
      code: this.code,
      message: this.message,
      details: this.details,
      retryable: this.retryable,
      maybeApplied: this.maybeApplied,
    };
  }
}

/** Whatever somebody gave, for a message: never throws, never long. */
export function shown(value: unknown): string {
  try {
    return String(value).slice(0, 80);
  } catch {
    return typeof value;
  }
}

/** For messages: "4" is not 4. */
export function quoted(value: unknown): string {
  return typeof value === 'string' ? `"${shown(value)}"` : shown(value);
}

/** What crosses a thread or a socket: structured clone drops the fields of error classes. */
export interface ErrorFields {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  readonly maybeApplied: boolean;
}

export function errorFrom(fields: ErrorFields): RingletError {
  return new RingletError(fields.code, fields.message, fields.details, {
    maybeApplied: fields.maybeApplied,
  });
}
