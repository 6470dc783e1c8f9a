import type { Engine } from '../../storage/engine.js';
import type { Pipeline } from '../../storage/pipeline.js';
import type { Completions } from '../completions.js';
import type { VnodeEnvironment } from '../environment.js';
import type { Rebuilding } from '../rebuilding.js';
import type { Replica } from '../replica.js';
import type { TreeFrames } from './tree-frames.js';
import type { Inflow } from './inflow.js';
import type { Trees } from './trees.js';

/** What the two sides of an exchange work with. */
export interface TreeWorld {
  readonly env: VnodeEnvironment;
  readonly pipeline: Pipeline;
  readonly engine: Engine | undefined;
  readonly completions: Completions;
  readonly replica: Replica;
  readonly trees: Trees;
  readonly frames: TreeFrames;
  readonly inflow: Inflow;
  readonly rebuilding: Rebuilding;
}
