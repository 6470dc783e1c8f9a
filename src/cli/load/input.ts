import { createReadStream, fstatSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { addAbortSignal, type Readable } from 'node:stream';
import { RingletError } from '../../base/errors.js';
import { LIMITS } from '../../base/limits.js';
import { CsvRows, CsvSplitter } from './csv.js';
import {
  ArraySplitter,
  InputError,
  LineSplitter,
  type Format,
  type RawRecord,
  type Splitter,
} from './records.js';

/** A value is compact, its record need not be; this leaves room for white space around the largest one. */
export const MAX_RECORD_BYTES = 2 * LIMITS.maxValueBytes;

/** White space at the beginning that is waited for; after more of it the input is taken for lines. */
const MAX_HEAD_BYTES = 1 << 20;

const BOM = Buffer.from([0xef, 0xbb, 0xbf]);
const OPEN_BRACKET = 0x5b;

export interface Input {
  readonly chunks: AsyncIterable<Buffer>;
  /** Known for regular files. */
  readonly totalBytes?: number;
}

/** A file, or standard input for "-". Whoever waits for more of it hears of the signal. */
export async function openInput(file: string, signal: AbortSignal): Promise<Input> {
  if (file === '-') {
    const stat = fstatSync(0);
    return {
      chunks: chunksOf(addAbortSignal(signal, process.stdin)),
      ...(stat.isFile() ? { totalBytes: stat.size } : {}),
    };
  }
  try {
    const handle = await open(file);
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new Error('it is a directory');
    const chunks = createReadStream(file, { fd: handle, highWaterMark: 256 << 10, signal });
    return { chunks: chunksOf(chunks), ...(stat.isFile() ? { totalBytes: stat.size } : {}) };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new RingletError('IO', `cannot read ${file} (${why})`, { file }, { cause });
  }
}

/** What breaks off in the middle ends the load, and not what has been read until then. */
function chunksOf(stream: Readable): AsyncIterable<Buffer> {
  // The signal may come before anybody reads.
  stream.on('error', () => undefined);
  return chunksUntilError(stream);
}

async function* chunksUntilError(stream: Readable): AsyncGenerator<Buffer> {
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (cause) {
    throw new InputError(`the input cannot be read any further (${(cause as Error).message})`);
  }
}

export interface InputFormat {
  /** `auto` tells lines from an array. */
  readonly format: Format | 'auto';
  /** Of CSV without a line that names them. */
  readonly columns?: readonly string[];
  /** The records are exported keys; only CSV has to know. */
  readonly exported?: boolean;
}

/** The records of each chunk as it comes. `onBytes` is told how far the input has been read. */
export async function* readRecords(
  chunks: AsyncIterable<Buffer>,
  format: InputFormat,
  onBytes: (bytes: number) => void = () => undefined,
): AsyncGenerator<RawRecord[]> {
  let splitter: Splitter | undefined;
  /** The first bytes, until one that is no white space tells the format. */
  let head = Buffer.alloc(0);
  for await (const chunk of chunks) {
    onBytes(chunk.length);
    if (splitter !== undefined) {
      yield splitter.push(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    splitter = splitterFor(head, format, false);
    if (splitter !== undefined) yield splitter.push(withoutBom(head));
  }
  if (splitter === undefined) {
    splitter = splitterFor(head, format, true);
    yield splitter.push(withoutBom(head));
  }
  yield splitter.end();
}

function splitterFor(head: Buffer, format: InputFormat, whole: true): Splitter;
function splitterFor(head: Buffer, format: InputFormat, whole: boolean): Splitter | undefined;
function splitterFor(
  head: Buffer,
  { format, columns, exported = false }: InputFormat,
  whole: boolean,
): Splitter | undefined {
  const first = withoutBom(head).find((byte) => byte > 0x20);
  const telling = first !== undefined && head.length >= BOM.length;
  if (!telling && !whole && head.length < MAX_HEAD_BYTES) return undefined;
  if (format === 'csv') return new CsvSplitter(MAX_RECORD_BYTES, new CsvRows(columns, exported));
  const array = format === 'array' || (format === 'auto' && first === OPEN_BRACKET);
  return array ? new ArraySplitter(MAX_RECORD_BYTES) : new LineSplitter(MAX_RECORD_BYTES);
}

function withoutBom(head: Buffer): Buffer {
  return head.subarray(0, BOM.length).equals(BOM) ? head.subarray(BOM.length) : head;
}
