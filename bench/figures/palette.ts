/**
 * Colours by Okabe and Ito, told apart with any kind of colour vision; yellow and the lighter ones are
 * darkened on a light page to keep a contrast of 3:1. Each series has a symbol and a dash as well.
 */
export const SERIES_COLOURS = [
  { light: '#0072b2', dark: '#56b4e9' },
  { light: '#d55e00', dark: '#ff9e4a' },
  { light: '#00805f', dark: '#2ec79b' },
  { light: '#b0508a', dark: '#e39ac6' },
  { light: '#8a6d00', dark: '#f0e442' },
  { light: '#5b5bd6', dark: '#a9a9ff' },
  { light: '#3d3d3d', dark: '#e0e0e0' },
] as const;

export const DASHES = ['', '7 3', '2 3', '9 3 2 3', '12 4', '4 2', '1 3'] as const;
export const SYMBOLS = ['circle', 'square', 'triangle', 'diamond', 'star', 'wye', 'cross'] as const;

/** The variables that figures are drawn with; the page and each SVG file define them. */
export function seriesColour(index: number): string {
  return `var(--series-${index % SERIES_COLOURS.length})`;
}
export const REFERENCE_COLOUR = 'var(--reference)';

/** Custom properties for both schemes, under a selector. */
export function paletteCss(selector: string): string {
  const block = (scheme: 'light' | 'dark'): string =>
    [
      ...SERIES_COLOURS.map((colour, index) => `--series-${index}:${colour[scheme]}`),
      `--reference:${scheme === 'light' ? '#6a6a6a' : '#a8a8a8'}`,
      `--ink:${scheme === 'light' ? '#1b1f24' : '#e6e8eb'}`,
      `--paper:${scheme === 'light' ? '#ffffff' : '#14171b'}`,
    ].join(';');
  return `${selector}{${block('light')}}@media (prefers-color-scheme:dark){${selector}{${block('dark')}}}`;
}
