import { assert } from './assert.js';

/** Every bound of the store in one place; the relations between them are asserted below. */
export const LIMITS = {
  /** Longest key in bytes, bucket not counted. LMDB takes 1,978 with our 4-byte prefix. */
  keyBytes: 1_900,
  /** What a hint's name has besides the key: the owner's id and 3 bytes. */
  hintNameBytes: 64,
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
  /** Entries (actors) of one clock: no write makes more but a deletion, with which they go, and which a context still carries. */
  clockEntries: 1_024,
  contextEntries: 1_600,
  contextBytes: 16 << 10,
  /** Callers: the main thread and handles of other threads. */
  callers: 16,
  maxCallers: 256,
  /** Requests one caller may have in flight. */
  inFlight: 4_096,
  /** Puts that one virtual node coordinates at the same time. */
  coordinations: 8_192,
  /** Bytes of the conditional puts that wait there for owners' copies; one alone may be longer. */
  conditionalBytes: 32 << 20,
  /** Hints that one virtual node keeps; a longer absence is left to repair. */
  hints: 1 << 18,
  /** Handing over: hints on their way, and bytes given to the transport per turn (one record may be longer). */
  hintsInFlight: 64,
  hintBytesPerTurn: 16 << 10,
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
  /** Redis protocol: connections, and databases (a bucket each). */
  respConnections: 1_024,
  /** Threads of one Redis door. */
  ioThreads: 64,
  respDatabases: 16,
  /** Of a connection, which keeps it. */
  respNameBytes: 1_024,
  /** Words of one request; bytes of one beside its longest value; an argument may always be so long. */
  respArguments: 65_536,
  respRequestBytes: 16 << 20,
  respLeastBulkBytes: 64 << 10,
  /** Bytes of all requests of one MULTI. */
  respQueuedBytes: 16 << 20,
  /** One reply; what is written to a connection at once; what it may leave unread before nothing more is executed. */
  respReplyBytes: 256 << 20,
  respTurnBytes: 64 << 10,
  respClogBytes: 1 << 20,
  /** Then it is closed. */
  respSlowReaderMs: 60_000,
  /** How long a connection may go without the password that it needs: there are only so many of them. */
  respLoginMs: 60_000,
  /** Of requests that have not come whole, transactions and unread replies above `respLargeBytes` each, in one thread. */
  respDoorBytes: 512 << 20,
  respLargeBytes: 512 << 10,
  /** An idle connection keeps a reply buffer of at most so many bytes. */
  respKeptBytes: 64 << 10,
  /** GETs and SETs of one connection under way at the same time. */
  respPipelined: 1_024,
  /** Bytes that are read ahead of a command under way. */
  respHeldBytes: 256 << 10,
  /** Requests to the store that the connections of one thread have under way. */
  respInFlight: 2_048,
  /** Keys of one command that are read at a time. */
  respKeysAtOnce: 256,
  /** Places where SCANs go on. */
  respScanCursors: 4_096,
  /** Keys of one command that a WAIT looks at, and how long it waits if it is told to wait for ever. */
  respWaitKeys: 128,
  respWaitMs: 600_000,
  timeoutMs: 5_000,
  maxTimeoutMs: 600_000,
  flushMs: 20,
  maxFlushMs: 10_000,
  scanPage: 1_000,
  /** Between two tree exchanges of a virtual node, on average; and the longest that one may take. */
  exchangeMs: 1_000,
  exchangeLifeMs: 30_000,
  /** A peer that says nothing for so long ends the exchange. */
  exchangeSilenceMs: 5_000,
  /** Tree nodes that differ are looked at again after so long: writes on their way are no difference. */
  exchangeSettleMs: 100,
  /** Tree nodes, keys and record indexes in one frame. */
  treeNodes: 1_024,
  /** Keys, and bytes of keys, that one exchange lists on either side; with more it takes fewer nodes. */
  treeListedKeys: 16_384,
  treeListedBytes: 1 << 20,
  /** Bytes of records in one frame of an exchange, unless one record has more. */
  treePageBytes: 16 << 10,
  /** Admission of background work: how often it is adapted, the p99 that the foreground shall keep, the least share of the thread's time. */
  admissionWindowMs: 100,
  /** How long a slice lasts, and a request may have to wait for it, give or take a step. */
  sliceMs: 0.3,
  foregroundP99Ms: 2,
  maxForegroundP99Ms: 10_000,
  backgroundShare: 0.05,
  /** The scrub: records and bytes of a slice, the pause between two, and between two passes; the first comes sooner. */
  scrubRecords: 256,
  scrubBytes: 128 << 10,
  scrubPauseMs: 50,
  scrubEveryMs: 6 * 3_600_000,
  scrubFirstMs: 120_000,
  /** At the end of a pass trees are made anew, unless they are younger than this. */
  scrubTreesMs: 60_000,
  /** Damaged keys that a virtual node remembers, so that it makes its trees anew once for each. */
  knownDamage: 4_096,
  /**
   * The longest that a frame with a record may be on its way, from the moment the record was read:
   * afterwards nobody takes it. Tombstones are reaped in the trust on it.
   */
  replicaFrameMs: 10_000,
  /** Tombstones of which a virtual node knows that they wait to be reaped; a walk finds the others later. */
  tombstones: 1 << 16,
  /** Keys with a value that expires of which a virtual node knows; a walk finds those that expire later. */
  expiring: 1 << 18,
  /** What a cache bucket may be limited to. */
  leastCacheBytes: 64 << 10,
  maxCacheBytes: 2 ** 40,
  /** Keys that are loaded at the same time, in sets of 16: where a set is full, the next one waits. */
  leases: 16_384,
  /** The longest time to live: ten years. */
  maxTtlMs: 10 * 366 * 86_400_000,
  /** The last time at which a value may expire, in milliseconds since 1970: the last that a Date can hold. */
  maxExpiresAtMs: 8_640_000_000_000_000,
  /** Keys, and bytes of frame, in one batch of a reaper, and batches under way. */
  reapKeys: 512,
  reapFrameBytes: 32 << 10,
  reapBatches: 32,
  memoryMiB: 512,
  minMemoryMiB: 16,
  /** HTTP: connections of one door, and the bytes of all headers of a request: two contexts and the longest key fit. */
  httpConnections: 1_024,
  httpHeaderBytes: 64 << 10,
  /** Until all headers are there, until the body is; an idle connection lasts so long. */
  httpHeadersMs: 10_000,
  httpRequestMs: 120_000,
  httpIdleMs: 65_000,
  /** A client that takes nothing of its answer for about so long is cut off. */
  httpStalledMs: 30_000,
  /** A connection that is closed for bytes that are no request, after the answer. */
  httpLingerMs: 1_000,
  /** Requests that wait for their turn on one connection before nothing more is read from it. */
  httpWaiting: 64,
  /** Bytes of bodies above `httpSmallBody` that are held at a time. */
  httpBodyBytes: 256 << 20,
  httpSmallBody: 64 << 10,
  /** Of answers above `httpLargeAnswer` that clients have not taken yet. */
  httpAnswerBytes: 512 << 20,
  httpLargeAnswer: 512 << 10,
} as const;

