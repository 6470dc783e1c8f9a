import { expect, test } from 'vitest';
import { drawFigure, NARROW, standaloneSvg, WIDE } from '../../bench/figures/draw.js';
import type { Figure } from '../../bench/figures/figure.js';
import { percentileText, tickText, timeText } from '../../bench/figures/ticks.js';
import { textWithCode } from '../../bench/figures/text.js';

const LINES: Figure = {
  id: 'lines',
  title: 'A < B & "C"',
  description: 'Two lines.',
  x: { label: 'rate', scale: 'log' },
  y: { label: 'latency, µs', scale: 'log' },
  series: [
    {
      name: 'get',
      kind: 'line',
      points: [
        { x: 1, y: 10 },
        { x: 10, y: 0 },
        { x: 100, y: 1_000 },
      ],
    },
    { name: 'paper', kind: 'dots', reference: true, points: [{ x: 10, y: 50 }] },
  ],
  references: [{ axis: 'y', value: 200, label: 'SLA' }],
  table: { columns: ['rate'], rows: [[1]] },
};

test('a figure is an SVG image with title, description, legend, marks and reference lines', () => {
  const svg = drawFigure(LINES, WIDE);
  expect(svg).toMatch(/^<svg[^>]* role="img"/);
  expect(svg).toContain('aria-labelledby="figure-lines-title figure-lines-description"');
  expect(svg).toContain('<title id="figure-lines-title">A &lt; B &amp; &quot;C&quot;</title>');
  expect(svg).toContain('<desc id="figure-lines-description">Two lines.</desc>');
  for (const text of ['>get<', '>paper<', '>SLA<', '↑ latency, µs']) expect(svg).toContain(text);
  expect(svg).toContain('stroke="var(--series-0)"');
  expect(svg).toContain('var(--reference)');
});

test('what has no place on a logarithmic axis is left out, and nothing becomes NaN', () => {
  const svg = drawFigure(LINES, WIDE);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  expect(svg.match(/<circle/g)).toHaveLength(2);
});

test('a narrow figure is drawn anew with ids of its own', () => {
  const svg = drawFigure(LINES, NARROW, '-narrow');
  expect(svg).toContain('width="340"');
  expect(svg).toContain('id="figure-lines-narrow-title"');
});

test('grouped bars name each category once and keep their order', () => {
  const points = (first: number): Figure['series'][number]['points'] => [
    { x: '16', y: first, low: first - 1, high: first + 1 },
    { x: '4', y: 2 },
  ];
  const svg = drawFigure(
    {
      ...LINES,
      x: { label: 'nodes', scale: 'category' },
      y: { label: 'y', scale: 'linear' },
      series: [
        { name: 'a', kind: 'bars', points: points(3) },
        { name: 'b', kind: 'bars', points: points(5) },
      ],
    },
    WIDE,
  );
  expect(svg.indexOf('>16<')).toBeLessThan(svg.indexOf('>4<'));
  expect(svg.match(/>16</g)).toHaveLength(1);
  // Two rectangles are of the legend.
  expect(svg.match(/<rect/g)).toHaveLength(6);
});

test('a bar below the limits of the axis moves them, and stays above the names', () => {
  const bars = (y: number, low = y): string =>
    drawFigure(
      {
        ...LINES,
        x: { label: 'system', scale: 'category' },
        y: { label: 'puts/s', scale: 'log', from: 1_000, to: 100_000 },
        series: [{ name: 'a', kind: 'bars', points: [{ x: 'slow', y, low, high: y }] }],
        references: [],
      },
      WIDE,
    );
  expect(bars(5_000)).not.toContain('>100<');
  expect(bars(400)).toContain('>100<');
  // A negative height would hang from the axis.
  expect(bars(5_000, 90)).toContain('>10<');
  expect(bars(200_000)).toContain('>1M<');
});

test('bars of nothing have no height, and say that they are zero; equal limits would draw them in full', () => {
  const svg = drawFigure(
    {
      ...LINES,
      x: { label: 'quorum', scale: 'category' },
      y: { label: 'stale gets', scale: 'linear', unit: 'percent' },
      series: [{ name: 'a', kind: 'bars', points: [{ x: '(3,2,2)', y: 0 }] }],
      references: [],
    },
    WIDE,
  );
  expect(svg).toMatch(/<rect[^>]* height="0"/);
  expect(svg).toContain('>0</text>');
  expect(svg).toContain('>100 %<');
});

test('a logarithmic axis names the values that were measured, while they fit', () => {
  const by = (values: readonly number[], unit?: 'bytes'): string =>
    drawFigure(
      {
        ...LINES,
        x: { label: 'size', scale: 'log', ...(unit === undefined ? {} : { unit }) },
        series: [{ name: 'a', kind: 'line', points: values.map((x) => ({ x, y: 1 })) }],
      },
      WIDE,
    );
  for (const text of ['>100 B<', '>4 KiB<', '>64 KiB<'])
    expect(by([100, 4_096, 65_536], 'bytes')).toContain(text);
  for (const text of ['>1<', '>2<', '>4<', '>8<']) expect(by([1, 2, 4, 8])).toContain(text);
  expect(by([1_000, 1_001, 100_000])).not.toContain('>1.001k<');
});

test('in groups of bars a line across is named once', () => {
  const points = ['n1', 'n2', 'n3'].map((x) => ({ x, y: 1 }));
  const svg = drawFigure(
    {
      ...LINES,
      x: { label: 'node', scale: 'category' },
      y: { label: 'load', scale: 'linear', from: 0, to: 2 },
      series: [
        { name: 'a', kind: 'bars', points },
        { name: 'b', kind: 'bars', points },
      ],
      references: [{ axis: 'y', value: 1.15, label: '+15 %' }],
    },
    WIDE,
  );
  expect(svg.match(/>\+15 %</g)).toHaveLength(1);
});

test('a file of its own has its colours for light and dark', () => {
  const svg = standaloneSvg(LINES);
  expect(svg).toContain('prefers-color-scheme:dark');
  expect(svg).toContain('xmlns="http://www.w3.org/2000/svg"');
});

test('ticks and times are short', () => {
  expect([1, 10, 1_000, 100_000].map(percentileText)).toEqual(['p0', 'p90', 'p99.9', 'p99.999']);
  const log = { label: '', scale: 'log' } as const;
  expect([100, 200, 300, 500, 20_000].map((value) => tickText(log, value))).toEqual([
    '100',
    '200',
    '',
    '500',
    '20k',
  ]);
  expect(tickText({ label: '', scale: 'linear', unit: 'percent' }, 0.15)).toBe('15 %');
  expect([4.56, 817.2, 1_590, 2_500_000].map(timeText)).toEqual(['4.6 µs', '817 µs', '1.59 ms', '2.5 s']);
});

test('markup in a text is text, and back quotes are code', () => {
  expect(textWithCode('`R < W` & <b>')).toBe('<code>R &lt; W</code> &amp; &lt;b&gt;');
});
