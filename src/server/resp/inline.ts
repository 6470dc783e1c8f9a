const QUOTE = 34;
const APOSTROPHE = 39;
const BACKSLASH = 92;
const ESCAPES: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, b: 8, a: 7 };

/** A line as words, the way Redis reads one; undefined if a quote is not closed, or text follows it at once. */
export function splitInline(line: Buffer): Buffer[] | undefined {
  const words: Buffer[] = [];
  for (let i = 0; ;) {
    while (i < line.length && isSpace(line[i]!)) i++;
    if (i === line.length) return words;
    const word: number[] = [];
    for (; i < line.length && !isSpace(line[i]!);) {
      const byte = line[i]!;
      if (byte !== QUOTE && byte !== APOSTROPHE) {
        word.push(byte);
        i++;
        continue;
      }
      i = quoted(line, i, word);
      if (i < 0 || (i < line.length && !isSpace(line[i]!))) return undefined;
    }
    words.push(Buffer.from(word));
  }
}

/** Appends what stands in quotes from `start`; where it goes on, or −1 if they are not closed. */
function quoted(line: Buffer, start: number, word: number[]): number {
  const quote = line[start]!;
  for (let i = start + 1; i < line.length; i++) {
    const byte = line[i]!;
    if (byte === quote) return i + 1;
    if (byte !== BACKSLASH || i + 1 === line.length) {
      word.push(byte);
      continue;
    }
    if (quote === APOSTROPHE) {
      // Only the apostrophe itself can be escaped.
      if (line[i + 1] === APOSTROPHE) i++;
      word.push(line[i]!);
      continue;
    }
    const hex = /^x([0-9a-f]{2})/i.exec(line.toString('latin1', i + 1, i + 4));
    if (hex !== null) {
      word.push(Number.parseInt(hex[1]!, 16));
      i += 3;
    } else {
      i++;
      word.push(ESCAPES[String.fromCharCode(line[i]!)] ?? line[i]!);
    }
  }
  return -1;
}

/** C's `isspace`, and NUL, where Redis' strings end. */
function isSpace(byte: number): boolean {
  return byte === 32 || (byte >= 9 && byte <= 13) || byte === 0;
}
