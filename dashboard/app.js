import { LineChart } from './charts.js';
import { byId, setText } from './dom.js';
import { showFaults, startFaults } from './faults.js';
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

function showHealth({ ring: { nodes } }) {
  const vnodes = nodes.flatMap((node) => node.vnodes);
  const down = vnodes.filter(({ state }) => state !== 'serving');
  const pill = byId('health');
  pill.className = `pill ${down.length === 0 ? 'good' : 'bad'}`;
  setText(
    pill,
    down.length === 0
      ? `all ${vnodes.length} virtual nodes serve`
      : `${down.map(({ id, state }) => `${id} ${state}`).join(', ')}`,
  );
}

function show(moment) {
  const { pace, stats } = moment;
  showHealth(moment);
  setText(byId('uptime'), `up ${age(stats.uptimeMs)}`);
  showTiles(moment);
  ring.show(moment);
  charts.rate.add([
    pace.get.perSecond,
    pace.put.perSecond + pace.delete.perSecond + pace.increment.perSecond,
  ]);
  charts.get.add([pace.get.p50Us, pace.get.p99Us, pace.get.p999Us]);
  charts.put.add([pace.put.p50Us, pace.put.p99Us, pace.put.p999Us]);
  const perSecond = load.show(moment);
  showRepair(moment);
  showVnodes(moment, perSecond);
  showFaults(moment);
  showBuckets(moment);
}

function listen() {
  const events = new EventSource('/admin/events');
  events.addEventListener('owners', ({ data }) => ring.owners(JSON.parse(data)));
  events.addEventListener('moment', ({ data }) => show(JSON.parse(data)));
  events.addEventListener('error', () => {
    const pill = byId('health');
    pill.className = 'pill bad';
    setText(pill, 'no connection to the store');
    // Some answers end it for good, such as one that a proxy gave meanwhile.
    if (events.readyState === EventSource.CLOSED) setTimeout(listen, 2_000);
  });
}

function startTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    document.documentElement.dataset.theme =
      localStorage.getItem('theme') ?? (dark.matches ? 'dark' : 'light');
  };
  dark.addEventListener('change', apply);
  byId('theme').addEventListener('click', () => {
    localStorage.setItem('theme', document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark');
    apply();
  });
  apply();
}

startTheme();
startInspector();
startFaults();
listen();
