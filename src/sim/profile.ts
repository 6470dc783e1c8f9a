import type { BufferShape } from '../storage/buffer-layout.js';
import type { Random } from './random.js';

/**
 * What a run is like. Each seed draws its own: in a run that does a little of everything most states are
 * rare, in one of many that do more of something each of them is common somewhere (swarm testing).
 */
export interface Profile {
  /** Of object buffers: with small segments the log has full ones that the engine lacks for most of the time. */
  readonly buffer: BufferShape;
  readonly checkpointMs: number;
  /** How long a commit of an engine takes at most, while the disk is well. */
  readonly commitMs: number;
  /** Of most values, at most. */
  readonly valueBytes: number;
  /** The share of the load that one key of all gets at a time, and for how many operations on average. */
  readonly hot: number;
  readonly hotFor: number;
  /** The share of plain puts whose client has read nothing before. */
  readonly blind: number;
  /** How often faults strike where the hot key is. */
  readonly aimed: number;
  /** Ring changes, against the ordinary number. */
  readonly changes: number;
}

const SEGMENTS = 16;

export function drawProfile(random: Random): Profile {
  const segmentBytes = random.pick([32, 32, 64]) << 10;
  return {
    buffer: { bytes: SEGMENTS * segmentBytes, segmentBytes, segments: SEGMENTS, maxTableBits: 14 },
    checkpointMs: random.pick([1_000, 3_000, 10_000, 30_000]),
    commitMs: random.pick([10, 60, 600]),
    valueBytes: random.pick([120, 120, 1_500]),
    hot: random.pick([0.25, 0.25, 0.5]),
    hotFor: random.pick([150, 150, 1_500]),
    blind: random.pick([0.2, 0.2, 0.6]),
    aimed: random.pick([0, 0.3, 0.6]),
    changes: random.pick([0.5, 1, 1, 2]),
  };
}
