/** What a user's program looks like; check.mjs compiles and runs it against the packed package. */
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { connect, type GetResult, type Handle, open, RingletError } from 'ringlet';

function textOf({ value }: GetResult): string | undefined {
  return value && Buffer.from(value).toString();
}

async function main(data: string): Promise<void> {
  await using store = await open({ data, nodes: 3, memoryMiB: 96, durability: 'committed' });
  await store.put('from-main', 'hello');
  const handle = store.handle();
  const worker = new Worker(new URL(import.meta.url), {
    workerData: { handle },
    transferList: [...handle.transferList],
  });
  await new Promise<void>((resolve, reject) => {
    worker.once('error', reject);
    worker.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`the worker ended with ${code}`)),
    );
  });
  const answer = textOf(await store.get('from-worker'));
  if (answer !== 'hello, worker') throw new Error(`the main thread read ${String(answer)}`);
  const refusal: unknown = await store.put('', 'no key').catch((error: unknown) => error);
  if (!(refusal instanceof RingletError) || refusal.code !== 'BAD_REQUEST') throw refusal;
  console.log(`sample passed on Node ${process.versions.node}`);
}

async function inWorker(handle: Handle): Promise<void> {
  await using store = connect(handle);
  await store.put('from-worker', `${String(textOf(await store.get('from-main')))}, worker`);
}

await (isMainThread
  ? main(process.argv[2] ?? './data')
  : inWorker((workerData as { handle: Handle }).handle));
