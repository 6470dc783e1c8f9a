import type { Server, Socket } from 'node:net';
import { LIMITS } from '../../base/limits.js';
import type { Store } from '../../client/api.js';
import type { Command } from './command.js';
import { DoorMemory } from './door-memory.js';
import { DoorCounts } from './io/door-counts.js';
import { Gate } from './gate.js';
import { Keyspace } from './keyspace.js';
import type { ParserLimits } from './parser.js';
import type { Secret } from '../security/secret.js';
import { ScanCursors } from './scan-cursors.js';
import { Session } from './session.js';

export interface RespOptions {
  /** Largest value, and so the longest argument. */
  readonly valueBytes: number;
  /** The password of AUTH; without one every client is authenticated. */
  readonly secret?: Secret | undefined;
  /** Whether FLUSHDB and FLUSHALL work. */
  readonly allowFlush: boolean;
  /** Of the package, for INFO. */
  readonly version: string;
  /** Gets errors that a client is told nothing about. */
  readonly report: (error: unknown) => void;
  /** How long a client may leave its replies unread; default {@link LIMITS.respSlowReaderMs}. */
  readonly slowReaderMs?: number;
  /** How long a client may take until it has authenticated; default {@link LIMITS.respLoginMs}. */
  readonly loginMs?: number;
  /** What connections may hold of large requests and replies together; default {@link LIMITS.respDoorBytes}. */
  readonly heldBytes?: number;
  /** Shared by the threads of one door; default: it has this thread alone. */
  readonly counts?: DoorCounts;
}

const KEPT_MS = 1;

/** The Redis protocol in front of a store, for the connections of one thread. */
export class RespServer {
  readonly store: Store;
  readonly commands: ReadonlyMap<string, Command>;
  readonly options: RespOptions;
  readonly limits: ParserLimits;
  /** Before authentication: what Redis allows. */
  readonly limitsBefore: ParserLimits = { bulkBytes: 16 << 10, arguments: 10, requestBytes: 200 << 10 };
  readonly cursors = new ScanCursors();
  readonly startedMs = Date.now();
  readonly slowReaderMs: number;
  readonly loginMs: number;
  readonly sessions = new Set<Session>();
  readonly counts: DoorCounts;
  readonly memory: DoorMemory;
  port = 0;
  /** Whoever waits for something that may never come gives up. */
  isClosing = false;
  readonly keyspaces: readonly Keyspace[];

  constructor(store: Store, commands: ReadonlyMap<string, Command>, options: RespOptions) {
    this.store = store;
    this.commands = commands;
    this.options = options;
    this.counts = options.counts ?? DoorCounts.create(1);
    this.memory = new DoorMemory(options.heldBytes);
    this.slowReaderMs = options.slowReaderMs ?? LIMITS.respSlowReaderMs;
    this.loginMs = options.loginMs ?? LIMITS.respLoginMs;
    this.limits = {
      bulkBytes: Math.max(options.valueBytes, LIMITS.respLeastBulkBytes),
      arguments: LIMITS.respArguments,
      requestBytes: options.valueBytes + LIMITS.respRequestBytes,
    };
    const gate = new Gate(LIMITS.respInFlight);
    this.keyspaces = Array.from(
      { length: LIMITS.respDatabases },
      (_, index) => new Keyspace(store, index, gate),
    );
  }

  get needsPassword(): boolean {
    return this.options.secret !== undefined;
  }

  isPassword(given: Buffer): boolean {
    return this.options.secret?.matches(given.toString()) === true;
  }

  keyspace(index: number): Keyspace {
    return this.keyspaces[index]!;
  }

  report = (error: unknown): void => this.options.report(error);

  readonly accept = (socket: Socket): void => {
    if (!this.counts.enter(LIMITS.respConnections)) {
      socket.on('error', () => undefined);
      socket.end('-ERR max number of clients reached\r\n', () => socket.destroy());
      return;
    }
    socket.setNoDelay(true);
    this.sessions.add(new Session(this, socket, this.counts.nextConnection()));
  };

  /**
   * Sessions that got replies go on when whoever brings them has brought all that were there: one write for
   * each. A turn of the event loop later would cost every single request such a turn.
   */
  later(session: Session): void {
    if (this.turning.push(session) === 1) queueMicrotask(this.turn);
  }
  private turning: Session[] = [];
  private readonly turn = (): void => {
    const sessions = this.turning;
    this.turning = [];
    for (const session of sessions) session.turn();
  };

  /** A session's replies wait for others, for {@link KEPT_MS} at most. */
  keepBack(session: Session): void {
    if (this.keeping.push(session) === 1) setTimeout(this.release, KEPT_MS);
  }
  private keeping: Session[] = [];
  private readonly release = (): void => {
    const sessions = this.keeping;
    this.keeping = [];
    for (const session of sessions) session.release();
  };

  forget(session: Session): void {
    if (this.sessions.delete(session)) this.counts.leave();
  }

  /** Takes no more connections; commands under way may end for up to `graceMs`. */
  async close(server: Server, graceMs: number): Promise<void> {
    this.isClosing = true;
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
    const cutOff = setTimeout(() => {
      for (const session of this.sessions) session.destroy();
    }, graceMs);
    for (const session of this.sessions) session.stop();
    await closed;
    clearTimeout(cutOff);
  }
}
