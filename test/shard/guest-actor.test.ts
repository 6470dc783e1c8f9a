import { describe, expect, it } from 'vitest';
import { OwnActor } from '../../src/shard/guest-actor.js';
import { record } from '../storage/support.js';

const tombstone = (actor: number, n: number): Int32Array => record('k', [{ actor, n, values: [] }]).words;

describe('the actor of owned keys', () => {
  it('goes on above the greatest of its dots that was forgotten', () => {
    const own = new OwnActor(5, () => 6, 3);
    own.forget(tombstone(5, 9), 0);
    own.forget(tombstone(5, 7), 0);
    own.forget(tombstone(4, 99), 0);
    expect([own.get(), own.floorOf(5), own.floorOf(4)]).toEqual([5, 9, 0]);
    own.renew();
    expect([own.get(), own.floorOf(6), own.floorOf(5)]).toEqual([6, 0, 0]);
  });

  it('is another one before its dots come to an end, as a forged context can bring about', () => {
    const own = new OwnActor(5, () => 6);
    own.forget(tombstone(5, 0xffff_ffff), 0);
    expect([own.get(), own.floorOf(6)]).toEqual([6, 0]);
  });
});
