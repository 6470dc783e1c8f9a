/**
 * A record without white space outside its strings. Not JSON.stringify of the parsed record: that
 * would round numbers beyond 53 bits and drop repeated fields. `parsed` only proves that the text
 * is JSON, and spares the work when it is compact already.
 */
export function compactJson(text: string, parsed: unknown): string {
  if (JSON.stringify(parsed) === text) return text;
  let compact = '';
  let kept = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (inString) {
      if (character === '\\') i++;
      else if (character === '"') inString = false;
    } else if (character === '"') {
      inString = true;
    } else if (character <= ' ') {
      compact += text.slice(kept, i);
      kept = i + 1;
    }
  }
  return compact + text.slice(kept);
}
