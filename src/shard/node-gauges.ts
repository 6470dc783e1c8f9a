import type { Engine } from '../storage/engine.js';
import type { Pipeline } from '../storage/pipeline.js';
import {
  GAUGE_ACTORS_MAX,
  GAUGE_BACKGROUND_SHARE,
  GAUGE_ENGINE_KEYS,
  GAUGE_FOREGROUND_P99_US,
  GAUGE_SIBLINGS_MAX,
  GAUGE_SLICES,
  GAUGE_SLICES_HELD,
  type VnodeEnvironment,
} from './environment.js';
import type { Replica } from './replica.js';

/** Publishes what `stats()` shows of copies, engine and background work. */
export function publishGauges(
  env: VnodeEnvironment,
  replica: Replica,
  { admission }: Pipeline,
  engine: Engine | undefined,
): void {
  env.gauge(GAUGE_SIBLINGS_MAX, replica.siblingsMax);
  env.gauge(GAUGE_ACTORS_MAX, replica.actorsMax);
  env.gauge(GAUGE_ENGINE_KEYS, engine?.state.count ?? 0);
  env.gauge(GAUGE_BACKGROUND_SHARE, Math.round(admission.share * 1_000));
  const p99Us = Math.round(admission.foregroundP99Ms * 1_000);
  env.gauge(GAUGE_FOREGROUND_P99_US, Math.min(0x7fffffff, p99Us));
  env.gauge(GAUGE_SLICES, admission.slices | 0);
  env.gauge(GAUGE_SLICES_HELD, admission.refusals | 0);
}
