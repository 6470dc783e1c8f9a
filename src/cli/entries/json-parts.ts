/**
 * The members of an object and the elements of an array, as they stand in the text: parsed and
 * printed again, numbers beyond 53 bits would be rounded.
 *
 * REQUIRES of both: the text is JSON of that kind without white space outside its strings.
 */
export function membersOf(object: string): Map<string, string> {
  const members = new Map<string, string>();
  for (const part of partsOf(object)) {
    const end = endOfString(part, 0);
    members.set(JSON.parse(part.slice(0, end)) as string, part.slice(end + 1));
  }
  return members;
}

export function elementsOf(array: string): readonly string[] {
  return partsOf(array);
}

/** What stands between the brackets, cut at the commas that are in nothing else. */
function partsOf(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 1;
  for (let i = 1; i < text.length - 1; i++) {
    const character = text[i]!;
    if (character === '"') i = endOfString(text, i) - 1;
    else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
  }
  if (text.length > 2) parts.push(text.slice(start, -1));
  return parts;
}

/** The position behind a string that begins at `start`. */
function endOfString(text: string, start: number): number {
  let i = start + 1;
  while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1;
  return i + 1;
}
