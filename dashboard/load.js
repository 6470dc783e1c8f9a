import { byId, h, nodeColor, s, setText } from './dom.js';
import { count, rate } from './format.js';

/** Load is judged over so many seconds: single seconds jump. */
const WINDOW = 15;
/** Per node and window: with fewer chance alone leaves the band (15 % are one and a half of its deviations then). */
const ENOUGH = 100;
const BAND = 0.15;

const loadOf = (vnode) => vnode.reads + vnode.directReads + vnode.coordinated + vnode.replicated;

/** Load per node against the paper's band: within 15 % of the mean, by capacity (§6.2). */
export class LoadView {
  #history = [];
  #rows = new Map();

  /** Returns the load per second of each virtual node, for others to show. */
  show({ atMs, ring, stats }) {
    const vnodes = new Map(stats.vnodes.map((vnode) => [vnode.id, vnode]));
    const loads = new Map(stats.vnodes.map((vnode) => [vnode.id, loadOf(vnode)]));
    const first = this.#remember(atMs, loads);
    const seconds = Math.max(1, (atMs - first.atMs) / 1000);
    const perSecond = new Map(
      [...vnodes].map(([id, vnode]) => [
        id,
        Math.max(0, loadOf(vnode) - (first.loads.get(id) ?? 0)) / seconds,
      ]),
    );
    const requests = seconds * [...perSecond.values()].reduce((sum, value) => sum + value, 0);
    const byKeys = requests < ENOUGH * ring.nodes.length;
    const valueOf = (id) => (byKeys ? (vnodes.get(id)?.keys ?? 0) : (perSecond.get(id) ?? 0));
    const nodes = ring.nodes.map((node, i) => ({
      id: node.id,
      capacity: node.capacity,
      color: nodeColor(i),
      value: node.vnodes.reduce((sum, { id }) => sum + valueOf(id), 0),
    }));
    this.#draw(nodes, byKeys);
    return perSecond;
  }

  /** The loads at the beginning of the window. */
  #remember(atMs, loads) {
    const last = this.#history.at(-1);
    // Counters begin anew with the store, and its clock may be set back.
    const isAnew =
      last !== undefined &&
      (last.atMs > atMs || [...loads].some(([id, load]) => load < (last.loads.get(id) ?? 0)));
    const kept = isAnew ? [] : this.#history;
    // Half a second for the timer of the store.
    this.#history = [...kept, { atMs, loads }].filter((one) => atMs - one.atMs < (WINDOW + 0.5) * 1000);
    return this.#history[0];
  }

  #draw(nodes, byKeys) {
    const capacity = nodes.reduce((sum, node) => sum + node.capacity, 0);
    const mean = nodes.reduce((sum, node) => sum + node.value, 0) / Math.max(1, capacity);
    const inBand = nodes.filter(
      (node) => mean === 0 || Math.abs(node.value / node.capacity / mean - 1) <= BAND,
    ).length;
    const what = byKeys ? 'keys in memory (there are few requests)' : `requests per second over ${WINDOW} s`;
    setText(
      byId('load-text'),
      mean === 0
        ? 'No requests and no keys yet.'
        : `By ${what}: ${inBand} of ${nodes.length} nodes are within ±15 % of the mean per capacity.`,
    );
    if (nodes.map(({ id }) => id).join() !== [...this.#rows.keys()].join()) this.#make(nodes);
    for (const node of nodes) {
      const { bar, value } = this.#rows.get(node.id);
      const share = mean === 0 ? 0 : node.value / node.capacity / mean;
      // The mean is in the middle of the row.
      bar.setAttribute('width', Math.min(100, share * 50));
      const off = (share - 1) * 100;
      setText(
        value,
        `${byKeys ? count(node.value) : `${rate(node.value)}/s`}  ${mean === 0 ? '' : `${off >= 0 ? '+' : '−'}${Math.abs(off).toFixed(1)} %`}`,
      );
      value.className = `value ${mean === 0 || Math.abs(off) <= 15 ? '' : 'warn-text'}`;
    }
  }

  #make(nodes) {
    this.#rows = new Map();
    const elements = nodes.map(({ id, capacity, color }) => {
      const bar = s('rect', { x: 0, y: 5, width: 0, height: 12, rx: 2 });
      bar.style.fill = color;
      const band = s('rect', { x: 50 * (1 - BAND), y: 0, width: 100 * BAND, height: 22 });
      band.style.fill = 'var(--band)';
      const middle = s('line', { x1: 50, x2: 50, y1: 0, y2: 22, 'stroke-width': 0.3 });
      middle.style.stroke = 'var(--quiet)';
      const value = h('span', { class: 'value' });
      this.#rows.set(id, { bar, value });
      return h(
        'div',
        { class: 'load-row' },
        h('span', {}, capacity === 1 ? id : `${id} ×${capacity}`),
        s(
          'svg',
          { viewBox: '0 0 100 22', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
          band,
          bar,
          middle,
        ),
        value,
      );
    });
    byId('load-rows').replaceChildren(...elements);
  }
}
