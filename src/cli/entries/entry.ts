/** A key with all its live values, as `export` writes it and `load` takes it. */
export interface Entry {
  /** Bytes only where they are no UTF-8. */
  readonly key: string | Uint8Array;
  /** More than one: siblings. */
  readonly values: readonly EntryValue[];
}

export interface EntryValue {
  readonly bytes: Uint8Array;
  readonly contentType: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs?: number;
}

export const JSON_TYPE = 'application/json';

/** What is wrong with one record of an input; the load reports it and goes on. */
export class RecordError extends Error {}
