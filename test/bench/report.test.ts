import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium, type Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkResults } from '../../bench/report/check-results.js';
import { SCHEMA_VERSION, type Results } from '../../bench/report/schema.js';
import { writeReport } from '../../bench/report/write-report.js';
import type { SuiteOptions } from '../../bench/suite/experiment.js';
import { loadExperiments } from '../../bench/suite/registry.js';
import { parseSla } from '../../bench/suite/sla.js';
import { fakeContext } from './fake-context.js';

const directory = await mkdtemp(join(tmpdir(), 'ringlet-report-'));
afterAll(() => rm(directory, { recursive: true }));

const OPTIONS: SuiteOptions = {
  mode: 'default',
  only: [],
  seed: 1,
  engine: 'lmdb',
  budgetSeconds: 890,
  outDirectory: directory,
  sla: parseSla('p99.9=2ms'),
};

const experiments = await loadExperiments();
const results = await measured();
await writeReport(directory, results, experiments);

/** All experiments with made-up figures; what one calculates itself it calculates, for few nodes. */
async function measured(): Promise<Results> {
  const parts = await Promise.all(
    experiments.map(async ({ name, question, plan }) => {
      const { parameters, seconds, run } = plan(name === 'partitioning' ? 'quick' : 'default');
      const { rows, summary = [] } = await run(fakeContext(OPTIONS));
      return [name, { question, parameters, seconds, rows, summary, notes: [] }] as const;
    }),
  );
  const machine = {
    cpus: 2,
    model: 'x',
    memoryBytes: 1e9,
    kernel: 'Linux 6',
    node: 'v20',
    filesystem: 'ext4',
    fsyncUs: 200,
    loadAverage: 0,
  };
  const { mode, only, engine, budgetSeconds, sla } = OPTIONS;
  return {
    schemaVersion: SCHEMA_VERSION,
    machine,
    commit: null,
    seed: 1,
    options: { mode, only, engine, budgetSeconds, sla },
    startedAt: new Date(0).toISOString(),
    seconds: 1,
    complete: true,
    experiments: Object.fromEntries(parts),
  };
}

/** Without redis-benchmark there is nothing of the Redis protocol. */
const shown = experiments.filter(({ name }) => results.experiments[name]!.rows.length > 0);
const figures = shown.flatMap((experiment) => experiment.figures(results.experiments[experiment.name]!));

test('every experiment has rows by the schema, and figures with a title, labels, marks and their data', () => {
  expect(checkResults(JSON.parse(JSON.stringify(results)))).toEqual([]);
  expect(experiments.length - shown.length).toBeLessThanOrEqual(1);
  for (const experiment of shown) {
    const own = experiment.figures(results.experiments[experiment.name]!);
    expect(own.length, experiment.name).toBeGreaterThan(0);
    expect(experiment.findings(results.experiments[experiment.name]!), experiment.name).not.toEqual([]);
  }
  for (const { id, title, description, x, y, series, table } of figures) {
    for (const text of [title, description, x.label, y.label]) expect(text, id).not.toBe('');
    expect(
      series.some(({ points }) => points.length > 0),
      id,
    ).toBe(true);
    expect(table.rows.length, id).toBeGreaterThan(0);
    for (const row of table.rows) expect(row.length, id).toBe(table.columns.length);
    expect(JSON.stringify(table), id).not.toMatch(/NaN|undefined/);
  }
  expect(new Set(figures.map(({ id }) => id)).size).toBe(figures.length);
});

test('findings are sentences with figures', () => {
  for (const experiment of shown)
    for (const text of experiment.findings(results.experiments[experiment.name]!))
      expect(text, experiment.name).not.toMatch(/NaN|undefined|null|Infinity/);
});

test('each histogram is a file that HdrHistogram plotters read, each figure an SVG', async () => {
  const names = await readdir(join(directory, 'histograms'));
  const rows = shown.flatMap(({ name }) => results.experiments[name]!.rows);
  expect(names).toHaveLength(rows.filter((row) => typeof row['histogram'] === 'string').length);
  const text = await readFile(join(directory, 'histograms', names[0]!), 'utf8');
  const [head, gap, ...lines] = text.split('\n');
  expect(head!.trim().split(/\s+/)).toEqual(['Value', 'Percentile', 'TotalCount', '1/(1-Percentile)']);
  expect(gap).toBe('');
  for (const line of lines.filter((one) => one !== '' && !one.startsWith('#')))
    expect(line.trim()).toMatch(/^\d+\.\d{3} [01]\.\d{12} +\d+( +\d+\.\d{2})?$/);
  expect(await readdir(join(directory, 'figures'))).toHaveLength(figures.length);
});

/** What the page says of itself. In its own language: types of the browser are none of this repository's. */
const LOOK = `(shape) => {
  const svgs = [...document.querySelectorAll('figure .' + shape + ' svg')];
  const outside = (svg) =>
    [...svg.querySelectorAll('text')]
      .filter((text) => {
        const [own, all] = [text.getBoundingClientRect(), svg.getBoundingClientRect()];
        return own.width > 0 && (own.left < all.left - 2 || own.right > all.right + 2);
      })
      .map((text) => text.textContent);
  const marks = ['line"] path', 'dot"] *', 'bar"] rect', 'text"] text'].map((mark) => '[aria-label="' + mark);
  return {
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    figures: svgs.map((svg) => ({
      id: svg.closest('figure').id,
      isSeen: svg.getBoundingClientRect().width > 200,
      hasMarks: svg.querySelector(marks.join()) !== null,
      broken: /NaN|undefined|Infinity/.test(svg.outerHTML),
      outside: outside(svg),
    })),
  };
}`;

interface Seen {
  readonly overflow: number;
  readonly figures: readonly {
    readonly id: string;
    readonly isSeen: boolean;
    readonly hasMarks: boolean;
    readonly broken: boolean;
    readonly outside: readonly string[];
  }[];
}

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));

describe.skipIf(executablePath === undefined)('the report in Chromium (apt-get install chromium)', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  });
  afterAll(() => browser.close());

  test.each([
    ['wide', 1_200],
    ['narrow', 360],
  ])(
    '%s: every figure is there and has marks, nothing overflows, nothing is logged',
    async (shape, width) => {
      const page = await browser.newPage({ viewport: { width, height: 800 } });
      const complaints: string[] = [];
      page.on('console', (message) => complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(error.message));
      const address = pathToFileURL(join(directory, 'report.html')).href;
      page.on('request', (request) => {
        const url = request.url();
        if (url !== address && !url.startsWith('data:')) complaints.push(`asks for ${url}`);
      });
      await page.goto(address);
      const seen = await page.evaluate<Seen>(`(${LOOK})('${shape}')`);
      expect(complaints).toEqual([]);
      expect(seen.overflow).toBe(0);
      expect(seen.figures.map(({ id }) => id)).toEqual(figures.map(({ id }) => `figure-${id}`));
      for (const figure of seen.figures)
        expect(figure).toEqual({ id: figure.id, isSeen: true, hasMarks: true, broken: false, outside: [] });
      await page.close();
    },
  );
});
