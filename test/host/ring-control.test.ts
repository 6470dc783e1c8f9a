import { expect, it } from 'vitest';
import type { StoreView } from '../../src/client/view.js';
import { HostRing, type RingHost } from '../../src/host/ring-control.js';
import type { RingTable } from '../../src/messaging/ring-table.js';
import { firstState, type RingState } from '../../src/ring/state.js';

const NODES = ['n1', 'n2', 'n3'].map((id) => ({ id, capacity: 1, vnodes: 1 }));

/** A store whose threads start, and end, only when somebody says so. */
function hostOf(): { control: HostRing; saved: RingState[]; ended: string[]; end: () => void } {
  const saved: RingState[] = [];
  const ended: string[] = [];
  const ends: (() => void)[] = [];
  const host: RingHost = {
    view: { shared: { shape: { vnodes: 8 } } } as StoreView,
    table: { publish: () => undefined } as unknown as RingTable,
    replicas: () => [3],
    save: (state) => void saved.push(state),
    start: () => new Promise(() => undefined),
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
  expect(control.progress?.phase).toBe('starting');
  await expect(control.join({ node: 'n5' })).rejects.toMatchObject({ code: 'RING_CHANGING' });
  expect(await control.rollBack()).toMatchObject({ change: 'join', node: 'n4', phase: 'rolled back' });
  expect(await joining).toMatchObject({ code: 'RING_CHANGING' });
  expect([saved.at(-1)!.change, ended]).toEqual([undefined, ['n4']]);
  await control.finished();
  // Its directory is still there.
  await expect(control.join({ node: 'n4' })).rejects.toMatchObject({ code: 'RING_CHANGING' });
  void control.join({ node: 'n5' }).catch(() => undefined);
  expect(control.progress).toMatchObject({ node: 'n5', phase: 'starting' });
  await control.rollBack();
  end();
  await new Promise(setImmediate);
  void control.join({ node: 'n4' }).catch(() => undefined);
  expect(control.progress).toMatchObject({ node: 'n4', phase: 'starting' });
  control.close();
});
