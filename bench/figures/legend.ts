import { escapeText } from './text.js';
import type { Series } from './figure.js';

interface Entry extends Pick<Series, 'name' | 'kind'> {
  readonly colour: string;
  readonly dash: string;
  readonly symbol: string;
}

const LINE_HEIGHT = 18;
const SAMPLE_WIDTH = 24;
const GAP = 14;
/** Average width of a character at 12 px; a little too much is harmless. */
const CHARACTER_WIDTH = 6.4;
const OUTLINES: Readonly<Record<string, string>> = {
  circle: 'M-3.5,0a3.5,3.5 0 1,0 7,0a3.5,3.5 0 1,0 -7,0',
  square: 'M-3,-3h6v6h-6Z',
  triangle: 'M0,-4L3.8,3H-3.8Z',
  diamond: 'M0,-4.5L3.2,0L0,4.5L-3.2,0Z',
  star: 'M0,-4.5L1.2,-1.4L4.3,-1.4L1.8,0.6L2.7,3.7L0,1.9L-2.7,3.7L-1.8,0.6L-4.3,-1.4L-1.2,-1.4Z',
  wye: 'M-1.2,4V0.8L-3.9,-0.8L-2.7,-2.9L0,-1.3L2.7,-2.9L3.9,-0.8L1.2,0.8V4Z',
  cross: 'M-3.5,-1.2h2.3v-2.3h2.4v2.3h2.3v2.4h-2.3v2.3h-2.4v-2.3h-2.3Z',
};

/** Drawn into the SVG, so that a figure taken out of the page still says what is what. */
export function drawLegend(
  entries: readonly Entry[],
  { width }: { readonly width: number },
): { readonly svg: string; readonly height: number } {
  if (entries.length < 2) return { svg: '', height: 0 };
  let x = 4;
  let y = 12;
  const parts = entries.map(({ name, kind, colour, dash, symbol }) => {
    const entryWidth = SAMPLE_WIDTH + name.length * CHARACTER_WIDTH + GAP;
    if (x > 4 && x + entryWidth > width) {
      x = 4;
      y += LINE_HEIGHT;
    }
    const part =
      `<g transform="translate(${x},${y})">${sample(kind, colour, dash, symbol)}` +
      `<text x="${SAMPLE_WIDTH}" dy="0.32em" text-anchor="start">${escapeText(name)}</text></g>`;
    x += entryWidth;
    return part;
  });
  return { svg: `<g font-size="12" aria-hidden="true">${parts.join('')}</g>`, height: y };
}

function sample(kind: Series['kind'], colour: string, dash: string, symbol: string): string {
  if (kind === 'bars') return `<rect x="2" y="-6" width="16" height="12" fill="${colour}"/>`;
  const line =
    kind === 'line'
      ? `<line x1="0" x2="20" stroke="${colour}" stroke-width="2"${dash === '' ? '' : ` stroke-dasharray="${dash}"`}/>`
      : '';
  return `${line}<path transform="translate(10,0)" fill="${colour}" d="${OUTLINES[symbol] ?? ''}"/>`;
}
