// Worker threads that share one cache, by a handle each: what one computes, the others read from shared memory.
//   npm install ringlet && node shared-cache.js
import { once } from 'node:events';
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { connect, open } from 'ringlet';

const THREADS = 4;
const LIMITS = [20_000, 40_000, 60_000, 80_000, 100_000];

await (isMainThread ? main() : work(workerData.handle));

async function main() {
  const store = await open({ engine: 'memory', nodes: 1, memoryMiB: 64 });
  const threads = Array.from({ length: THREADS }, () => {
    const handle = store.handle();
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { handle },
      transferList: [...handle.transferList],
    });
    return once(worker, 'exit');
  });
  await Promise.all(threads);
  console.log('computed:', await store.increment('computed', 0), 'of', THREADS * LIMITS.length, 'asked for');
  await store.close();
}

async function work(handle) {
  const store = connect(handle);
  const primes = store.bucket('primes', { conflict: 'lww', ttlMs: 600_000 });
  let loaded = 0;
  for (const limit of LIMITS) {
    // All threads ask at the same time: one computes, the others wait for what it stores.
    const { value } = await primes.getOrSet(String(limit), () => {
      loaded++;
      return String(countPrimes(limit));
    });
    if (limit === LIMITS.at(-1)) console.log(`below ${limit}: ${Buffer.from(value).toString()} primes`);
  }
  await store.increment('computed', loaded);
  await store.close();
}

function countPrimes(limit) {
  let count = 0;
  for (let n = 2; n < limit; n++) {
    let divisor = 2;
    while (divisor * divisor <= n && n % divisor !== 0) divisor++;
    if (divisor * divisor > n) count++;
  }
  return count;
}
