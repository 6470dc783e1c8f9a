import { byId, h, nodeColor, rows, setText } from './dom.js';
import { age, bytes, count, micros, rate } from './format.js';

function facts(list, entries) {
  while (list.children.length > entries.length) list.lastElementChild.remove();
  entries.forEach(([name, value, kind = ''], i) => {
    const item = list.children[i] ?? list.appendChild(h('div', {}, h('dt'), h('dd')));
    setText(item.firstElementChild, name);
    setText(item.lastElementChild, value);
    item.lastElementChild.className = kind;
  });
}

const sum = (vnodes, of) => vnodes.reduce((total, vnode) => total + of(vnode), 0);

export function showTiles({ stats, pace }) {
  const { atRisk, vnodes } = stats;
  const errors = Object.values(pace).reduce((total, one) => total + one.errorsPerSecond, 0);
  const writes = pace.put.perSecond + pace.delete.perSecond + pace.increment.perSecond;
  const hints = sum(vnodes, ({ hints: { waiting } }) => waiting);
  facts(byId('tiles'), [
    ['Gets per second', rate(pace.get.perSecond)],
    ['Writes per second', rate(writes)],
    ['p99 of gets', micros(pace.get.p99Us)],
    ['p99 of puts', micros(pace.put.p99Us)],
    ['Errors per second', rate(errors), errors > 0 ? 'bad-text' : ''],
    ['Writes at risk', count(atRisk.processCrash.records), ''],
    ['Hints waiting', count(hints), hints > 0 ? 'warn-text' : ''],
  ]);
}

export function showRepair({ stats, ring }) {
  const { atRisk, vnodes } = stats;
  const inSync = vnodes.map(({ inSyncMs }) => inSyncMs);
  const views = new Set(vnodes.map(({ membership }) => membership)).size;
  const oldest = Math.max(0, ...vnodes.map(({ hints }) => hints.oldestMs));
  const hinted = [...new Set(vnodes.flatMap(({ hints }) => hints.owners))];
  const failures = sum(vnodes, ({ journalFailures }) => journalFailures);
  const { change } = ring;
  facts(byId('repair'), [
    [
      'Lost by a killed process now',
      `${count(atRisk.processCrash.records)} writes, ${bytes(atRisk.processCrash.bytes)}`,
    ],
    ['Lost by a power cut now', `${count(atRisk.powerCut.records)} writes, ${bytes(atRisk.powerCut.bytes)}`],
    ['Oldest unwritten', age(atRisk.processCrash.oldestMs)],
    [
      'Not in the engine yet',
      count(sum(vnodes, (vnode) => Math.max(0, vnode.appendedRecords - vnode.engineRecords))),
    ],
    [
      'Hints for',
      hinted.length === 0 ? 'nobody' : `${hinted.join(', ')}, oldest ${age(oldest)}`,
      hinted.length > 0 ? 'warn-text' : '',
    ],
    ['Hints handed over', count(sum(vnodes, ({ hints }) => hints.delivered))],
    ['Repaired by reads', count(sum(vnodes, ({ readRepairs }) => readRepairs))],
    ['Repaired by trees', `${count(sum(vnodes, ({ repairKeysSent }) => repairKeysSent))} records`],
    [
      'Tree exchanges',
      `${count(sum(vnodes, ({ exchanges }) => exchanges))}, ${count(sum(vnodes, ({ exchangesFailed }) => exchangesFailed))} failed`,
    ],
    ['All replicas equal', inSync.includes(null) ? 'not found yet' : `${age(Math.max(0, ...inSync))} ago`],
    ['Membership', views === 1 ? 'all agree' : `${views} views`, views === 1 ? '' : 'warn-text'],
    [
      'Ring change',
      change === undefined ? 'none' : `${change.phase}, ${change.handed} of ${change.partitions} handed over`,
      change === undefined ? '' : 'warn-text',
    ],
    ['Journal failures', count(failures), failures > 0 ? 'bad-text' : ''],
    ['Calling threads', `${stats.callers} of ${stats.maxCallers}`],
  ]);
}

export function showVnodes({ ring, stats }, perSecond) {
  const known = new Map(stats.vnodes.map((vnode) => [vnode.id, vnode]));
  const number = (text) => [text, 'number'];
  const body = ring.nodes.flatMap((node, i) =>
    node.vnodes.map(({ id, state, incarnation, suspectedBy }) => {
      const vnode = known.get(id);
      const serves = state === 'serving';
      return [
        [h('span', { class: 'dot', background: nodeColor(i) }), ` ${id}`],
        [h('span', { class: serves ? 'good-text' : 'bad-text' }, `${serves ? '●' : '○'} ${state}`)],
        count(incarnation),
        rate(perSecond.get(id) ?? 0),
        count(vnode?.keys ?? 0),
        vnode === undefined ? '–' : `${((100 * vnode.bufferBytes) / vnode.bufferCapacityBytes).toFixed(0)} %`,
        bytes(vnode?.inboxBytes ?? 0),
        age(vnode?.oldestUnwrittenMs ?? 0),
        count(vnode?.hints.waiting ?? 0),
        age(vnode?.longestTurnMs ?? 0),
        suspectedBy.length === 0 ? '–' : suspectedBy.join(', '),
      ];
    }),
  );
  for (const row of body) row[0].forEach((part) => part.classList?.add('inline'));
  rows(
    byId('vnodes'),
    undefined,
    [
      ['Virtual node'],
      ['State'],
      number('Thread'),
      number('Load /s'),
      number('Keys'),
      number('Buffer'),
      number('Inbox'),
      number('Flush lag'),
      number('Hints'),
      number('Longest turn'),
      ['Suspected by'],
    ],
    body,
  );
}

let shownBuckets = '';

export function showBuckets({ buckets }) {
  const text = JSON.stringify(buckets);
  if (text === shownBuckets) return;
  shownBuckets = text;
  byId('bucket-names').replaceChildren(...buckets.map(({ name }) => h('option', { value: name })));
  rows(
    byId('bucket-table'),
    buckets.length === 0 ? 'No bucket has been written to yet.' : undefined,
    [
      ['Name'],
      ['N', 'number'],
      ['R', 'number'],
      ['W', 'number'],
      ['Durability'],
      ['Conflicts'],
      ['Quorum'],
      ['Time to live'],
      ['Cache'],
    ],
    buckets.map(({ name, n, r, w, durability, conflict, strict, ttlMs = 0, cache, maxBytes }) => [
      name,
      String(n),
      String(r),
      String(w),
      durability,
      conflict,
      strict ? 'strict' : 'sloppy',
      ttlMs === 0 ? '–' : age(ttlMs),
      cache ? (maxBytes === undefined ? 'yes' : `at most ${bytes(maxBytes)}`) : '–',
    ]),
  );
}
