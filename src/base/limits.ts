import { assert } from './assert.js';

/** Every bound of the store in one place; the relations between them are asserted below. */
export const LIMITS = {
  /** Longest key in bytes, bucket not counted. LMDB takes 1,978 with our 4-byte prefix. */
  keyBytes: 1_900,
  /** Largest value by default, and the most that `valueBytes` may be set to. */
  valueBytes: 1 << 20,
  maxValueBytes: 64 << 20,
  contentTypeBytes: 255,
  bucketNameBytes: 64,
  buckets: 4_096,
  nodes: 64,
  virtualNodes: 64,
  capacity: 16,
  partitions: 4_096,
  /** Replicas per key. */
  replicas: 8,
  /** Siblings per key: a warning is counted at the first, a put refused at the second. */
  siblingsWarn: 25,
  siblings: 100,
  /** Entries (actors) of one clock. */
  clockEntries: 1_024,
  contextBytes: 16 << 10,
  /** Callers: the main thread and handles of other threads. */
  callers: 16,
  maxCallers: 256,
  /** Requests one caller may have in flight. */
  inFlight: 4_096,
  /** Puts that one virtual node coordinates at the same time. */
  coordinations: 8_192,
  /** Bytes of one ring buffer between a caller and a virtual node, and between virtual nodes. */
  callerRingBytes: 128 << 10,
  vnodeRingBytes: 256 << 10,
  /** Bytes that wait outside a full ring, for one directed pair. */
  outboxBytes: 8 << 20,
  /** Frames that a link with an injected delay holds; beyond, it loses them. */
  heldFrames: 16_384,
  /** Of injected faults: the longest delay, and how long one may last that ends by itself. */
  maxDelayMs: 60_000,
  maxFaultMs: 86_400_000,
  /** Rows of a membership: members that left are remembered too. */
  members: 256,
  memberIdBytes: 32,
  timeoutMs: 5_000,
  maxTimeoutMs: 600_000,
  flushMs: 20,
  maxFlushMs: 10_000,
  scanPage: 1_000,
  memoryMiB: 512,
  minMemoryMiB: 16,
} as const;

assert(LIMITS.keyBytes + 4 <= 1_978, 'an engine key holds partition, bucket and key');
assert(LIMITS.valueBytes <= LIMITS.maxValueBytes, 'the default value limit is within its range');
assert(LIMITS.siblingsWarn < LIMITS.siblings, 'siblings warn before they refuse');
assert((LIMITS.partitions & (LIMITS.partitions - 1)) === 0, 'partitions are a power of two');
assert(LIMITS.keyBytes + 64 < LIMITS.callerRingBytes / 8, 'a key fits into one ring frame');
