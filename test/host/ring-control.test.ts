import { expect, it, vi } from 'vitest';
import { RingletError } from '../../src/base/errors.js';
import type { StoreView } from '../../src/client/view.js';
import { HostRing, type RingHost } from '../../src/host/ring-control.js';
import type { RingTable } from '../../src/messaging/ring-table.js';
import { movedPartitions } from '../../src/ring/parties.js';
import { firstState, type RingState } from '../../src/ring/state.js';

const NODES = ['n1', 'n2', 'n3'].map((id) => ({ id, capacity: 1, vnodes: 1 }));

interface Store {
  readonly control: HostRing;
  readonly saved: RingState[];
  readonly ended: string[];
  readonly end: () => void;
}

/** It writes nothing before somebody says so. */
class SlowDisk {
  writes = 0;
  #end: { resolve(): void; reject(error: Error): void } | undefined;

  readonly save = (): Promise<void> =>
    new Promise((resolve, reject) => {
      expect(this.#end).toBe(undefined);
      this.writes++;
      this.#end = { resolve, reject };
    });
  done(): void {
    this.#take().resolve();
  }
  fail(): void {
    this.#take().reject(new RingletError('IO', 'the disk is broken'));
  }
  #take(): { resolve(): void; reject(error: Error): void } {
    const end = this.#end;
    this.#end = undefined;
    expect(end).toBeDefined();
    return end!;
  }
}

/** Everything that is due without a timer has happened. */
const turn = (): Promise<unknown> => new Promise(setImmediate);

/** A store whose threads start, and end, only when somebody says so. */
function hostOf({ save, start }: Partial<Pick<RingHost, 'save' | 'start'>> = {}): Store {
  const saved: RingState[] = [];
  const ended: string[] = [];
  const ends: (() => void)[] = [];
  const host: RingHost = {
    view: { shared: { shape: { vnodes: 8 } } } as StoreView,
    table: { publish: () => undefined } as unknown as RingTable,
    replicas: () => [3],
    save: async (state) => {
      await save?.(state);
      saved.push(state);
    },
    start: start ?? (() => new Promise(() => undefined)),
    end: ({ id }) =>
      new Promise((resolve) => {
        ended.push(id);
        ends.push(resolve);
      }),
    serves: () => false,
    keys: () => Promise.resolve([]),
  };
  const control = new HostRing(host, firstState({ nodes: NODES, partitions: 16, spacing: 3 }));
  return { control, saved, ended, end: () => ends.splice(0).forEach((resolve) => resolve()) };
}

it('a join whose threads never start, and never end, can be taken back, and the ring changes again', async () => {
  const { control, saved, ended, end } = hostOf();
  const joining = control.join({ node: 'n4' }).catch((error: unknown) => error);
  await turn();
  expect(control.progress?.phase).toBe('starting');
  await expect(control.join({ node: 'n5' })).rejects.toMatchObject({ code: 'RING_CHANGING' });
  expect(await control.rollBack()).toMatchObject({ change: 'join', node: 'n4', phase: 'rolled back' });
  expect(await joining).toMatchObject({ code: 'RING_CHANGING' });
  expect([saved.at(-1)!.change, ended]).toEqual([undefined, ['n4']]);
  await control.finished();
  // Its directory is still there.
  await expect(control.join({ node: 'n4' })).rejects.toMatchObject({ code: 'RING_CHANGING' });
  void control.join({ node: 'n5' }).catch(() => undefined);
  await turn();
  expect(control.progress).toMatchObject({ node: 'n5', phase: 'starting' });
  await control.rollBack();
  end();
  await turn();
  void control.join({ node: 'n4' }).catch(() => undefined);
  await turn();
  expect(control.progress).toMatchObject({ node: 'n4', phase: 'starting' });
  await control.close();
});

