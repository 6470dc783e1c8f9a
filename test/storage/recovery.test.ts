import { describe, expect, it } from 'vitest';
import { hashWords } from '../../src/base/hash.js';
import { LOG_SEGMENT, SEG_LOG } from '../../src/storage/buffer-layout.js';
import type { ExistingJournalFile } from '../../src/storage/journal-files.js';
import type { ObjectBuffer } from '../../src/storage/object-buffer.js';
import { decodeVector } from '../../src/storage/record-codec.js';
import { recoverJournal, type Recovered, scanJournal } from '../../src/storage/recovery.js';
import { ownerTag } from '../../src/storage/segment-header.js';
import { aligned, KIND_PLAIN, KIND_REMOVED, lengthAt, sealHead } from '../../src/storage/record.js';
import { FakeEngine, image, Later } from './fakes.js';
import { keyBytesOf, record, shared, value, version } from './support.js';
import { CONFIRMED, storeCounter, SYNCED } from '../../src/storage/buffer-layout.js';

/** `segments` log segments of a few records each: record s of the log is version s of key `k(s mod 5)`. */
function log(
  segments: number,
  each: number,
  options: { first?: number; serial?: number; generation?: number } = {},
): ObjectBuffer {
  const buffer = shared().open();
  buffer.startAt((options.first ?? 1) - 1, options.generation ?? 4, options.serial ?? 10);
  for (let segment = 0; segment < segments; segment++) {
    buffer.seal(LOG_SEGMENT);
    buffer.open(LOG_SEGMENT);
    for (let i = 0; i < each; i++) append(buffer);
  }
  return buffer;
}

function append(buffer: ObjectBuffer): void {
  const sequence = buffer.lastSequence + 1;
  const { words, key } = version(`k${sequence % 5}`, sequence);
  buffer.append(LOG_SEGMENT, words, 0, key);
}

function files(buffer: ObjectBuffer): ExistingJournalFile[] {
  return buffer.segmentsIn(SEG_LOG).map((segment, i) => {
    const contents = new Uint8Array(4_096);
    const at = buffer.layout.segmentByte(segment);
    contents.set(buffer.memory.bytes.subarray(at, at + buffer.used(segment)));
    return image(`${i}`, contents);
  });
}

async function recover(
  existing: readonly ExistingJournalFile[],
  sameBoot: boolean,
  engine = new FakeEngine(new Later()),
): Promise<{ recovered: Recovered; found: Record<string, number>; engine: FakeEngine }> {
  const later = new Later();
  const own = new FakeEngine(later, engine.rows, engine.state);
  const pump = setInterval(() => later.runAll(), 0);
  try {
    const recovered = await recoverJournal(existing, own, sameBoot, 'dir/journal');
    const found: Record<string, number> = {};
    for (const [name, stored] of own.rows)
      found[name.split('/')[2]!] = decodeVector(aligned(stored).words, 0)[0]!.n;
    return { recovered, found, engine: own };
  } finally {
    clearInterval(pump);
  }
}

/** The byte at which record number `i` (from 0) of a file begins. */
function recordAt(file: ExistingJournalFile, i: number): number {
  const words = new Int32Array(file.read().slice().buffer);
  let at = 16;
  for (let passed = 0; passed < i; passed++) at += lengthAt(words, at) >>> 2;
  return at * 4;
}

function damage(file: ExistingJournalFile, at: number, bytes = 1): ExistingJournalFile {
  const contents = file.read().slice();
  for (let i = 0; i < bytes; i++) contents[at + i]! ^= 0x55;
  return image(file.name, contents);
}

const ALL = { k1: 11, k2: 12, k3: 8, k4: 9, k0: 10 };

