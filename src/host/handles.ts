import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { RingletError } from '../base/errors.js';
import { CallerHandle, type FromHost, type ToHost } from '../client/handle.js';
import { CALLER_TAKEN } from '../client/stats.js';
import type { StoreView } from '../client/view.js';
import {
  CALLER_READER_EPOCH,
  CALLER_RING_REVISION,
  CALLER_SUSPECTS,
  SharedLayout,
} from '../messaging/layout.js';
import { LeaseTable } from '../messaging/lease-table.js';
import { RingEndpoint } from '../messaging/ring-endpoint.js';
import { clearVnodeBits } from '../messaging/vnode-bits.js';
import type { HostBuckets } from './buckets.js';

/**
 * Caller slots for other threads. A slot is given back when its port closes: on purpose, or
 * because its thread ended at whatever instruction.
 */
export class Handles {
  private readonly view: StoreView;
  private readonly buckets: HostBuckets;
  private readonly control: Int32Array;
  private readonly layout: SharedLayout;
  private readonly open = new Map<number, () => void>();
  private readonly ports = new Set<MessagePort>();

  constructor(view: StoreView, buckets: HostBuckets) {
    this.view = view;
    this.buckets = buckets;
    this.control = new Int32Array(view.shared.control);
    this.layout = new SharedLayout(view.shared.shape);
    this.mark(0, 1);
  }

  /** @throws RingletError TOO_MANY_CALLERS */
  create(): CallerHandle {
    const caller = this.freeSlot();
    if (caller < 0) {
      throw new RingletError('TOO_MANY_CALLERS', `all ${this.view.maxCallers} caller slots are taken`, {
        maxCallers: this.view.maxCallers,
      });
    }
    const { port1, port2 } = new MessageChannel();
    this.mark(caller, 1);
    const stopListening = this.buckets.onChange((bucket) => {
      port1.postMessage({ type: 'bucket', bucket } satisfies FromHost);
    });
    this.ports.add(port1);
    port1.on('message', (message: ToHost) => {
      void this.define(message).then((answer) => port1.postMessage(answer));
    });
    port1.on('close', () => {
      stopListening();
      this.ports.delete(port1);
      this.open.delete(caller);
      this.release(caller);
    });
    port1.unref();
    this.open.set(caller, () => port1.close());
    // The far end: once it was sent this does nothing, and the slot stays with the thread that has it.
    return new CallerHandle(port2, caller, this.view, this.buckets.list(), () => port2.close());
  }

  private async define({ id, name, properties }: ToHost): Promise<FromHost> {
    try {
      return { type: 'defined', id, bucket: await this.buckets.define(name, properties) };
    } catch (error) {
      const known = error instanceof RingletError ? error : new RingletError('INTERNAL', String(error));
      return { type: 'refused', id, error: known.toJSON() };
    }
  }

  private freeSlot(): number {
    for (let caller = 1; caller < this.view.maxCallers; caller++) {
      if (this.control[this.layout.callerWord(caller) + CALLER_TAKEN] !== 1) return caller;
    }
    return -1;
  }

  /** The thread is gone: nothing may wait for it, and what was meant for it is dropped. */
  private release(caller: number): void {
    Atomics.store(this.control, this.layout.callerWord(caller) + CALLER_READER_EPOCH, 0);
    Atomics.store(this.control, this.layout.callerWord(caller) + CALLER_RING_REVISION, 0);
    new LeaseTable(this.view.shared.leases).clear(caller);
    clearVnodeBits(this.control, this.layout.callerWord(caller) + CALLER_SUSPECTS);
    Atomics.store(this.control, this.layout.doorbellWord(this.layout.callerParty(caller)), 0);
    const { ring, shared } = this.view;
    new RingEndpoint(shared, this.layout.callerParty(caller), ring.vnodes.length).skipAll();
    this.mark(caller, 0);
  }

  private mark(caller: number, taken: 0 | 1): void {
    Atomics.store(this.control, this.layout.callerWord(caller) + CALLER_TAKEN, taken);
  }

  /** A virtual node has come: its object buffer can be read directly. */
  tellBuffer(slot: number, buffer: SharedArrayBuffer): void {
    for (const port of this.ports) port.postMessage({ type: 'buffer', slot, buffer } satisfies FromHost);
  }

  closeAll(): void {
    for (const close of this.open.values()) close();
  }
}
