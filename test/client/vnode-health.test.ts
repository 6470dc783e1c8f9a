import { beforeEach, describe, expect, test } from 'vitest';
import { VnodeHealth } from '../../src/client/vnode-health.js';

/** Three virtual nodes that answer a PING after a while each, or never. */
class World {
  nowMs = 10_000;
  readonly delayMs = [1, 1, 1];
  readonly serving = [true, true, true];
  readonly published = new Set<number>();
  pings = 0;
  private answers: { vnode: number; atMs: number }[] = [];
  readonly health = new VnodeHealth({
    vnodes: () => 3,
    isServing: (vnode) => this.serving[vnode]!,
    ping: (vnode) => {
      this.pings++;
      this.answers.push({ vnode, atMs: this.nowMs + this.delayMs[vnode]! });
    },
    publish: (vnode, suspected) => {
      if (suspected) this.published.add(vnode);
      else this.published.delete(vnode);
    },
  });

  /** Ticks every 10 ms, with a request to virtual node `open` that stays unanswered, if one is named. */
  run(milliseconds: number, open?: number): void {
    for (const untilMs = this.nowMs + milliseconds; this.nowMs < untilMs;) {
      this.nowMs += 10;
      if (open !== undefined) this.health.used(this.nowMs);
      for (const { vnode, atMs } of this.answers)
        if (atMs <= this.nowMs) this.health.heard(vnode, this.nowMs);
      this.answers = this.answers.filter(({ atMs }) => atMs > this.nowMs);
      this.health.tick(this.nowMs);
      if (open !== undefined) this.health.missed(open, this.nowMs);
    }
  }

  get suspected(): number[] {
    return [0, 1, 2].filter((vnode) => this.health.suspects(vnode));
  }

  get doubted(): number[] {
    return [0, 1, 2].filter((vnode) => this.health.doubts(vnode));
  }
}

describe('which virtual nodes a caller does without', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
    world.run(3_000, 0);
  });

  test('one that answers PINGs is not suspected, however long a request of it takes', () => {
    world.run(60_000, 1);
    expect(world.suspected).toEqual([]);
  });

  test('one that is silent while others answer is suspected within half a second, and until it is heard again', () => {
    world.delayMs[1] = Infinity;
    world.run(400, 1);
    expect(world.suspected).toEqual([1]);
    expect([...world.published]).toEqual([1]);
    world.run(30_000, 1);
    expect(world.suspected).toEqual([1]);
    world.delayMs[1] = 1;
    world.run(500, 0);
    expect(world.suspected).toEqual([]);
    expect([...world.published]).toEqual([]);
  });

  test('long before that it is doubted, as often as it falls silent, and until it is heard again', () => {
    for (let outage = 0; outage < 5; outage++) {
      world.delayMs[1] = Infinity;
      world.run(70, 1);
      expect([world.doubted, world.suspected]).toEqual([[1], []]);
      world.run(2_000, 1);
      expect([world.doubted, world.suspected]).toEqual([[1], [1]]);
      world.delayMs[1] = 1;
      world.run(300, 1);
      expect([world.doubted, world.suspected]).toEqual([[], []]);
      world.run(2_000, 0);
    }
  });

  test('a request that is slow raises no doubt; a link that has become slow does, until something comes', () => {
    world.run(10_000, 1);
    expect(world.doubted).toEqual([]);
    world.delayMs[1] = 200;
    world.run(90, 1);
    expect([world.doubted, world.suspected]).toEqual([[1], []]);
    world.run(150, 0);
    expect([world.doubted, world.suspected]).toEqual([[], []]);
  });

  test('when all are equally slow, none is doubted', () => {
    world.delayMs.fill(60);
    for (let i = 0; i < 500; i++) {
      world.run(10, 1);
      expect(world.doubted).toEqual([]);
    }
  });

  test('when none answers, none is suspected: it may be this thread or all of the process', () => {
    world.delayMs.fill(Infinity);
    world.run(30_000, 1);
    expect([world.doubted, world.suspected]).toEqual([[], []]);
  });

  test('when this thread was away itself, everybody gets a new period', () => {
    world.delayMs.fill(1_500);
    world.run(10, 1);
    world.nowMs += 3_000;
    world.run(30, 1);
    expect(world.suspected).toEqual([]);
  });

  test('a slow link is given up at first and kept once its delay is known', () => {
    world.delayMs[2] = 600;
    world.run(20_000, 2);
    let suspected = 0;
    for (let i = 0; i < 1_000; i++) {
      world.run(10, 2);
      suspected += world.suspected.length;
    }
    expect(suspected).toBe(0);
  });

  test('one whose state word says that it does not serve is forgotten', () => {
    world.delayMs[1] = Infinity;
    world.run(1_000, 1);
    world.serving[1] = false;
    world.run(10, 0);
    expect(world.suspected).toEqual([]);
  });

  test('a caller that makes no requests asks nothing', () => {
    world.run(5_000);
    world.pings = 0;
    world.run(60_000);
    expect(world.pings).toBe(0);
    expect(world.health.asking).toBe(false);
  });
});
