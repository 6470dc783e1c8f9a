import { h, s, setText } from './dom.js';

const POINTS = 120;
const WIDTH = 600;
const HEIGHT = 136;
const BOTTOM = 6;
const TOP = 12;

/**
 * Lines over the last two minutes, one point a second. `lines` are names with colours; the caption
 * says the newest values in words, which is also what a screen reader gets.
 */
export class LineChart {
  #svg;
  #lines;
  #format;
  #log;
  #values;
  #shown;

  constructor(figure, title, lines, format, { log = false } = {}) {
    this.#lines = lines;
    this.#format = format;
    this.#log = log;
    this.#values = lines.map(() => []);
    this.#shown = lines.map(() => h('b', {}, '–'));
    this.#svg = s('svg', {
      class: 'chart',
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: 'none',
      'aria-hidden': 'true',
    });
    figure.append(
      h(
        'figcaption',
        {},
        h('b', {}, title),
        ...lines.map(({ name, color }, i) => h('span', { class: 'key', color }, `${name} `, this.#shown[i])),
      ),
      this.#svg,
    );
  }

  /** @param missed seconds before this one of which nothing was told */
  add(values, missed) {
    const gap = Array.from({ length: Math.min(missed, POINTS) }, () => null);
    values.forEach((value, i) => {
      this.#values[i] = [...this.#values[i], ...gap, value].slice(-POINTS);
      setText(this.#shown[i], this.#format(value));
    });
    this.#draw();
  }

  #draw() {
    const all = this.#values.flat().filter((value) => value !== null && value !== undefined);
    const most = Math.max(this.#log ? 10 : 1, ...all);
    const least = this.#log ? Math.max(0.5, Math.min(most / 10, ...all)) : 0;
    const scale = this.#log
      ? (value) => Math.log(Math.max(value, least) / least) / Math.log((most * 1.1) / least)
      : (value) => value / (most * 1.1);
    const y = (value) => HEIGHT - BOTTOM - scale(value) * (HEIGHT - BOTTOM - TOP);
    const marks = this.#log ? decades(least, most) : [most, most / 2];
    // The view is stretched to the width; labels are drawn beside it so that they are not.
    const width = this.#svg.clientWidth || WIDTH;
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
    const x = (i, length) => width - ((length - 1 - i) * width) / (POINTS - 1);
    this.#svg.replaceChildren(
      ...marks.flatMap((value) => [
        s('line', { class: 'grid', x1: 0, x2: width, y1: y(value), y2: y(value) }),
        s('text', { x: 2, y: y(value) - 3 }, this.#format(value)),
      ]),
      ...this.#lines.map(({ color }, i) => {
        const path = s('path', { d: pathOf(this.#values[i], x, y) });
        path.style.stroke = color;
        return path;
      }),
    );
  }
}

function decades(least, most) {
  const marks = [];
  for (let mark = 10 ** Math.ceil(Math.log10(least)); mark <= most; mark *= 10) marks.push(mark);
  return marks.slice(-3);
}

/** A gap where nothing was measured; a second between two gaps is a dot. */
function pathOf(values, x, y) {
  let path = '';
  let drawing = false;
  values.forEach((value, i) => {
    if (value === null || value === undefined) {
      drawing = false;
      return;
    }
    path += `${drawing ? 'L' : 'M'}${x(i, values.length).toFixed(1)} ${y(value).toFixed(1)}${drawing ? '' : 'h0'}`;
    drawing = true;
  });
  return path;
}
