import type { MessagePort } from 'node:worker_threads';
import type { Handle } from './api.js';
import type { BucketDefinition, StoreView } from './view.js';

/** Releases of handles that were never sent; a clone in another thread has none. */
const releases = new WeakMap<object, () => void>();

/**
 * A caller slot on its way to another thread. Its own properties are plain data and one port, so
 * that structured clone carries them; methods stay behind.
 */
export class CallerHandle implements Handle {
  readonly kind = 'ringlet-handle';
  readonly transferList: readonly MessagePort[];
  readonly caller: number;
  readonly view: StoreView;
  readonly buckets: readonly BucketDefinition[];

  constructor(
    port: MessagePort,
    caller: number,
    view: StoreView,
    buckets: readonly BucketDefinition[],
    release: () => void,
  ) {
    this.transferList = [port];
    this.caller = caller;
    this.view = view;
    this.buckets = buckets;
    releases.set(this, release);
  }

  release(): void {
    releases.get(this)?.();
  }
}

export type ToHost = {
  readonly type: 'define';
  readonly id: number;
  readonly name: string;
  readonly properties: Parameters<import('./view.js').BucketDirectory['define']>[1];
};

export type FromHost =
  | { readonly type: 'buffer'; readonly slot: number; readonly buffer: SharedArrayBuffer }
  | { readonly type: 'bucket'; readonly bucket: BucketDefinition }
  | { readonly type: 'defined'; readonly id: number; readonly bucket: BucketDefinition }
  | {
      readonly type: 'refused';
      readonly id: number;
      readonly error: import('../base/errors.js').ErrorFields;
    };
