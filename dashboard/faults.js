import { byId, h, setText } from './dom.js';

/** Injecting faults, where the store allows them. */
export function startFaults() {
  byId('fault-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const { at, what, for: time } = event.target.elements;
    void ask(
      'POST',
      `Done: ${what.value} at ${at.value}.`,
      faultOf(at.value, what.value, Number(time.value)),
    );
  });
  byId('fault-clear').addEventListener('click', () => void ask('DELETE', 'Everything is healed.'));
}

function faultOf(at, what, forMs) {
  if (what === 'crash') return { kind: 'crash', at };
  if (what === 'delete' || what === 'corrupt') return { kind: what, at };
  if (what === 'full' || what === 'failSync') return { kind: 'disk', at, forMs, [what]: true };
  if (what === 'slow') return { kind: 'disk', at, forMs, slowMs: 50 };
  if (what === 'stop' || what === 'hang') return { kind: what, at, forMs };
  const effect = what === 'cut' ? { cut: true } : { delayMs: 20 };
  return { kind: 'link', from: at, to: 'all', forMs, ...effect };
}

async function ask(method, done, fault) {
  const said = byId('fault-said');
  try {
    const response = await fetch('/admin/faults', {
      method,
      ...(fault === undefined
        ? {}
        : { body: JSON.stringify(fault), headers: { 'Content-Type': 'application/json' } }),
    });
    if (!response.ok) throw new Error((await response.json()).detail);
    setText(said, done);
  } catch (error) {
    setText(said, `Refused: ${error.message}`);
  }
}

/** A virtual node that is cut off has two for each of the others. */
const MOST_LINKS = 12;

let shown = '';

export function showFaults({ ring, stats }) {
  byId('faults').hidden = !stats.faults.allowed;
  if (!stats.faults.allowed) return;
  const places = ring.nodes.flatMap(({ id, vnodes }) => [id, ...vnodes.map((vnode) => vnode.id)]);
  const text = JSON.stringify([places, stats.faults.links, stats.faults.disks]);
  if (text === shown) return;
  shown = text;
  const select = byId('fault-at');
  const chosen = select.value;
  select.replaceChildren(...places.map((place) => h('option', { value: place }, place)));
  if (places.includes(chosen)) select.value = chosen;
  const { links } = stats.faults;
  byId('fault-links').replaceChildren(
    ...links
      .slice(0, MOST_LINKS)
      .map(({ from, to, cut, delayMs }) =>
        h('li', {}, `${from} → ${to}: ${cut ? 'cut' : `delay ${delayMs} ms`}`),
      ),
    ...(links.length > MOST_LINKS ? [h('li', {}, `and ${links.length - MOST_LINKS} links more`)] : []),
    ...stats.faults.disks.map(({ at, slowMs, full, failSync }) =>
      h(
        'li',
        {},
        `disk of ${at}: ${[slowMs > 0 && `${slowMs} ms slower`, full && 'full', failSync && 'syncs fail'].filter(Boolean).join(', ')}`,
      ),
    ),
  );
}
