// Worker threads that share one cache, by a handle each: what one has computed, the others read from shared memory.
//   npm install ringlet && node shared-cache.js
import { once } from 'node:events';
import { isMainThread, threadId, Worker, workerData } from 'node:worker_threads';
import { connect, open } from 'ringlet';

const THREADS = 4;
const LIMITS = [20_000, 40_000, 60_000, 80_000, 100_000];

await (isMainThread ? main() : work(workerData.handle));

async function main() {
  const store = await open({ engine: 'memory', nodes: 1, memoryMiB: 64 });
  // One after the other, so that the cache is warm for all but the first.
  for (let i = 0; i < THREADS; i++) {
    const handle = store.handle();
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { handle },
      transferList: [...handle.transferList],
    });
    await once(worker, 'exit');
  }
  console.log('computed:', await store.increment('computed', 0), 'of', THREADS * LIMITS.length, 'asked for');
  await store.close();
}

async function work(handle) {
  const store = connect(handle);
  const primes = store.bucket('primes', { conflict: 'lww' });
  const begin = performance.now();
  for (const limit of LIMITS) {
    const key = String(limit);
    if ((await primes.get(key)).found) continue;
    await primes.put(key, String(countPrimes(limit)), { ttlMs: 600_000 });
    await store.increment('computed');
  }
  console.log(`thread ${threadId}: ${(performance.now() - begin).toFixed(1)} ms`);
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
