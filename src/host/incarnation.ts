import type { MessagePort } from 'node:worker_threads';
import { errorFrom, RingletError } from '../base/errors.js';
import type { RingFact } from '../ring/state.js';
import type { CleanState, FromVnode, ToVnode } from '../shard/worker-protocol.js';

/** A virtual node that serves and never says "stopped" is terminated after so long. */
const STOP_MS = 15_000;

export interface Ready {
  readonly recoveredRecords: number;
  readonly recoveryMs: number;
}

/** Its end of what it shares with the thread. */
interface Link {
  readonly port: MessagePort;
  readonly abort: AbortController;
  /** Settles when the task does. */
  readonly run: Promise<void>;
  /** Has the thread look for messages. */
  readonly wake: () => void;
}

/** Called while the thread lives. */
export interface IncarnationEvents {
  ready(): void;
  whole(): void;
  /** It needs fresh actor numbers. */
  actors(): readonly number[];
  facts(facts: readonly RingFact[]): void;
}

/**
 * One thread of a virtual node, from its start until nothing of it writes any more: what it says on its
 * port, and how it ends.
 */
export class Incarnation {
  /** However long it takes: a journal of gigabytes on a slow disk is replayed for minutes. */
  readonly ready: Promise<Ready>;
  /** The thread has ended; nothing of it writes any more. */
  readonly gone: Promise<void>;
  isReady = false;
  /** It has ended in good order, and left in memory nothing that belongs on the disk and could get there. */
  hasStopped = false;
  mark: CleanState | undefined;
  error: RingletError | undefined;
  /** Why its data counts as lost, although it has its files open. */
  lost: string | undefined;
  /** Its end was asked for. */
  wanted = false;
  /** Told to take nothing more. */
  fenced = false;
  private readonly link: Link;
  private readonly events: IncarnationEvents;
  private resolveReady!: (ready: Ready) => void;
  private rejectReady!: (error: RingletError) => void;

  constructor(id: string, link: Link, events: IncarnationEvents) {
    this.link = link;
    this.events = events;
    this.ready = new Promise<Ready>((resolve, reject) => {
      this.resolveReady = resolve;
      this.rejectReady = reject;
    });
    this.ready.catch(() => undefined);
    const failed = (what: string): RingletError =>
      new RingletError('INTERNAL', `virtual node ${id} ${what}`, { vnode: id });
    const closed = new Promise<void>((resolve) => {
      link.port.once('close', resolve);
    });
    const settled = link.run.catch((error: unknown) => {
      this.error ??= failed(`ended: ${String(error)}`);
    });
    this.gone = Promise.all([closed, settled]).then(() => {
      this.rejectReady(this.error ?? failed('ended before it was ready'));
    });
    link.port.on('message', this.hear);
  }

  private readonly hear = (message: FromVnode): void => {
    switch (message.type) {
      case 'ready':
        this.isReady = true;
        this.events.ready();
        this.resolveReady(message);
        return;
      case 'whole':
        this.events.whole();
        return;
      case 'actors':
        this.tell({ type: 'actors', actors: this.events.actors() });
        return;
      case 'facts':
        this.events.facts(message.facts);
        return;
      case 'failed':
        this.error = errorFrom(message.error);
        this.rejectReady(this.error);
        return;
      case 'stopped':
        this.hasStopped = true;
        this.mark = message.mark;
        return;
    }
  };

  tell(message: ToVnode): void {
    this.link.port.postMessage(message);
    this.link.wake();
  }

  /** Not before it is ready: a thread that ends while it loads the addon takes the process with it. */
  terminate(): void {
    this.link.abort.abort();
  }

  /** Asks it to end, and terminates it if it takes too long. */
  async stop(): Promise<void> {
    this.tell({ type: 'stop' });
    const timer = setTimeout(() => this.isReady && this.terminate(), STOP_MS);
    await this.gone;
    clearTimeout(timer);
    this.link.port.close();
  }

  /** Why the data that it has left counts as lost; undefined when the next one can go on with it. */
  get loss(): string | undefined {
    return this.lost ?? (this.error?.code === 'DATA_CORRUPT' ? this.error.message : undefined);
  }
}