/** Of the object buffers, for caches. With an engine the rest is also the way of everything that is written. */
export const CACHE_SHARES = {
  memory: { standard: 1 / 2, most: 3 / 4 },
  lmdb: { standard: 1 / 4, most: 1 / 2 },
} as const;

assert(
  LIMITS.keyBytes + LIMITS.hintNameBytes + 4 <= 1_978,
  'an engine key holds partition, bucket and the name of a hint',
);
assert(LIMITS.buckets < 0xffff, 'the highest bucket number is the one of hints');
assert(LIMITS.valueBytes <= LIMITS.maxValueBytes, 'the default value limit is within its range');
assert(LIMITS.timeoutMs <= LIMITS.replicaFrameMs, 'a put of default length need not send its copies twice');
assert(LIMITS.clockEntries < LIMITS.contextEntries, 'a key whose clock is full can be deleted');
assert(5 + LIMITS.contextEntries * 10 <= LIMITS.contextBytes, 'the longest context is within its bytes');
assert(LIMITS.siblingsWarn < LIMITS.siblings, 'siblings warn before they refuse');
assert((LIMITS.partitions & (LIMITS.partitions - 1)) === 0, 'partitions are a power of two');
assert(LIMITS.keyBytes + 64 < LIMITS.callerRingBytes / 8, 'a key fits into one ring frame');
assert(LIMITS.respInFlight * 2 <= LIMITS.inFlight, 'Redis clients leave half of a caller to the others');
