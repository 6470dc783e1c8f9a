import { describe, expect, test } from 'vitest';
import { Patience } from '../../src/messaging/patience.js';

/** Waits that begin, as a list: true where it looked. */
function waits(patience: Patience, count: number, answered: boolean): boolean[] {
  return Array.from({ length: count }, (_, i) => {
    const began = patience.begin(i);
    if (began && answered) patience.hit();
    else patience.goOn(i + 1);
    return began;
  });
}

describe('patience', () => {
  test('ends 50 µs after it began, and is over with the answer', () => {
    const patience = new Patience();
    expect(patience.begin(10)).toBe(true);
    expect(patience.goOn(10.04)).toBe(true);
    expect(patience.goOn(10.06)).toBe(false);
    expect(patience.begin(20)).toBe(true);
    patience.hit();
    expect(patience.goOn(20.01)).toBe(false);
  });

  test('stops where answers do not come in time, and tries one wait in 64', () => {
    const patience = new Patience();
    expect(waits(patience, 8, false)).toEqual(Array.from({ length: 8 }, () => true));
    expect(waits(patience, 640, false).filter(Boolean).length).toBe(10);
  });

  test('comes back when answers come in time again', () => {
    const patience = new Patience();
    waits(patience, 200, false);
    const later = waits(patience, 400, true);
    expect(later.slice(200)).toEqual(Array.from({ length: 200 }, () => true));
  });

  test('an idle look without a wait costs no credit', () => {
    const patience = new Patience();
    for (let i = 0; i < 100; i++) expect(patience.goOn(i)).toBe(false);
    expect(patience.begin(200)).toBe(true);
  });
});
