import { SYNC } from '../messaging/frames.js';
import type { Pipeline } from '../storage/pipeline.js';
import type { Service } from './service.js';

/** Syncs the journal for those who wait until a buffered write is on disk; they see it by the watermark. */
export class SyncRequests implements Service {
  readonly frames = [SYNC];
  private readonly pipeline: Pipeline;

  constructor(pipeline: Pipeline) {
    this.pipeline = pipeline;
  }

  readonly receive = (): void => this.pipeline.hasten(this.pipeline.buffer.lastSequence);

  poll(): number {
    return Number.POSITIVE_INFINITY;
  }
}
