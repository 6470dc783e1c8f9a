import type { Target } from './target.js';

export interface RedisSpec {
  readonly system: 'redis';
  readonly port: number;
  /** The commands of one turn of the event loop are sent together; else each when it is called, which is ioredis' default. */
  readonly autoPipelining: boolean;
}

const PIPELINE = 1_000;

/** By ioredis; strings to write and buffers to read are its fastest forms. */
export async function redisTarget({ port, autoPipelining }: RedisSpec): Promise<Target> {
  const { Redis } = await import('ioredis');
  const redis = new Redis({
    host: '127.0.0.1',
    port,
    enableAutoPipelining: autoPipelining,
    lazyConnect: true,
  });
  await redis.connect();
  return {
    synchronous: { get: false, put: false },
    get: (key) => redis.getBuffer(key),
    put: (key, value) => redis.set(key, value.text),
    valueBytes: (result) => (result as Buffer | null)?.length ?? -1,
    writeAll: async (workload) => {
      for (let from = 0; from < workload.keys.length; from += PIPELINE) {
        const pipeline = redis.pipeline();
        for (const key of workload.keys.slice(from, from + PIPELINE)) {
          pipeline.set(key, workload.value().text);
        }
        await pipeline.exec();
      }
    },
    close: async () => {
      await redis.quit();
    },
  };
}
