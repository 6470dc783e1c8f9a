/**
 * A record without white space outside its strings. Not JSON.stringify of the parsed record: that
 * would round numbers beyond 53 bits, drop repeated fields, and overflow the stack where JSON.parse
 * does not: at some thousand levels.
 *
 * REQUIRES: the text is JSON.
 */
export function compactJson(text: string): string {
  if (!/[\t\n\r ]/.test(text)) return text;
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