it('a change that is being written already keeps a backup, a bucket with another n and a second change out', async () => {
  const disk = new SlowDisk();
  const { control } = hostOf({ save: disk.save });
  const leaving = control.leave('n3').catch((error: unknown) => error);
  expect(await leaving).toMatchObject({ code: 'BAD_REQUEST' });
  const joining = control.join({ node: 'n4' }).catch((error: unknown) => error);
  await turn();
  expect(control.progress).toBe(undefined);
  expect(() => control.hold()).toThrowError(expect.objectContaining({ code: 'RING_CHANGING' }));
  expect(() => control.allowReplicas(2)).toThrowError(expect.objectContaining({ code: 'RING_CHANGING' }));
  const second = control.join({ node: 'n5' }).catch((error: unknown) => error);
  disk.done();
  expect(await second).toMatchObject({ code: 'RING_CHANGING' });
  expect(control.progress).toMatchObject({ node: 'n4', phase: 'starting' });
  void control.rollBack();
  await turn();
  disk.done();
  expect(await joining).toMatchObject({ code: 'RING_CHANGING' });
});

it('what cannot be written has not happened: a join fails with the error of the disk, and the next one works', async () => {
  const disk = new SlowDisk();
  const { control, saved } = hostOf({ save: disk.save });
  const failing = control.join({ node: 'n4' }).catch((error: unknown) => error);
  await turn();
  disk.fail();
  expect(await failing).toMatchObject({ code: 'IO' });
  expect([control.progress, await control.finished(), saved]).toEqual([undefined, undefined, []]);
  void control.join({ node: 'n4' }).catch(() => undefined);
  await turn();
  disk.done();
  await turn();
  expect(control.progress).toMatchObject({ node: 'n4', phase: 'starting' });
});

it('who waits for the changes that a start asks for is told why they ended, until another one has begun', async () => {
  const { control } = hostOf();
  const joining = control.join({ node: 'n4' }).catch((error: unknown) => error);
  await turn();
  const becoming = control.become([{ id: 'n5', capacity: 17, vnodes: 1 }], []);
  const waiting = control.finished().catch((error: unknown) => error);
  await control.rollBack();
  await Promise.all([joining, becoming]);
  expect(await waiting).toMatchObject({ code: 'BAD_REQUEST', details: { what: 'capacity' } });
  await expect(control.finished()).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  void control.join({ node: 'n6' }).catch(() => undefined);
  await turn();
  await control.rollBack();
  expect(await control.finished()).toMatchObject({ node: 'n6', phase: 'rolled back' });
});

it('facts that come while a state is written are taken in together, by one write behind it', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const disk = new SlowDisk();
  const { control, saved } = hostOf({ save: disk.save, start: () => Promise.resolve() });
  const joined = control.join({ node: 'n4' });
  for (let states = 0; states < 2; states++) {
    await turn();
    disk.done();
  }
  await joined;
  const moved = movedPartitions(saved.at(-1)!);
  for (const partition of moved.slice(0, 3)) {
    control.facts([{ kind: 'came', partition, slot: 3, keys: 1 }]);
    vi.advanceTimersByTime(200);
    await turn();
  }
  const written = saved.length;
  for (const handed of [1, 3]) {
    disk.done();
    await turn();
    expect(control.progress).toMatchObject({ phase: 'moving', handed });
  }
  expect([saved.length, disk.writes]).toEqual([written + 2, written + 2]);
  await control.close();
  vi.useRealTimers();
});

it('a store that closes waits for the write under way, and begins no other', async () => {
  const disk = new SlowDisk();
  const { control, saved } = hostOf({ save: disk.save });
  const joining = control.join({ node: 'n4' }).catch((error: unknown) => error);
  await turn();
  const back = control.rollBack().catch((error: unknown) => error);
  let closed = false;
  const closing = control.close().then(() => (closed = true));
  await turn();
  expect(closed).toBe(false);
  disk.done();
  await closing;
  expect(await back).toMatchObject({ code: 'CLOSED' });
  expect([saved.length, disk.writes]).toEqual([1, 1]);
  // Whoever stops the threads knows of no joiner: none is started.
  expect(await joining).toMatchObject({ code: 'CLOSED' });
});