describe('recovery of the journal', () => {
  it('replays the newest record of each key, in whatever order the files are listed, and tells where numbering goes on', async () => {
    const existing = files(log(3, 4)).toReversed();
    const { recovered, found, engine } = await recover(
      [...existing, image('spare', new Uint8Array(4_096))],
      true,
    );
    expect(found).toEqual(ALL);
    expect(recovered).toEqual({ records: 5, lastSequence: 12, lastSerial: 13, lastGeneration: 4 });
    expect(engine.state).toMatchObject({ confirmedSerial: 13, generation: 4 });
  });

  it('changes nothing when it runs again, before or after the files are gone', async () => {
    const existing = files(log(3, 4));
    const first = await recover(existing, true);
    const rows = new Map(first.engine.rows);
    const second = await recover(existing, true, first.engine);
    expect(second.recovered.lastSerial).toBe(13);
    expect(second.recovered.lastGeneration).toBe(4);
    expect(second.engine.rows).toEqual(rows);
    const third = await recover([], true, first.engine);
    expect(third.recovered).toMatchObject({ lastSerial: 13, lastGeneration: 4, records: 0 });
  });

  it('never goes back behind what the engine has', async () => {
    const engine = new FakeEngine(new Later());
    const newer = version('k1', 99);
    engine.put(3, 1, keyBytesOf('k1'), new Uint8Array(newer.words.buffer));
    engine.commit({ generation: 4, confirmedSerial: 10 }, () => undefined);
    engine['resolveOldest']();
    const bytes = engine.rows.get('3/1/k1')!;
    sealHead(new Int32Array(bytes.buffer), 0, 1, 4, 0);
    const { found } = await recover(files(log(3, 4)), true, engine);
    expect(found).toEqual({ ...ALL, k1: 99 });
  });

  it('a copy that was let go before the newest record does not come back with it', async () => {
    const engine = new FakeEngine(new Later());
    const store = (name: string, actor: number, sequence: number, generation: number): void => {
      const { words } = record(name, [{ actor, n: 1, values: [value('old')] }]);
      sealHead(words, 0, sequence, generation, 0);
      engine.put(3, 1, keyBytesOf(name), new Uint8Array(words.buffer));
    };
    store('before', 8, 1, 4);
    store('earlier run', 8, 9, 3);
    // The engine may be ahead of what a power cut left of the journal.
    store('behind', 8, 9, 4);
    engine.commit({ generation: 4, confirmedSerial: 10 }, () => undefined);
    engine['resolveOldest']();

    const buffer = log(0, 0, { first: 2 });
    buffer.open(LOG_SEGMENT);
    const names = ['before', 'earlier run', 'behind'];
    for (const kind of [KIND_REMOVED, KIND_PLAIN]) {
      for (const name of names) {
        const clock = kind === KIND_PLAIN ? [{ actor: 9, n: 1, values: [value('new')] }] : [];
        const { words, key } = record(name, clock, kind);
        buffer.append(LOG_SEGMENT, words, 0, key);
      }
    }
    const { engine: after } = await recover(files(buffer), true, engine);
    const actors = names.map((name) =>
      decodeVector(aligned(after.rows.get(`3/1/${name}`)!).words, 0).map(({ actor }) => actor),
    );
    expect(actors).toEqual([[9], [9], [8, 9]]);
  });

  it('a torn last record is a tail (every byte of it, killed process and power cut)', async () => {
    const existing = files(log(3, 4));
    const last = existing[2]!;
    for (const sameBoot of [true, false]) {
      for (let at = recordAt(last, 3); at < recordAt(last, 4); at += 7) {
        const { found, recovered } = await recover([existing[0]!, existing[1]!, damage(last, at)], sameBoot);
        expect(found).toEqual({ ...ALL, k2: 7 });
        expect(recovered.lastSequence).toBe(11);
      }
    }
  });

  it('a damaged record below whole ones is DATA_CORRUPT while the machine runs on, and nothing is changed', async () => {
    const existing = files(log(3, 4));
    for (const [file, record] of [
      [0, 1],
      [1, 3],
      [2, 0],
      [2, 2],
    ] as const) {
      const bad = existing.map((one, i) => (i === file ? damage(one, recordAt(one, record) + 30) : one));
      const engine = new FakeEngine(new Later());
      await expect(recover(bad, true, engine)).rejects.toMatchObject({
        code: 'DATA_CORRUPT',
        details: { sequence: file * 4 + record + 1 },
      });
      expect(engine.rows.size).toBe(0);
    }
  });

  it('after a power cut it is a tail, unless a later record proves that it had been synced', async () => {
    const unproven = files(log(3, 4));
    const cut = unproven.map((one, i) => (i === 1 ? damage(one, recordAt(one, 1) + 30) : one));
    const { found } = await recover(cut, false);
    expect(found).toMatchObject({ k0: 10, k1: 11 });

    const buffer = log(2, 4);
    storeCounter(buffer.words, SYNCED, 6);
    append(buffer);
    const proven = files(buffer);
    const at = (sequence: number): number => recordAt(proven[1]!, sequence - 5) + 30;
    await expect(recover([proven[0]!, damage(proven[1]!, at(6))], false)).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
    });
    await expect(recover([proven[0]!, damage(proven[1]!, at(7))], false)).resolves.toBeDefined();
    await expect(
      recover([damage(proven[0]!, recordAt(proven[0]!, 3) + 30), proven[1]!], false),
    ).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  it('a missing file in the middle is damage', async () => {
    const existing = files(log(3, 4));
    await expect(recover([existing[0]!, existing[2]!], true)).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
      details: { sequence: 5 },
    });
  });

  it('so are missing files at its beginning, unless their records are in the engine, or were never synced', async () => {
    const buffer = log(3, 4);
    const existing = files(buffer);
    const missing = { code: 'DATA_CORRUPT', details: { sequence: 4 } };
    await expect(recover(existing.slice(1), true)).rejects.toMatchObject(missing);
    await expect(recover(existing.slice(2), true)).rejects.toMatchObject({ details: { sequence: 8 } });
    await expect(recover(existing.slice(1), false)).resolves.toBeDefined();
    storeCounter(buffer.words, SYNCED, 4);
    append(buffer);
    await expect(recover(files(buffer).slice(1), false)).rejects.toMatchObject(missing);

    const engine = new FakeEngine(new Later());
    engine.commit({ generation: 4, confirmedSerial: 11 }, () => undefined);
    engine['resolveOldest']();
    await expect(recover(existing.slice(1), true, engine)).resolves.toBeDefined();
    buffer.seal(LOG_SEGMENT);
    for (const segment of buffer.segmentsIn(SEG_LOG)) buffer.confirm(segment);
    buffer.open(LOG_SEGMENT);
    append(buffer);
    await expect(recover(files(buffer), true)).resolves.toBeDefined();
  });

  it('stale bytes of a recycled file are ignored, also where they line up with the new records', async () => {
    const old = files(log(1, 9, { first: 1, serial: 10 }))[0]!.read();
    const fresh = files(log(1, 4, { first: 20, serial: 14 }))[0]!.read();
    const used = recordAt(image('', fresh), 4);
    const both = old.slice();
    both.set(fresh.subarray(0, used));
    const { recovered, found } = await recover([image('a', both)], true);
    expect(recovered).toMatchObject({ lastSequence: 23, lastSerial: 15 });
    expect(found).toEqual({ k0: 20, k1: 21, k2: 22, k3: 23 });
  });

  it('a record within a value proves nothing: whoever keeps journals of other stores can start again', async () => {
    // Their generation is ours, and their numbers are far above.
    const foreign = files(log(1, 8, { first: 5_000 }))[0]!.read();
    for (const offset of [0, 4]) {
      const buffer = log(1, 2);
      const contents = new Uint8Array(4_096 - 64);
      contents.set(foreign.subarray(0, 2_000), offset);
      const { words, key } = record('k9', [
        { actor: 7, n: 1, values: [value('', { bytes: contents.subarray(0, 2_048) })] },
      ]);
      buffer.append(LOG_SEGMENT, words, 0, key);
      const [file] = files(buffer);
      // Torn in front of the value, and behind it: what a write left that was cut off, or an earlier use of the file.
      for (const at of [recordAt(file!, 2) + 8, recordAt(file!, 2) + lengthAt(words, 0) - 8]) {
        const { found, recovered } = await recover([damage(file!, at)], true);
        expect(found).toEqual({ k1: 1, k2: 2 });
        expect(recovered.lastSequence).toBe(2);
      }
    }
  });

  it('a segment in two files is the union of both: the journal was being written anew when the process died', async () => {
    const existing = files(log(3, 4));
    const half = existing[0]!.read().slice();
    half.fill(0, recordAt(existing[0]!, 2));
    const hole = damage(existing[1]!, recordAt(existing[1]!, 1) + 30);
    for (const order of [0, 1]) {
      const twice = [...existing, image('half', half), image('hole', hole.read())];
      const { found } = await recover(order === 0 ? twice : twice.toReversed(), true);
      expect(found).toEqual(ALL);
    }
    const other = files(log(1, 3, { first: 77, serial: 11 }))[0]!;
    await expect(recover([...existing, other], true)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  it('segments that the engine has confirmed are not looked at, however damaged', async () => {
    const existing = files(log(3, 4));
    const engine = new FakeEngine(new Later(), new Map(), {
      generation: 4,
      confirmedSerial: 12,
      count: 0,
      root: 0,
    });
    const { found, recovered } = await recover(
      [damage(existing[0]!, 200, 40), existing[1]!, existing[2]!],
      true,
      engine,
    );
    expect(found).toEqual({ k4: 9, k0: 10, k1: 11, k2: 12 });
    expect(recovered.lastSequence).toBe(12);
  });

  it('an unknown format is DATA_FOREIGN, a damaged header DATA_CORRUPT', async () => {
    const existing = files(log(1, 4));
    const bytes = existing[0]!.read().slice();
    const words = new Int32Array(bytes.buffer);
    words[1] = 3;
    words[15] = hashWords(words, 0, 15, words[0]!);
    await expect(recover([image('x', bytes)], true)).rejects.toMatchObject({
      code: 'DATA_FOREIGN',
      details: { format: 3 },
    });
    await expect(recover([damage(existing[0]!, 9)], true)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });
});

describe('a journal file that is shorter than it was made', () => {
  const cut = (file: ExistingJournalFile, bytes: number): ExistingJournalFile =>
    image(file.name, file.read().slice(0, bytes));

  it('is damage wherever it is cut (every byte up to the end of its records): what was behind would be missed by nobody', async () => {
    const existing = files(log(3, 4));
    const end = recordAt(existing[2]!, 4);
    for (let bytes = 0; bytes <= end; bytes++) {
      const journal = [...existing.slice(0, 2), cut(existing[2]!, bytes)];
      for (const sameBoot of [true, false])
        await expect(recover(journal, sameBoot), `${bytes} bytes`).rejects.toMatchObject({
          code: 'DATA_CORRUPT',
          details: { file: existing[2]!.name },
        });
    }
    await expect(recover([cut(existing[0]!, 4_088)], true)).rejects.toMatchObject({ code: 'DATA_CORRUPT' });
  });

  it('is nothing once its records are in the engine', async () => {
    const existing = files(log(2, 4));
    const engine = new FakeEngine(new Later());
    engine.state = { ...engine.state, generation: 4, confirmedSerial: 11 };
    const { recovered } = await recover([cut(existing[0]!, 1_000), existing[1]!], true, engine);
    expect(recovered.lastSequence).toBe(8);
  });

  it('may be as short as it likes if it is of a time when that was not written down', async () => {
    const [file] = files(log(1, 4));
    const bytes = file!.read().slice(0, 2_000);
    const words = new Int32Array(bytes.buffer);
    words[10] = 0;
    words[15] = hashWords(words, 0, 15, words[0]!);
    expect((await recover([image('old', bytes)], true)).recovered.lastSequence).toBe(4);
  });
});

describe('a journal file without a header that can be read', () => {
  /** Its first so many bytes are of another time. */
  const broken = (file: ExistingJournalFile, bytes: number, fill: number): ExistingJournalFile =>
    image(file.name, file.read().slice().fill(fill, 0, bytes));

  it('that was given up after its first write had failed is nothing: its segment stands in another file', async () => {
    const whole = files(log(3, 4));
    for (const bytes of [4, 20, 60]) {
      // A half-written header, and nothing behind it.
      const half = new Uint8Array(4_096);
      half.set(whole[2]!.read().subarray(0, bytes));
      const { found, recovered } = await recover([...whole, image('given up', half)], true);
      expect(found).toEqual(ALL);
      expect(recovered.lastSequence).toBe(12);
    }
  });

  it('is nothing also with what a spare had in it, which was in the engine by then', async () => {
    const buffer = log(1, 4);
    const spare = files(buffer)[0]!;
    storeCounter(buffer.words, CONFIRMED, buffer.lastSequence);
    buffer.seal(LOG_SEGMENT);
    buffer.open(LOG_SEGMENT);
    append(buffer);
    const engine = new FakeEngine(new Later());
    engine.commit({ generation: 4, confirmedSerial: 11 }, () => undefined);
    engine['resolveOldest']();
    const stale = broken(spare, 30, 0x55);
    const { recovered } = await recover([stale, files(buffer)[1]!], true, engine);
    expect(recovered).toMatchObject({ records: 1, lastSequence: 5 });
  });

  it.each([
    ['flipped', 1, 0x55],
    ['of zeros', 64, 0],
  ])('but with records that are nowhere else (header %s) it is DATA_CORRUPT', async (_, bytes, fill) => {
    for (const lost of [0, 1, 2]) {
      const existing = files(log(3, 4)).map((file, i) => (i === lost ? broken(file, bytes, fill) : file));
      await expect(recover(existing, true), `segment ${lost}`).rejects.toMatchObject({
        code: 'DATA_CORRUPT',
      });
    }
    await expect(recover([broken(files(log(1, 4))[0]!, bytes, fill)], true)).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
    });
  });

  it('after a power cut the header may be missing of a segment that was not synced, and of no other', async () => {
    const existing = files(log(3, 4));
    const { recovered } = await recover([existing[0]!, existing[1]!, broken(existing[2]!, 64, 0)], false);
    expect(recovered.lastSequence).toBe(8);
    const buffer = log(2, 4);
    storeCounter(buffer.words, SYNCED, buffer.lastSequence);
    append(buffer);
    const synced = files(buffer);
    await expect(recover([synced[0]!, broken(synced[1]!, 64, 0)], false)).rejects.toMatchObject({
      code: 'DATA_CORRUPT',
    });
  });

  it("another virtual node's journal is DATA_FOREIGN", async () => {
    const buffer = shared().open();
    buffer.owner = ownerTag('store', 'n1.0');
    buffer.startAt(0, 4, 10);
    buffer.open(LOG_SEGMENT);
    append(buffer);
    const engine = new FakeEngine(new Later());
    const own = ownerTag('store', 'n1.0');
    expect(scanJournal(files(buffer), engine.state, true, 'dir', own).newest).toHaveLength(1);
    for (const [store, vnode] of [
      ['store', 'n2.0'],
      ['other', 'n1.0'],
    ] as const) {
      const other = ownerTag(store, vnode);
      expect(() => scanJournal(files(buffer), engine.state, true, 'dir', other)).toThrow(
        /another virtual node/,
      );
    }
  });
});
