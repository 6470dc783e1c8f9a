import { drawFigure, NARROW, WIDE } from '../figures/draw.js';
import type { Cell, Figure, FigureTable } from '../figures/figure.js';
import { escapeText as escape, textWithCode } from '../figures/text.js';
import type { HeatReport } from '../cases/case.js';
import type { Experiment } from '../suite/experiment.js';
import { duration } from '../suite/progress.js';
import { DEFAULT_SLA, slaOption, slaText } from '../suite/sla.js';
import { PAGE_STYLE } from './page-style.js';
import type { ExperimentResult, Results, Row, SummaryLine } from './schema.js';
import { figure as number, FEW_SAMPLES, NOT_WARM, noteText, rowCells, ROW_TITLES } from './table.js';

interface Section {
  readonly experiment: Experiment;
  readonly result: ExperimentResult;
}

/** The whole report in one file: no script, no font, no request. */
export function reportHtml(results: Results, experiments: readonly Experiment[]): string {
  const sections = experiments.flatMap((experiment): Section[] => {
    const result = results.experiments[experiment.name];
    return result === undefined ? [] : [{ experiment, result }];
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Ringlet: evaluation of ${escape(results.startedAt.slice(0, 10))}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<a class="skip" href="#contents">To the results</a>
${header(results)}
<main id="contents">
${contents(sections)}
${requirements(sections, results)}
${sections.map((section) => sectionHtml(section, results)).join('\n')}
${method()}
</main>
</body>
</html>
`;
}

/** Load before a run over processors, above which its figures are not those of the machine. */
const BUSY_SHARE = 0.5;

function header(results: Results): string {
  const { machine, options, commit, seed, startedAt, seconds } = results;
  const facts: readonly (readonly [string, string])[] = [
    ['Machine', `${machine.cpus} × ${machine.model}, ${(machine.memoryBytes / 2 ** 30).toFixed(1)} GiB`],
    ['System', `${machine.kernel}, Node ${machine.node}`],
    ['Disk', `${machine.filesystem}; a write and fdatasync of 4 KiB takes ${number(machine.fsyncUs)} µs`],
    ['Load before', `${machine.loadAverage.toFixed(2)} (one minute)`],
    ['Commit', commit ?? 'none'],
    ['Options', `${options.mode}, engine ${options.engine}, seed ${seed}, SLA ${slaText(options.sla)}`],
    ['Run', `${startedAt.replace('T', ' ').slice(0, 19)} UTC, ${duration(seconds)}`],
  ];
  const list = facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${escape(value)}</dd></div>`).join('');
  const partial = results.complete
    ? ''
    : '<p class="warning">This run was interrupted: what it measured until then is here, the rest is missing.</p>';
  const quick =
    options.mode === 'quick'
      ? '<p class="warning">A quick run: short windows, one round. It shows directions, not figures to quote.</p>'
      : '';
  const busy =
    machine.loadAverage > BUSY_SHARE * machine.cpus
      ? `<p class="warning">Other programs used this machine when the run began (load ${machine.loadAverage.toFixed(2)} on ${machine.cpus} processors). Rates are too low and tails too long; only ratios within this run say something.</p>`
      : '';
  return `<header><p class="kicker">Ringlet · evaluation</p>
<h1>A Dynamo-style store, measured on this machine</h1>
<p class="lede">Each section asks one question of the paper “Dynamo: Amazon’s Highly Available Key-value Store” (SOSP 2007), or one of our own, answers it with what this machine gave, and says what follows for setting up a store. The store runs inside one process; its replicas are threads. So times are microseconds where the paper has milliseconds: compare shapes and ratios, not heights.</p>
${partial}${quick}${busy}<dl class="facts">${list}</dl></header>`;
}

function contents(sections: readonly Section[]): string {
  const items = sections.map(
    ({ experiment: { name, title, question } }) =>
      `<li><a href="#${name}">${escape(title)}</a><span>${escape(question)}</span></li>`,
  );
  return `<nav aria-label="Contents"><ul class="contents">${items.join('')}</ul></nav>`;
}

function requirements(sections: readonly Section[], results: Results): string {
  const lines = sections.flatMap(({ experiment, result }) =>
    result.summary.map((line) => ({ experiment: experiment.title, line })),
  );
  if (lines.length === 0) return '';
  const hint =
    results.options.mode === 'full'
      ? ''
      : '<p class="dim">They are meant for a full run. Short windows have few samples, above all of a p99.9, and may miss or meet a goal by chance.</p>';
  const rows = lines.map(
    ({ experiment, line }) =>
      `<tr class="${verdictClass(line)}"><td>${escape(line.line)}</td><td>${verdict(line)}</td><td class="n">${line.better === 'higher' ? '≥' : '≤'} ${number(line.required)}</td><td class="n">${number(line.measured)}</td><td>${escape(line.unit)}</td><td class="dim">${escape(experiment)}</td></tr>`,
  );
  return `<section id="goals"><h2>Goals of the project, judged on this run</h2>
${hint}<div class="scroll" tabindex="0" role="region" aria-label="Goals"><table><thead><tr><th>Goal</th><th>met</th><th class="n">required</th><th class="n">measured</th><th></th><th>from</th></tr></thead><tbody>${rows.join('')}</tbody></table></div></section>`;
}

function verdict({ met, doubts = [] }: SummaryLine): string {
  const doubt = doubts.length === 0 ? '' : `<br><small>${escape(doubts.join(', '))}</small>`;
  return met === null ? 'not measured' : `${met ? '✓ met' : '✗ missed'}${doubt}`;
}

function verdictClass({ met }: SummaryLine): string {
  return met === null ? 'open' : met ? 'met' : 'missed';
}

function sectionHtml({ experiment, result }: Section, results: Results): string {
  const { name, title, question, explanation } = experiment;
  const findings = experiment.findings(result);
  const figures = experiment.figures(result);
  const part = (heading: string, text: string | null): string =>
    text === null ? '' : `<div><h3>${heading}</h3><p>${textWithCode(text)}</p></div>`;
  return `<section id="${name}" class="experiment">
<h2>${escape(title)}</h2>
<p class="question">${escape(question)}</p>
${findings.length === 0 ? '' : `<ul class="findings">${findings.map((text) => `<li>${escape(text)}</li>`).join('')}</ul>`}
${fewSamples(result)}
${notWarm(result)}
${figures.map((figure) => figureHtml(figure, name, results)).join('\n')}
<div class="explanation">
${part('What it shows', explanation.shows)}
${part('How it was measured', explanation.measured)}
${part('What the paper had', explanation.paper)}
${part('What follows', explanation.follows)}
</div>
${notes(result)}
${allRows(result)}
</section>`;
}

function figureHtml(figure: Figure, experiment: string, results: Results): string {
  return `<figure id="figure-${figure.id}" class="chart">
<figcaption>${escape(figure.title)}</figcaption>
<div class="wide">${drawFigure(figure, WIDE)}</div>
<div class="narrow">${drawFigure(figure, NARROW, '-narrow')}</div>
<details><summary>The figures as a table, and how to make them again</summary>
${tableHtml(figure.table, figure.title)}
<p class="again"><code>${escape(reproduction(experiment, results))}</code></p></details>
</figure>`;
}

/** The command whose results these are, for one experiment. */
export function reproduction(experiment: string, { options, seed }: Results): string {
  const mode = options.mode === 'default' ? '' : ` --${options.mode}`;
  const sla = slaOption(options.sla) === DEFAULT_SLA ? '' : ` --sla ${slaOption(options.sla)}`;
  return `npm run bench --${mode} --only ${experiment} --engine ${options.engine} --seed ${seed}${sla}`;
}

function tableHtml({ columns, rows }: FigureTable, label: string): string {
  const cell = (value: Cell): string => {
    if (typeof value === 'number') return `<td class="n">${number(value)}</td>`;
    if (typeof value === 'string') return `<td>${escape(value)}</td>`;
    return value === null ? '<td></td>' : `<td class="n">${number(value.hint)}*</td>`;
  };
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('');
  const head = columns.map((column, index) => {
    const numeric = rows.some((row) => row[index] !== null && typeof row[index] !== 'string');
    return `<th${numeric ? ' class="n"' : ''}>${escape(column)}</th>`;
  });
  return `<div class="scroll" tabindex="0" role="region" aria-label="${escape(label)}"><table><thead><tr>${head.join('')}</tr></thead><tbody>${body}</tbody></table></div>`;
}

/** Where the findings are read, and not only in the tables. */
function fewSamples({ rows }: ExperimentResult): string {
  const tails = rows.filter((row) => row.p999Us !== null);
  const few = tails.filter((row) => row['p999FewSamples'] === true);
  if (few.length === 0) return '';
  const which =
    few.length === tails.length ? 'All p99.9 here rest' : `${few.length} of ${tails.length} p99.9 here rest`;
  const fewest = Math.min(...few.map((row) => row.samples ?? 0));
  return `<p class="dim">${which} on fewer than 100,000 samples (the fewest: ${number(fewest)}), and are marked by a star in the tables: directions, no figures to quote. <code>--full</code> has more.</p>`;
}

function notWarm({ rows }: ExperimentResult): string {
  const [cold, measured] = [rows.filter((row) => row['stillRising'] === true), rows.filter(wasHeated)];
  if (cold.length === 0) return '';
  const which =
    cold.length === measured.length
      ? 'All rows here are'
      : `${cold.length} of ${measured.length} rows here are`;
  return `<p class="dim">${which} of processes whose rate still rose when their heating was over, after ${number(longestHeating(cold))} s: code that is not compiled yet is slower, so they may be too low. <code>--full</code> heats for longer.</p>`;
}

function wasHeated(row: Row): boolean {
  return heatingOf(row).length > 0;
}

function longestHeating(rows: readonly Row[]): number {
  return Math.max(...rows.flatMap((row) => heatingOf(row).map(({ seconds }) => seconds)));
}

function heatingOf(row: Row): readonly HeatReport[] {
  return ((row['heating'] ?? []) as readonly (HeatReport | null)[]).filter((report) => report !== null);
}

function notes({ notes }: ExperimentResult): string {
  if (notes.length === 0) return '';
  return `<ul class="notes">${notes.map((note) => `<li>${escape(noteText(note))}</li>`).join('')}</ul>`;
}

function allRows({ rows, seconds, parameters }: ExperimentResult): string {
  if (rows.length === 0) return '';
  const table: FigureTable = { columns: ROW_TITLES, rows: rows.map(rowCells) };
  const few = rows.some((row) => row['p999FewSamples'] === true) ? `<p class="dim">${FEW_SAMPLES}</p>` : '';
  const cold = rows.some((row) => row['stillRising'] === true) ? `<p class="dim">${NOT_WARM}</p>` : '';
  return `<details class="rows"><summary>All ${rows.length} rows, ${duration(seconds)} of measuring</summary>${tableHtml(table, 'All rows')}${few}${cold}<p class="dim">Parameters: <code>${escape(JSON.stringify(parameters))}</code></p></details>`;
}

function method(): string {
  return `<section id="method"><h2>How to read this</h2><div class="explanation">
<div><h3>Open loop</h3><p>Requests are due at times that were drawn beforehand (Poisson unless stated), and a latency runs from the time a request was due to its answer. So a store that stalls pays for all requests that had to wait, as users would.</p></div>
<div><h3>Closed loop</h3><p>A fixed number of requests is in flight; a new one starts when one ends. That finds the highest rate, and says little about waiting.</p></div>
<div><h3>p99.9</h3><p>The time that 999 of 1,000 requests stayed below. Histograms (HDR, three digits) of rounds and threads are added, and percentiles read from the sum; they are never averaged. A star marks a p99.9 from fewer than 100,000 samples: it rests on fewer than 100 values.</p></div>
<div><h3>N, R, W</h3><p>N replicas are kept of each key; a get waits for R of them, a put for W. R + W &gt; N makes a get meet the last acknowledged put.</p></div>
<div><h3>Rounds</h3><p>Systems take turns, every second round in reverse order, each in a fresh process. Rates are the median of the rounds; the spread is their range over the median. Warm-up is left out. Before, each process is under load until its rate stops rising; a row is marked where the time for that was over first.</p></div>
<div><h3>The generator</h3><p>Its own lateness is part of the latencies and is in results.json; a row is marked where its event loop was busy more than 0.9 of the time. Pauses of garbage collection and context switches of the process are there too.</p></div>
</div></section>`;
}
