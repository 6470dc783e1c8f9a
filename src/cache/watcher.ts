/** Hears of every change of an object buffer's index: records by their first word in the buffer. */
export interface IndexWatcher {
  /** A key points at another record now; `before` is 0 if it was not in the index. */
  linked(before: number, at: number): void;
  /** A key is in the index no more. */
  unlinked(at: number): void;
  /** Whether a record must stay in the buffer although it is in the engine. */
  keeps(at: number): boolean;
  /** Whether there are such records. */
  readonly keepsAny: boolean;
  /** Bytes of such records in a segment. */
  keptIn(segment: number): number;
}
