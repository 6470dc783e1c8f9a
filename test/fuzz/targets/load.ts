import assert from 'node:assert/strict';
import { RecordError } from '../../../src/cli/entries/entry.js';
import { type InputFormat, readRecords } from '../../../src/cli/load/input.js';
import { compileKey } from '../../../src/cli/load/key-template.js';
import { exportedEntries, keyedEntries } from '../../../src/cli/load/prepare.js';
import { InputError, type RawRecord } from '../../../src/cli/load/records.js';
import { RingletError } from '../../../src/base/errors.js';
import { piecesOf, type Target } from '../target.js';

/** Files that `load` reads: in any pieces the same records, each sound or bad by itself. */
export function loadTarget(): Target {
  return {
    name: 'load',
    seeds: [
      '{"key":"a","json":{"b":[1,2]}}\n{"keyBase64":"/wA=","base64":"AA==","contentType":"x/y"}\n',
      '{"key":"s","siblings":[{"json":1},{"base64":"YQ==","expiresAt":"2030-01-01T00:00:00.000Z"}]}',
      '[{"id":1,"name":"x, \\"y\\""},\n null, [1,2], "text"]',
      'key,json,base64\na,"{""b"":1}",\r\nb,,AA==\n',
      'id,name\n1,"two\nlines"\n2,"a ""b"""\n\n3,\n',
    ].map((text) => Buffer.from(text)),
    async check(input) {
      const keyed = keyedEntries(compileKey('{id}-{#line}'));
      for (const [format, exported] of [
        ['auto', true],
        ['auto', false],
        ['csv', true],
        ['csv', false],
      ] as const) {
        const whole = await read([input], { format, exported });
        assert.deepEqual(await read(piecesOf(input), { format, exported }), whole);
        for (const record of whole.records) {
          try {
            const { key, values } = (exported ? exportedEntries : keyed)(record);
            assert.ok(key.length >= 0 && values.length > 0);
          } catch (error) {
            if (!(error instanceof RecordError)) throw error;
          }
        }
      }
    },
  };
}

async function read(
  pieces: readonly Buffer[],
  format: InputFormat,
): Promise<{ records: RawRecord[]; end: string }> {
  const records: RawRecord[] = [];
  try {
    for await (const batch of readRecords(stream(pieces), format)) records.push(...batch);
  } catch (error) {
    const known = error instanceof InputError || (error instanceof RingletError && error.code === 'USAGE');
    if (!known) throw error;
    return { records, end: error.message };
  }
  return { records, end: '' };
}

async function* stream(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* pieces;
}
