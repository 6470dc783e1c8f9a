/** Backups, as users see them. */

export interface BackupOptions {
  /**
   * Virtual nodes ("n2.0") that are left out because they cannot serve. What they alone acknowledged is
   * then not in the backup; every other one is needed.
   */
  readonly without?: readonly string[];
  /** Ends it early; nothing is left behind. */
  readonly signal?: AbortSignal;
}

/** What is in a backup. */
export interface BackupSummary {
  /** When it began, ISO 8601: all that was acknowledged before is in it. */
  readonly createdAt: string;
  readonly buckets: number;
  /** Keys, deleted ones that are still remembered included. */
  readonly records: number;
  /** Of the whole file. */
  readonly bytes: number;
  /** Copies that failed their checksum and were left out; what other replicas have of these keys is in it. */
  readonly damagedCopies: number;
  readonly without: readonly string[];
}

export interface RestoreSummary extends BackupSummary {
  /** The new data directory. */
  readonly data: string;
  /** Copies of records that it holds on all its virtual nodes. */
  readonly copies: number;
}
