import { byId, h, nodeColor, s, setText } from './dom.js';

const CENTER = 200;
const OUTER = 186;
const INNER = 148;

function at(radius, turn) {
  const angle = turn * 2 * Math.PI - Math.PI / 2;
  return [CENTER + radius * Math.cos(angle), CENTER + radius * Math.sin(angle)]
    .map((value) => value.toFixed(2))
    .join(' ');
}

function arc(from, to, inner, outer) {
  const large = to - from > 0.5 ? 1 : 0;
  const end = to - from >= 1 ? from + 0.9999 : to;
  return `M${at(outer, from)}A${outer} ${outer} 0 ${large} 1 ${at(outer, end)}L${at(inner, end)}A${inner} ${inner} 0 ${large} 0 ${at(inner, from)}Z`;
}

/** The ring: each arc a partition in the colour of its first owner's node; inside, the virtual nodes. */
export class RingView {
  #svg = byId('ring-svg');
  #lists = [];
  #owners = new Map();
  #chips = new Map();
  #dots = new Map();
  #shape = '';
  #moment;

  /** Preference lists, whenever they change. */
  owners({ preferenceLists }) {
    this.#lists = preferenceLists;
    this.#shape = '';
    if (this.#moment !== undefined) this.show(this.#moment);
  }

  show(moment) {
    this.#moment = moment;
    const { nodes, partitions } = moment.ring;
    const shape = JSON.stringify(nodes.map(({ id, vnodes }) => [id, vnodes.map((vnode) => vnode.id)]));
    if (this.#lists.length > 0 && shape !== this.#shape) {
      this.#shape = shape;
      this.#draw(nodes, partitions);
    }
    let serving = 0;
    let all = 0;
    for (const node of nodes) {
      const down = node.vnodes.filter(({ state }) => state !== 'serving');
      all += node.vnodes.length;
      serving += node.vnodes.length - down.length;
      const chip = this.#chips.get(node.id);
      chip?.classList.toggle('down', down.length > 0);
      const state = down.length === 0 ? '' : ` ${[...new Set(down.map(({ state: one }) => one))].join(', ')}`;
      if (chip !== undefined) setText(chip.lastElementChild, `${node.id}${state}`);
      for (const vnode of node.vnodes) {
        const dot = this.#dots.get(vnode.id);
        if (dot === undefined) continue;
        const fill = vnode.state === 'serving' ? this.#owners.get(vnode.id).color : 'var(--card)';
        dot.style.fill = fill;
        dot.style.stroke = vnode.state === 'serving' ? this.#owners.get(vnode.id).color : 'var(--bad)';
        dot.setAttribute('stroke-dasharray', vnode.suspectedBy.length > 0 ? '3 2' : '');
      }
    }
    const text = this.#svg.querySelector('.big');
    if (text !== null) setText(text, `${serving}/${all}`);
  }

  #draw(nodes, partitions) {
    this.#owners = new Map(
      nodes.flatMap((node, i) => node.vnodes.map(({ id }) => [id, { node: node.id, color: nodeColor(i) }])),
    );
    const gap = partitions <= 256 ? 0.0008 : 0;
    const arcs = this.#lists.map((list, p) => {
      const path = s('path', {
        class: 'arc',
        d: arc(p / partitions + gap, (p + 1) / partitions - gap, INNER, OUTER),
      });
      path.style.fill = this.#owners.get(list[0])?.color ?? 'var(--line)';
      path.append(s('title', {}, `partition ${p}: ${list.join(', ')}`));
      path.addEventListener('pointerenter', () =>
        setText(byId('ring-detail'), `Partition ${p}: owners in order of preference ${list.join(', ')}`),
      );
      return path;
    });
    const vnodes = [...this.#owners.keys()];
    this.#dots = new Map();
    const dots = vnodes.map((id, i) => {
      const [cx, cy] = at(112, i / vnodes.length).split(' ');
      const dot = s('circle', { cx, cy, r: vnodes.length > 24 ? 6 : 11, 'stroke-width': 3 });
      this.#dots.set(id, dot);
      const [x, y] = at(vnodes.length > 24 ? 96 : 79, i / vnodes.length).split(' ');
      return s(
        'g',
        {},
        s('title', {}, id),
        dot,
        s('text', { class: 'small', x, y }, vnodes.length > 24 ? '' : id),
      );
    });
    this.#svg.replaceChildren(
      ...arcs,
      ...dots,
      s('text', { class: 'big', x: CENTER, y: CENTER - 8 }),
      s('text', { class: 'small', x: CENTER, y: CENTER + 14 }, 'serve'),
    );
    setText(
      byId('ring-text'),
      `${partitions} partitions of the key space on ${nodes.length} nodes; an arc has the colour of its first owner.`,
    );
    this.#drawChips(nodes, arcs);
  }

  #drawChips(nodes, arcs) {
    this.#chips = new Map();
    const items = nodes.map((node, i) => {
      const chip = h(
        'button',
        { type: 'button', class: 'chip' },
        h('span', { class: 'dot', background: nodeColor(i) }),
        h('span', {}, node.id),
      );
      this.#chips.set(node.id, chip);
      const choose = () => this.#choose(node, arcs);
      const leave = () => this.#svg.classList.remove('choosing');
      chip.addEventListener('focus', choose);
      chip.addEventListener('pointerenter', choose);
      chip.addEventListener('click', choose);
      chip.addEventListener('blur', leave);
      chip.addEventListener('pointerleave', leave);
      return h('li', {}, chip);
    });
    byId('ring-nodes').replaceChildren(...items);
  }

  #choose(node, arcs) {
    const own = new Set(node.vnodes.map(({ id }) => id));
    const replicas =
      this.#moment.buckets.find(({ name }) => name === 'default')?.n ??
      Math.min(3, this.#moment.ring.nodes.length);
    let first = 0;
    let copies = 0;
    arcs.forEach((path, p) => {
      const place = this.#lists[p].findIndex((id) => own.has(id));
      path.classList.toggle('chosen', place === 0);
      path.classList.toggle('copy', place > 0 && place < replicas);
      if (place === 0) first++;
      else if (place > 0 && place < replicas) copies++;
    });
    this.#svg.classList.add('choosing');
    const keys = this.#moment.stats.vnodes
      .filter(({ id }) => own.has(id))
      .reduce((sum, vnode) => sum + vnode.keys, 0);
    setText(
      byId('ring-detail'),
      `${node.id}, capacity ${node.capacity}: first owner of ${first} partitions, further copies of ${copies}; ${keys} keys in memory.`,
    );
  }
}
