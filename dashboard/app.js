import { LineChart } from './charts.js';
import { byId, setText } from './dom.js';
import { showFaults, startFaults } from './faults.js';
import { startFeed } from './feed.js';
import { age, micros, rate } from './format.js';
import { startInspector } from './inspector.js';
import { LoadView } from './load.js';
import { RingView } from './ring.js';
import { showBuckets, showRepair, showTiles, showVnodes } from './tables.js';

const ring = new RingView();
const load = new LoadView();
const percentiles = [
  { name: 'p50', color: 'var(--n1)' },
  { name: 'p99', color: 'var(--n2)' },
  { name: 'p99.9', color: 'var(--n4)' },
];
const charts = {
  rate: new LineChart(
    byId('chart-rate'),
    'Requests per second',
    [
      { name: 'gets', color: 'var(--n0)' },
      { name: 'writes', color: 'var(--n2)' },
    ],
    rate,
  ),
  get: new LineChart(byId('chart-get'), 'Gets', percentiles, micros, { log: true }),
  put: new LineChart(byId('chart-put'), 'Puts', percentiles, micros, { log: true }),
};

/** Virtual nodes that are named at the top of the page; there may be hundreds. */
const NAMED = 4;

function showHealth({ ring: { nodes } }) {
  const vnodes = nodes.flatMap((node) => node.vnodes);
  // Who is cut off suspects everybody else: what one alone thinks says nothing about them.
  const isSuspect = ({ suspectedBy }) => suspectedBy.length > (vnodes.length - 1) / 2;
  const trouble = vnodes.flatMap((vnode) => {
    if (vnode.state !== 'serving') return [`${vnode.id} ${vnode.state}`];
    return isSuspect(vnode) ? [`${vnode.id} suspected`] : [];
  });
  const more = trouble.length > NAMED ? ` and ${trouble.length - NAMED} more` : '';
  const pill = byId('health');
  pill.className = `pill ${trouble.length === 0 ? 'good' : 'bad'}`;
  setText(
    pill,
    trouble.length === 0
      ? `all ${vnodes.length} virtual nodes serve`
      : `${trouble.slice(0, NAMED).join(', ')}${more}`,
  );
}

let lastMs = 0;

function show(moment) {
  const { pace, stats, atMs } = moment;
  const missed = lastMs === 0 ? 0 : Math.max(0, Math.round((atMs - lastMs) / 1000) - 1);
  lastMs = atMs;
  document.body.classList.remove('old');
  showHealth(moment);
  setText(byId('uptime'), `up ${age(stats.uptimeMs)}`);
  showTiles(moment);
  ring.show(moment);
  const writes = pace.put.perSecond + pace.delete.perSecond + pace.increment.perSecond;
  charts.rate.add([pace.get.perSecond, writes], missed);
  charts.get.add([pace.get.p50Us, pace.get.p99Us, pace.get.p999Us], missed);
  charts.put.add([pace.put.p50Us, pace.put.p99Us, pace.put.p999Us], missed);
  const perSecond = load.show(moment);
  showRepair(moment);
  showVnodes(moment, perSecond);
  showFaults(moment);
  showBuckets(moment);
}

function showLost(isRefused) {
  document.body.classList.add('old');
  const pill = byId('health');
  pill.className = 'pill bad';
  setText(pill, isRefused ? 'the store is starting, or has too many pages' : 'no connection to the store');
}

/** A browser that keeps nothing for pages throws. */
function stored(access) {
  try {
    return access();
  } catch {
    return null;
  }
}

function startTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  let chosen = stored(() => localStorage.getItem('theme'));
  const apply = () => {
    document.documentElement.dataset.theme = chosen ?? (dark.matches ? 'dark' : 'light');
  };
  dark.addEventListener('change', apply);
  byId('theme').addEventListener('click', () => {
    chosen = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    stored(() => localStorage.setItem('theme', chosen));
    apply();
  });
  apply();
}

startTheme();
startInspector();
startFaults();
startFeed({ owners: (lists) => ring.owners(lists), moment: show, lost: showLost });
