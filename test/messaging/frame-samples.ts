import * as F from '../../src/messaging/frames.js';

/**
 * One frame of each type, field by field as frames.ts describes them, and its bytes. The bytes
 * never change: a frame of another shape has another version.
 */
export interface FrameSample {
  readonly name: string;
  readonly type: number;
  readonly words: readonly number[];
  readonly hex: string;
}

const RECORD = [0, 16, 3, 4];
const RECORD_HEX = '00000000 10000000 03000000 04000000';
/** Length, type, version 1, flags 2, request 0x80000007, epoch 0xbaadf00d, deadline 1000.0. */
function headOf(bytes: string, type: string): string {
  return `${bytes}000000${type}010200070000800df0adba0000000000408f40`;
}

function packed(hex: string): string {
  return hex.replaceAll(' ', '');
}

export const FRAME_SAMPLES: readonly FrameSample[] = [
  {
    name: 'PUT',
    type: F.PUT,
    // One context entry (5, 9), key "key", content type "a", value "vvvvv".
    words: [
      2,
      0x1234,
      3 | (7 << 16),
      3 | (1 << 16),
      1 | (2 << 8) | (2 << 16) | (3 << 24),
      1 | (2 << 8) | (2 << 16) | (255 << 24),
      5,
      1,
      0,
      0,
      5,
      9,
      0x79656b,
      0x61,
      0x76767676,
      0x76,
    ],
    hex: packed(
      headOf('58', '01') +
        '02000000 34120000 03000700 03000100 01020203 010202ff 05000000 01000000 0000000000000000 05000000 09000000 6b657900 61000000 76767676 76000000',
    ),
  },
  {
    name: 'PUT_REPLY',
    type: F.PUT_REPLY,
    words: [F.OK, 2, 3, 1, 0, 0, 5, 9],
    hex: packed(
      headOf('38', '02') + '00000000 02000000 03000000 01000000 0000000000000000 05000000 09000000',
    ),
  },
  {
    name: 'GET',
    type: F.GET,
    words: [0, 0x1234, 3 | (7 << 16), 5, 0x6579656b, 0x21],
    hex: packed(headOf('30', '03') + '00000000 34120000 03000700 05000000 6b657965 21000000'),
  },
  {
    name: 'GET_REPLY',
    type: F.GET_REPLY,
    words: [F.OK, 0, ...RECORD],
    hex: packed(headOf('30', '04') + '00000000 00000000' + RECORD_HEX),
  },
  {
    name: 'REPLICATE',
    type: F.REPLICATE,
    words: [2 | (1 << 8), 0, ...RECORD],
    hex: packed(headOf('30', '05') + '02010000 00000000' + RECORD_HEX),
  },
  {
    name: 'REPLICATE_ACK',
    type: F.REPLICATE_ACK,
    words: [F.OUT_FULL, 0],
    hex: packed(headOf('20', '06') + '06000000 00000000'),
  },
  {
    name: 'SCAN',
    type: F.SCAN,
    words: [100, 4_096, 3 | (7 << 16), 2, 0x6261, 0],
    hex: packed(headOf('30', '07') + '64000000 00100000 03000700 02000000 61620000 00000000'),
  },
  {
    name: 'SCAN_REPLY',
    type: F.SCAN_REPLY,
    words: [F.OK, 2, 1, 0, ...RECORD, ...RECORD],
    hex: packed(headOf('48', '08') + '00000000 02000000 01000000 00000000' + RECORD_HEX + RECORD_HEX),
  },
  {
    name: 'PING',
    type: F.PING,
    words: [1, 0],
    hex: packed(headOf('20', '09') + '01000000 00000000'),
  },
  { name: 'SYNC', type: F.SYNC, words: [0, 0], hex: packed(headOf('20', '0c') + '00000000 00000000') },
  {
    name: 'PONG',
    type: F.PONG,
    words: [0, 0],
    hex: packed(headOf('20', '0a') + '00000000 00000000'),
  },
  {
    name: 'GOSSIP',
    type: F.GOSSIP,
    // "n1.0" of capacity 2, leaving, incarnation 3, version 5.
    words: [0x1234, 1, 4 | (2 << 8) | (2 << 16), 3, 5, 0x302e316e],
    hex: packed(headOf('30', '0b') + '34120000 01000000 04020200 03000000 05000000 6e312e30'),
  },
  {
    name: 'TREE_COMPARE',
    type: F.TREE_COMPARE,
    words: [2, 0, 0x0c001002, 1, 2, 0x0c004000, 3, 4],
    hex: packed(
      headOf('38', '1e') + '02000000 00000000 0210000c 01000000 02000000 0040000c 03000000 04000000',
    ),
  },
  {
    name: 'TREE_DIFFER',
    type: F.TREE_DIFFER,
    words: [F.OK, 33, 5, 1],
    hex: packed(headOf('28', '1f') + '00000000 21000000 05000000 01000000'),
  },
  {
    name: 'TREE_LIST',
    type: F.TREE_LIST,
    words: [2, 0, 0x0c001002, 0x0c004000],
    hex: packed(headOf('28', '20') + '02000000 00000000 0210000c 0040000c'),
  },
  {
    name: 'TREE_KEYS',
    type: F.TREE_KEYS,
    words: [F.OK, 2, 64, F.LIST_ENDS, 0x1234, 1, 2, 0x5678, 3, 4],
    hex: packed(
      headOf('40', '21') +
        '00000000 02000000 40000000 01000000 34120000 01000000 02000000 78560000 03000000 04000000',
    ),
  },
  {
    name: 'TREE_FETCH',
    type: F.TREE_FETCH,
    words: [2, 9, 64, 65],
    hex: packed(headOf('28', '22') + '02000000 09000000 40000000 41000000'),
  },
  {
    name: 'TREE_RECORDS',
    type: F.TREE_RECORDS,
    words: [F.OK, 2, 2, 0, ...RECORD, ...RECORD],
    hex: packed(headOf('48', '23') + '00000000 02000000 02000000 00000000' + RECORD_HEX + RECORD_HEX),
  },
  {
    name: 'TREE_PUSH',
    type: F.TREE_PUSH,
    words: [0, 1, 0, 0, ...RECORD],
    hex: packed(headOf('38', '24') + '00000000 01000000 00000000 00000000' + RECORD_HEX),
  },
  {
    name: 'TREE_PUSHED',
    type: F.TREE_PUSHED,
    words: [F.OUT_FULL, 0],
    hex: packed(headOf('20', '25') + '06000000 00000000'),
  },
  {
    name: 'HANDOFF',
    type: F.HANDOFF,
    words: [1 << 8, 7, ...RECORD],
    hex: packed(headOf('30', '14') + '00010000 07000000' + RECORD_HEX),
  },
  {
    name: 'HANDOFF_ACK',
    type: F.HANDOFF_ACK,
    words: [F.OUT_OVERLOADED, 7],
    hex: packed(headOf('20', '15') + '08000000 07000000'),
  },
  {
    name: 'REAP',
    type: F.REAP,
    words: [2, 1, 7, 1 | (3 << 16), 2, 0x11, 0x22, 0x6261],
    hex: packed(
      headOf('38', '28') + '02000000 01000000 07000000 01000300 02000000 11000000 22000000 61620000',
    ),
  },
  {
    name: 'REAP_ANSWER',
    type: F.REAP_ANSWER,
    words: [F.OK, 3, 0b101, 0],
    hex: packed(headOf('28', '29') + '00000000 03000000 05000000 00000000'),
  },
  {
    name: 'RELAY',
    type: F.RELAY,
    // To party 9: a PUT of 72 bytes, key "key", nothing else.
    words: [
      9,
      0,
      72,
      F.PUT | (1 << 8),
      1,
      2,
      0,
      0,
      3,
      0x1234,
      3 | (7 << 16),
      3,
      0,
      0,
      0,
      0,
      0,
      0,
      0x79656b,
      0,
    ],
    hex: packed(
      headOf('68', '3c') +
        '09000000 00000000 48000000 01010000 01000000 02000000 0000000000000000 03000000 34120000 03000700 03000000 00000000 00000000 00000000 00000000 0000000000000000 6b657900 00000000',
    ),
  },
];

export function frameOf({ type, words }: FrameSample, at = 0): Int32Array {
  const frame = new Int32Array(at + F.FRAME_HEADER_WORDS + words.length);
  frame[at] = (F.FRAME_HEADER_WORDS + words.length) * 4;
  F.writeHeader(frame, at, type, 2, 0x80000007, 0xbaadf00d, 1_000);
  frame.set(words, at + F.FRAME_HEADER_WORDS);
  return frame;
}
