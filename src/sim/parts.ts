import { type RepairWorld, Repairs } from '../client/repairs.js';
import { RequestMachine } from '../client/request-machine.js';
import type { MachineWorld } from '../client/request-slots.js';
import { Claims } from '../messaging/claims.js';
import type { SharedLayout } from '../messaging/layout.js';
import type { RingState } from '../ring/state.js';
import { ringOfState } from '../ring/live-ring.js';
import type { Ring } from '../ring/ring.js';
import { VirtualNode, type VirtualNodeParts } from '../shard/virtual-node.js';
import type { BufferLayout } from '../storage/buffer-layout.js';
import type { JournalDisk } from '../storage/journal-files.js';
import { Journal } from '../storage/journal.js';
import { ObjectBuffer } from '../storage/object-buffer.js';
import { type Backing, Pipeline, type PipelineOptions } from '../storage/pipeline.js';
import type { Reclaimer } from '../storage/readers.js';

/**
 * The product as the simulator puts it together. A test that wants to know whether the checks can
 * fail hands in a wrong part; the product knows nothing of this.
 */
export interface Parts {
  /** The ring as everybody begins with it; what they follow later is the product's. */
  ring(state: RingState): Ring;
  claims(control: Int32Array, layout: SharedLayout): Claims;
  buffer(memory: SharedArrayBuffer, layout: BufferLayout, reclaimer: Reclaimer): ObjectBuffer;
  journal(buffer: ObjectBuffer, disk: JournalDisk, onProgress: () => void): Journal;
  pipeline(
    buffer: ObjectBuffer,
    backing: Backing | undefined,
    options: PipelineOptions,
    onReached: (token: number) => void,
  ): Pipeline;
  virtualNode(parts: VirtualNodeParts): VirtualNode;
  machine(world: MachineWorld): RequestMachine;
  repairs(world: RepairWorld): Repairs;
  /** The actor of a virtual node's next thread. */
  actor(vnode: number, fresh: () => number): number;
}

export const PRODUCT: Parts = {
  ring: ringOfState,
  claims: (control, layout) => new Claims(control, layout),
  buffer: (memory, layout, reclaimer) => new ObjectBuffer(memory, layout, reclaimer),
  journal: (buffer, disk, onProgress) => new Journal(buffer, disk, onProgress),
  pipeline: (buffer, backing, options, onReached) => new Pipeline(buffer, backing, options, onReached),
  virtualNode: (parts) => new VirtualNode(parts),
  machine: (world) => new RequestMachine(world),
  repairs: (world) => new Repairs(world),
  actor: (_vnode, fresh) => fresh(),
};
