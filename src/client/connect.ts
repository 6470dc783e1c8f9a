import { MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { errorFrom, RingletError } from '../base/errors.js';
import { checkObject, checkResolvers } from './arguments.js';
import type { BucketProperties, Handle, Resolver, Store } from './api.js';
import { BucketCells } from './bucket-cells.js';
import { Connection } from './connection.js';
import type { CallerHandle, FromHost, ToHost } from './handle.js';
import { checkKnown, known } from './known-options.js';
import { ConnectedStore } from './store.js';
import type { BucketCell, BucketDefinition, BucketDirectory } from './view.js';

/** Buckets as another thread sees them: a copy that the host keeps up to date over the port. */
class RemoteBuckets implements BucketDirectory {
  private readonly port: MessagePort;
  private readonly cells: BucketCells;
  private readonly waiting = new Map<
    number,
    { resolve(bucket: BucketDefinition): void; reject(error: RingletError): void }
  >();
  private next = 0;
  private readonly onBuffer: (slot: number, buffer: SharedArrayBuffer) => void;

  /** @param onBuffer told of the object buffer of a virtual node that has joined */
  constructor(
    port: MessagePort,
    buckets: readonly BucketDefinition[],
    onBuffer: (slot: number, buffer: SharedArrayBuffer) => void,
  ) {
    this.port = port;
    this.onBuffer = onBuffer;
    this.cells = new BucketCells(buckets);
    port.on('message', this.receive);
    port.on('close', () => this.failAll());
    port.unref();
  }

  cell(name: string): BucketCell | undefined {
    return this.cells.cell(name);
  }
  refresh(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.port);
      if (received === undefined) return;
      this.receive(received.message as FromHost);
    }
  }
  list(): readonly BucketDefinition[] {
    return this.cells.list();
  }

  define(name: string, properties: Partial<BucketProperties>): Promise<BucketDefinition> {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.port.ref();
      this.port.postMessage({ type: 'define', id, name, properties } satisfies ToHost);
    });
  }

  private readonly receive = (message: FromHost): void => {
    if (message.type === 'buffer') {
      this.onBuffer(message.slot, message.buffer);
      return;
    }
    if (message.type !== 'refused') this.cells.set(message.bucket);
    if (message.type === 'bucket') return;
    const waiter = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (this.waiting.size === 0) this.port.unref();
    if (message.type === 'defined') waiter?.resolve(message.bucket);
    else waiter?.reject(errorFrom(message.error));
  };

  private failAll(): void {
    for (const { reject } of this.waiting.values()) reject(new RingletError('CLOSED', 'the store is closed'));
    this.waiting.clear();
  }
}

export interface ConnectOptions {
  /** Functions cannot cross threads: the resolvers again that `open` got. */
  readonly resolvers?: Readonly<Record<string, Resolver>>;
}

const OPTIONS = known<ConnectOptions>('connect() has no option', { resolvers: true });

/** Two connections over one caller slot would write into the same rings. */
const connected = new WeakSet<MessagePort>();

/**
 * The store in another thread: takes the handle that `store.handle()` made and that came with its
 * `transferList`. Gets read shared memory, puts go straight to virtual nodes; the thread that
 * opened the store is not involved.
 *
 * @throws RingletError BAD_REQUEST when it is no handle, or came without its transferList
 */
export function connect(handle: Handle, options: ConnectOptions = {}): Store {
  const { kind, transferList, caller, view, buckets } = (
    typeof handle === 'object' ? (handle ?? {}) : {}
  ) as CallerHandle;
  const port = transferList?.[0];
  if (kind !== 'ringlet-handle' || !(port instanceof MessagePort)) {
    throw new RingletError(
      'BAD_REQUEST',
      'connect takes what store.handle() made, sent together with its transferList',
    );
  }
  checkObject('options', options);
  checkKnown(options, OPTIONS);
  const { resolvers = {} } = options;
  checkResolvers(resolvers);
  if (connected.has(port)) {
    throw new RingletError(
      'BAD_REQUEST',
      'a handle serves one connect(); take another handle from the store',
    );
  }
  connected.add(port);
  const connection = new Connection(view, caller);
  port.on('close', () => connection.close());
  const directory = new RemoteBuckets(port, buckets, (slot, buffer) => (view.buffers[slot] = buffer));
  return new ConnectedStore(connection, directory, resolvers, () => {
    connection.close();
    port.close();
    return Promise.resolve();
  });
}
