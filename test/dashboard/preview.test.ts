import { expect, test } from 'vitest';

const page = new URL('../../dashboard/format.js', import.meta.url).href;
const { preview } = (await import(page)) as { preview: (bytes: Uint8Array) => string };

test.each([0, 1, 2])('a long text is shown as text, wherever it is cut (%i bytes before)', (before) => {
  const text = 'x'.repeat(before) + '€'.repeat(2_000);
  const shown = preview(Buffer.from(text));
  expect(shown.endsWith('…')).toBe(true);
  expect(text.startsWith(shown.slice(0, -1))).toBe(true);
  expect(shown.length).toBeGreaterThan(1_300);
});

test('a short text is shown whole; what is no text, or breaks off within a character, as bytes', () => {
  expect(preview(Buffer.from('€ 5'))).toBe('€ 5');
  expect(preview(Uint8Array.of(0xe2, 0x82))).toBe('e2 82');
  const bytes = preview(new Uint8Array(1_000).fill(0xff));
  expect(bytes).toBe(`${'ff '.repeat(256)}…`);
});
