import { expect, it } from 'vitest';
import { BUFFERED } from '../../src/storage/pipeline.js';
import { StorageWorld } from './storage-world.js';

/** Of a virtual node that is written to all the time: when its checkpoints reached the engine, ms. */
function checkpoints(phaseMs: number): number[] {
  const world = new StorageWorld({ checkpointPhaseMs: phaseMs });
  const reached: number[] = [];
  for (let turn = 0; turn < 1_500; turn++) {
    world.begin();
    if (turn % 10 === 0) world.put('k', BUFFERED);
    world.end();
    const { confirmedSerial } = world.engine.state;
    while (world.later.runOne(() => 0));
    if (world.engine.state.confirmedSerial !== confirmedSerial) reached.push(world.nowMs);
  }
  return reached;
}

it('virtual nodes that share a clock move their records to the engine at different times, each once per period', () => {
  for (const phaseMs of [0, 50, 100, 150]) {
    const times = checkpoints(phaseMs);
    expect(times.length).toBeGreaterThanOrEqual(6);
    expect(times.length).toBeLessThanOrEqual(8);
    // Some turns from its begin to its end.
    for (const time of times) expect((time - phaseMs) % 200, `phase ${phaseMs}, at ${time}`).toBeLessThan(25);
  }
});
