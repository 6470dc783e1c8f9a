import { byId, h, rows, s, setText } from './dom.js';
import { bytes, preview } from './format.js';

export function startInspector() {
  byId('inspect-form').addEventListener('submit', (event) => {
    event.preventDefault();
    const key = byId('inspect-key').value;
    void inspect(byId('inspect-bucket').value, key, byId('inspect-encoded').checked);
  });
}

/** The question under way: an answer to an earlier one is for nobody any more. */
let asked = new AbortController();

async function inspect(bucket, key, isEncoded) {
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  const said = byId('inspect-said');
  setText(said, 'Asking all owners …');
  try {
    // What is encoded already keeps its percent signs, and nothing else.
    const encoded = isEncoded ? encodeURIComponent(key).replaceAll('%25', '%') : encodeURIComponent(key);
    const query = `bucket=${encodeURIComponent(bucket)}&key=${encoded}`;
    const response = await fetch(`/admin/inspect?${query}`, { signal });
    const answer = await response.json();
    if (!response.ok) throw new Error(answer.detail);
    show(key, answer);
  } catch (error) {
    if (signal.aborted) return;
    setText(said, `That did not work: ${error.message}`);
    byId('inspect-result').replaceChildren();
  }
}

function show(key, { bucket, partition, n, r, preferenceList, result }) {
  const copies = preferenceList.filter(({ answer }) => answer === 'present');
  const owners = copies.filter(({ owner }) => owner).length;
  const standIns = copies.length - owners;
  const { siblings } = result;
  const found =
    siblings.length === 1
      ? 'one value'
      : siblings.length > 1
        ? `${siblings.length} siblings`
        : result.context === undefined
          ? 'never written'
          : 'deleted';
  setText(
    byId('inspect-said'),
    [
      `“${shortened(key)}” in bucket ${bucket}: ${found}; partition ${partition}`,
      `${owners} of ${n} owners have it${standIns === 0 ? '' : `, and ${standIns} that stand in`}`,
      `a get compares ${r}${result.degraded ? '; the answer is degraded' : ''}.`,
    ].join(', '),
  );
  const table = h('table');
  rows(
    table,
    'Preference list: the owners, then those that stand in for them',
    [['Virtual node'], ['Role'], ['State'], ['Copy'], ['Versions (actor : counter)'], ['Values']],
    preferenceList.map(copyRow),
  );
  byId('inspect-result').replaceChildren(
    h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Preference list' }, table),
    ...(siblings.length === 0
      ? []
      : [h('h3', {}, siblings.length === 1 ? 'Value' : 'Siblings'), ...siblings.map(siblingBox)]),
    h('h3', {}, 'Timeline of the get'),
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Timeline' },
      timeline(result.timeline ?? []),
    ),
  );
}

const NAME_CHARACTERS = 100;

function shortened(key) {
  const characters = [...key];
  if (characters.length <= NAME_CHARACTERS) return key;
  return `${characters.slice(0, NAME_CHARACTERS).join('')}… (${characters.length} characters)`;
}

const ANSWERS = { present: 'has it', absent: 'has nothing' };

function copyRow({ vnode, owner, state, answer, versions, suspectedBy }, i) {
  const values = versions.flatMap((version) => version.values);
  const kind = answer === 'present' ? 'good-text' : owner ? 'bad-text' : 'quiet';
  return [
    vnode,
    owner ? (i === 0 ? 'first owner' : 'owner') : 'fallback',
    suspectedBy.length > 0 ? `${state}, suspected` : state,
    [h('span', { class: kind }, ANSWERS[answer] ?? (owner ? 'no answer' : 'not asked, or no answer'))],
    [
      h(
        'span',
        { class: 'mono' },
        versions.map(({ actor, counter }) => `${actor}:${counter}`).join('  ') || '–',
      ),
    ],
    values.length === 0
      ? '–'
      : values.map((value) => (value.deleted ? 'tombstone' : bytes(value.bytes))).join(', '),
  ];
}

function siblingBox({ value, contentType, modifiedAt }) {
  const raw = Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  const head = `${bytes(raw.length)}, ${contentType}, written ${new Date(modifiedAt).toLocaleString()}`;
  return h('div', { class: 'sibling' }, h('span', { class: 'quiet' }, head), h('pre', {}, preview(raw)));
}

const LANE = 24;
const LEFT = 92;
const WIDTH = 720;

/** A lane per virtual node: from the question to the answer, or a mark where memory was read. */
function timeline(events) {
  const lanes = [...new Set(events.map(({ vnode }) => vnode).filter((vnode) => vnode !== undefined))];
  const end = Math.max(1, ...events.map(({ atUs }) => atUs));
  const x = (us) => LEFT + (us / end) * (WIDTH - LEFT - 14);
  const height = (lanes.length + 1) * LANE + 8;
  const words = events.map(({ atUs, event, vnode = '', outcome = '' }) =>
    `${atUs} µs ${event} ${vnode} ${outcome}`.trim(),
  );
  const svg = s('svg', {
    class: 'timeline',
    viewBox: `0 0 ${WIDTH} ${height}`,
    role: 'img',
    'aria-label': words.join('; '),
  });
  lanes.forEach((vnode, lane) => {
    const y = lane * LANE + 14;
    svg.append(s('line', { x1: LEFT, x2: WIDTH - 14, y1: y, y2: y }), s('text', { x: 0, y: y + 4 }, vnode));
    let sent;
    for (const { atUs, event, outcome = '' } of events.filter((one) => one.vnode === vnode)) {
      if (event === 'sent' || event === 'retried') sent = atUs;
      const from = event === 'answered' && sent !== undefined ? sent : atUs;
      const mark = s('rect', {
        x: x(from),
        y: y - 6,
        width: Math.max(5, x(atUs) - x(from)),
        height: 12,
        rx: 3,
      });
      mark.style.fill =
        event === 'timed-out' ? 'var(--bad)' : event === 'sent' ? 'var(--quiet)' : 'var(--accent)';
      mark.append(s('title', {}, `${event} ${outcome} at ${atUs} µs`));
      svg.append(mark);
    }
  });
  const base = lanes.length * LANE + 14;
  svg.append(
    s('text', { class: 'axis', x: LEFT, y: base + 6 }, '0 µs'),
    s('text', { class: 'axis', x: WIDTH - 14, y: base + 6, 'text-anchor': 'end' }, `${end} µs`),
  );
  return svg;
}
