import { collectDefaultMetrics, Registry, type Metric } from 'prom-client';
import type { Latency, Store, StoreStats } from '../../client/api.js';
import { STORE_METRICS, type StoreMetric } from './store-metrics.js';

/** One for all stores and servers of a thread: its clocks and observers cannot be ended. */
let ofThread: Registry | undefined;

/** Gauges named like counters, which Prometheus' own check refuses; the same without `_total` say more. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

function threadRegistry(): Registry {
  if (ofThread === undefined) {
    collectDefaultMetrics({ register: (ofThread = new Registry()) });
    for (const name of MISNAMED) ofThread.removeSingleMetric(name);
  }
  return ofThread;
}

/**
 * The store's metrics and those of this thread and process. Nothing is counted for them: what the store
 * keeps in shared memory anyway is read when somebody asks.
 */
export class StoreRegistry {
  readonly #registry = new Registry();
  readonly #thread = threadRegistry();
  readonly #store: Store;
  #stats: StoreStats | undefined;
  #latencies: readonly Latency[] = [];

  constructor(store: Store) {
    this.#store = store;
    for (const metric of STORE_METRICS) this.#registry.registerMetric(this.#asked(metric));
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** All of one answer is of one moment. */
  async text(): Promise<string> {
    this.#stats = this.#store.stats();
    this.#latencies = this.#store.latencies();
    const texts = [this.#registry.metrics(), this.#thread.metrics()];
    return (await Promise.all(texts)).join('\n');
  }

  /** What the registry needs of a metric; its own kinds would want to be told every event. */
  #asked({ name, help, type, samples }: StoreMetric): Metric {
    const get = async (): Promise<object> => ({
      name,
      help,
      type,
      aggregator: 'sum',
      values: samples(this.#stats ?? this.#store.stats(), this.#latencies).map(
        ({ suffix = '', labels, value }) => ({ labels, value, metricName: `${name}${suffix}` }),
      ),
    });
    return { name, get } as unknown as Metric;
  }
}
