import { expect, it } from 'vitest';
import { allocateShared, SharedLayout, STATE_NAMES, takesRequests } from '../../src/messaging/layout.js';
import { setVnodeState } from '../../src/messaging/reader-epoch.js';
import { RingTable } from '../../src/messaging/ring-table.js';
import { SharedRingSource } from '../../src/shard/ring-source.js';
import { Reclaimer } from '../../src/storage/readers.js';

it('a revision is announced once everybody who takes requests follows it, whoever is being rebuilt included', () => {
  const shared = allocateShared({
    vnodes: 2,
    callers: 1,
    claimsPerCaller: 16,
    callerRingBytes: 4_096,
    vnodeRingBytes: 4_096,
  });
  const control = new Int32Array(shared.control);
  const layout = new SharedLayout(shared.shape);
  const table = new RingTable(shared.control, shared.topology);
  const sources = [0, 1].map(
    (v) => new SharedRingSource(control, layout, table, v, new Reclaimer(control, layout), () => undefined),
  );
  STATE_NAMES.forEach((name, state) => {
    sources[0]!.announce(7);
    sources[1]!.announce(6);
    setVnodeState(control, layout, 1, state);
    expect(sources[0]!.announced(7), name).toBe(!takesRequests(state));
    sources[1]!.announce(7);
    expect(sources[0]!.announced(7), name).toBe(true);
  });
});
