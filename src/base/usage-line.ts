/** Commander's "error: unknown option '--x'" in the form of all our errors: one line, its suggestion included. */
export function usageLine(text: string): string {
  return `${text
    .trimEnd()
    .replace(/^error: /, 'ringlet: USAGE: ')
    .replaceAll('\n', ' ')}\n`;
}
