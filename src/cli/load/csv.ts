import { parse, type CsvError } from 'csv-parse/sync';
import { RingletError } from '../../base/errors.js';
import { CSV_COLUMNS } from '../entries/write.js';
import { Pending, type RawRecord, type Splitter } from './records.js';

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const COMMA = 0x2c;

/** Enough for any table, few enough that a line of commas is no list of millions. */
const MAX_COLUMNS = 4_096;

/**
 * Cuts CSV (RFC 4180, with commas) into rows: a quote opens a field only at its beginning, and only
 * within such a field a newline ends nothing. So a row that is malformed costs itself and no other.
 */
export class CsvSplitter implements Splitter {
  readonly #pending: Pending;
  readonly #rows: CsvRows;
  #state: 'field' | 'plain' | 'quoted' | 'quote' = 'field';
  #line = 1;
  #firstLine = 1;

  constructor(maxBytes: number, rows: CsvRows) {
    this.#pending = new Pending(maxBytes);
    this.#rows = rows;
  }

  push(chunk: Buffer): RawRecord[] {
    const raw: RawRecord[] = [];
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (byte === NEWLINE) this.#line++;
      if (this.#state === 'quoted') {
        if (byte === QUOTE) this.#state = 'quote';
      } else if (byte === NEWLINE) {
        this.#pending.append(chunk.subarray(start, i));
        start = i + 1;
        this.#finish(raw);
      } else if (byte === QUOTE && this.#state !== 'plain') {
        this.#state = 'quoted';
      } else {
        this.#state = byte === COMMA ? 'field' : 'plain';
      }
    }
    this.#pending.append(chunk.subarray(start));
    return this.#rows.read(raw);
  }

  end(): RawRecord[] {
    const raw: RawRecord[] = [];
    if (!this.#pending.empty) this.#finish(raw);
    return this.#rows.read(raw);
  }

  #finish(raw: RawRecord[]): void {
    const record = this.#pending.take(this.#firstLine);
    this.#firstLine = this.#line;
    this.#state = 'field';
    const text = record.text?.replace(/\r$/, '');
    if (text === undefined) raw.push(record);
    else if (text.trim() !== '') raw.push({ number: record.number, text });
  }
}

/** Rows as JSON records: objects of text by column, or exported keys as {@link CSV_COLUMNS} has them. */
export class CsvRows {
  #columns: readonly string[] | undefined;
  readonly #exported: boolean;

  /**
   * @param columns undefined: the first row names them
   * @param exported the rows are exported keys
   * @throws RingletError USAGE for columns that no record can have
   */
  constructor(columns: readonly string[] | undefined, exported: boolean) {
    this.#exported = exported;
    if (columns !== undefined) this.#columns = this.#checked(columns, '--columns');
  }

  read(raw: readonly RawRecord[]): RawRecord[] {
    // All at once where nothing is wrong: that costs a fraction of one by one.
    const texts = raw.map(({ text }) => text);
    const together = texts.includes(undefined) ? undefined : fieldsOf(texts.join('\n'));
    const rows = Array.isArray(together) && together.length === raw.length ? together : undefined;
    return raw.flatMap(({ number, text, problem }, i) => {
      const fields = rows?.[i] ?? (text === undefined ? undefined : rowOf(text));
      const wrong = typeof fields === 'string' ? fields : (problem ?? 'it has no text');
      const whole = typeof fields === 'object' ? fields : undefined;
      if (this.#columns === undefined) {
        // The next row would be taken for the names, and every one behind it for what it is not.
        this.#columns = this.#checked(
          whole ?? [],
          `line ${number}${whole === undefined ? `, ${wrong}` : ''}`,
        );
        return [];
      }
      return [whole === undefined ? { number, problem: wrong } : this.#record(number, whole, this.#columns)];
    });
  }

  #record(number: number, fields: readonly string[], columns: readonly string[]): RawRecord {
    if (fields.length !== columns.length) {
      return { number, problem: `it has ${fields.length} fields, expected ${columns.length}` };
    }
    if (this.#exported) return exportedRecord(number, fields, columns);
    const members = columns.map((name, i) => `${JSON.stringify(name)}:${JSON.stringify(fields[i])}`);
    return { number, text: `{${members.join(',')}}` };
  }

  #checked(columns: readonly string[], place: string): readonly string[] {
    const given = columns.join(',').slice(0, 200);
    const expected = this.#exported
      ? `columns among ${CSV_COLUMNS.join(',')}; other data needs --key`
      : `1 to ${MAX_COLUMNS} names of columns, each once and none empty, in a line that ends in LF or CR LF`;
    // A carriage return in a name: all lines end in it, as on old Macs, and the whole file would be the names.
    const known = (name: string): boolean =>
      this.#exported
        ? (CSV_COLUMNS as readonly string[]).includes(name)
        : name !== '' && !/\r(?!\n)/.test(name);
    if (
      columns.length > 0 &&
      columns.length <= MAX_COLUMNS &&
      columns.every(known) &&
      new Set(columns).size === columns.length
    ) {
      return columns;
    }
    throw new RingletError('USAGE', `columns (${place}): got "${given}", expected ${expected}`, {
      option: 'columns',
      given,
      expected,
    });
  }
}

/** An empty field is one that is not there; a row without any value has an empty one. */
function exportedRecord(number: number, fields: readonly string[], columns: readonly string[]): RawRecord {
  const members: string[] = [];
  let valued = false;
  for (let i = 0; i < columns.length; i++) {
    const [name, text] = [columns[i]!, fields[i]!];
    if (text === '') continue;
    const raw = name === 'json' || name === 'siblings';
    if (raw && !isJson(text)) return { number, problem: `its ${name} is no JSON` };
    valued ||= raw || name === 'base64';
    members.push(`"${name}":${raw ? text : JSON.stringify(text)}`);
  }
  if (!valued) members.push('"base64":""');
  return { number, text: `{${members.join(',')}}` };
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The fields of one row, or what is wrong with it. */
function rowOf(text: string): string[] | string {
  const rows = fieldsOf(text);
  if (typeof rows === 'string') return rows;
  return rows.length === 1 ? rows[0]! : `it is ${rows.length} rows`;
}

function fieldsOf(text: string): string[][] | string {
  try {
    return parse(text, { relax_column_count: true, record_delimiter: ['\n', '\r\n'] });
  } catch (error) {
    // Its line is one of this piece.
    return (error as CsvError).message.replaceAll(/ (?:at|on) line \d+/g, '').slice(0, 120);
  }
}
