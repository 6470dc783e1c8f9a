import { LIMITS } from '../base/limits.js';
import { latencyBytes } from '../client/latencies.js';
import type { StoreView } from '../client/view.js';
import { SLOTS } from '../messaging/claims.js';
import { allocateShared, SharedLayout, VNODE_COUNTERS } from '../messaging/layout.js';
import { GAUGE_ENGINE_KEYS } from '../shard/environment.js';
import { BufferLayout, LIVE_KEYS } from '../storage/buffer-layout.js';
import type { ResolvedOptions } from './resolve-options.js';

/** Allocates what all threads of the store share. */
export function viewOf(options: ResolvedOptions, ring: StoreView['ring']): StoreView {
  return {
    shared: allocateShared(
      {
        vnodes: options.maxVnodes,
        callers: options.maxCallers,
        claimsPerCaller: SLOTS,
        callerRingBytes: LIMITS.callerRingBytes,
        vnodeRingBytes: LIMITS.vnodeRingBytes,
      },
      options.allowFaults,
    ),
    buffers: ring.vnodes.map(() => newBuffer(options)),
    bufferShape: options.buffer,
    latencies: new SharedArrayBuffer(latencyBytes(options.maxCallers)),
    ring,
    engine: options.engine,
    valueBytes: options.valueBytes,
    maxRecordBytes: options.maxRecordBytes,
    maxCallers: options.maxCallers,
    directReads: options.directReads,
    coordination: options.coordination,
    foregroundP99Ms: options.foregroundP99Ms,
    defaults: options.defaults,
    openedAtMs: Date.now(),
  };
}

/** Its pages are used only as data arrives. */
export function newBuffer({ buffer }: ResolvedOptions): SharedArrayBuffer {
  return new SharedArrayBuffer(new BufferLayout(buffer).totalBytes);
}

/** What every virtual node has in its buffer or its engine. */
export function keysOf(view: StoreView): Promise<readonly number[]> {
  const control = new Int32Array(view.shared.control);
  const layout = new SharedLayout(view.shared.shape);
  const keys = view.buffers.map((buffer, slot) => {
    const inEngine = Atomics.load(control, layout.vnodeWord(slot) + VNODE_COUNTERS + GAUGE_ENGINE_KEYS);
    return Math.max(inEngine, buffer === undefined ? 0 : Atomics.load(new Int32Array(buffer), LIVE_KEYS));
  });
  return Promise.resolve(keys);
}
