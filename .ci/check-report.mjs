// A report in a real browser: every figure is there and has marks, nothing overflows, nothing is logged.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadExperiments } from '../dist/bench/suite/registry.js';

const [directory, screenshots] = process.argv.slice(2);
if (directory === undefined) throw new Error('usage: check-report.mjs FOLDER [FOLDER FOR SCREENSHOTS]');
const browsers = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];
const executablePath = browsers.find((path) => path !== undefined && existsSync(path));
if (executablePath === undefined) {
  console.log('report: not checked: no Chromium here; install the package chromium, or set CHROMIUM');
  process.exit(0);
}

const results = JSON.parse(readFileSync(join(directory, 'results.json'), 'utf8'));
const experiments = (await loadExperiments()).filter(({ name }) => results.experiments[name] !== undefined);
const expected = experiments.flatMap((experiment) =>
  experiment.figures(results.experiments[experiment.name]),
);
const { chromium } = await import('playwright-core');
// Chromium refuses to run as root inside its sandbox.
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
const faults = [];
try {
  for (const width of [1280, 390]) {
    for (const colorScheme of ['light', 'dark']) await look(width, colorScheme);
  }
} finally {
  await browser.close();
}
if (faults.length > 0) {
  console.error(faults.join('\n'));
  process.exit(1);
}
console.log(
  `report: ${experiments.length} sections and ${expected.length} figures, at 1280 and 390 px, light and dark`,
);

async function look(width, colorScheme) {
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
  const at = `${width} px, ${colorScheme}`;
  page.on('console', (message) => faults.push(`${at}: console: ${message.text()}`));
  page.on('pageerror', (error) => faults.push(`${at}: error: ${error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith('file:') && !url.startsWith('data:')) faults.push(`${at}: asks for ${url}`);
  });
  await page.goto(pathToFileURL(resolve(directory, 'report.html')).href);
  for (const opened of [false, true]) {
    // Tables, too, must stay within the page.
    if (opened)
      await page.evaluate(() => document.querySelectorAll('details').forEach((one) => (one.open = true)));
    faults.push(...(await page.evaluate(overflowing)).map((what) => `${at}: wider than the page: ${what}`));
  }
  for (const { id, title } of expected) {
    const found = await page.evaluate(inspect, id);
    if (found === null) faults.push(`${at}: figure ${id} is missing`);
    else if (found.marks === 0) faults.push(`${at}: figure ${id} has no marks`);
    else if (found.title !== title || found.description === '')
      faults.push(`${at}: figure ${id} is not described`);
    else if (found.outside.length > 0)
      faults.push(`${at}: figure ${id}: outside of it: ${found.outside.join(', ')}`);
  }
  if (screenshots !== undefined) {
    mkdirSync(screenshots, { recursive: true });
    await page.screenshot({ path: join(screenshots, `${width}-${colorScheme}.png`), fullPage: true });
  }
  await page.close();
}

/** Runs in the page. */
function overflowing() {
  const width = document.documentElement.clientWidth;
  const wide = [...document.body.querySelectorAll('*')].filter((element) => {
    if (element.closest('svg, .scroll, .skip') !== null) return false;
    return element.getBoundingClientRect().right > width + 1;
  });
  const names = wide.map(
    (element) => `${element.tagName} ${element.className} ${element.textContent.slice(0, 40)}`,
  );
  return document.documentElement.scrollWidth > width ? [...names, 'the page scrolls sideways'] : names;
}

/** Runs in the page: the drawing of a figure that is shown at this width. */
function inspect(id) {
  const shown = [...document.querySelectorAll(`#figure-${id} svg[role=img]`)].filter(
    (svg) => svg.getBoundingClientRect().width > 0,
  );
  if (shown.length !== 1) return null;
  const [svg] = shown;
  const box = svg.getBoundingClientRect();
  const marks = svg.querySelectorAll(
    '[aria-label=line] path, [aria-label=dot] *, [aria-label=bar] rect',
  ).length;
  const outside = [...svg.querySelectorAll('text')].filter((text) => {
    const { left, right, width } = text.getBoundingClientRect();
    return width > 0 && (left < box.left - 2 || right > box.right + 2);
  });
  return {
    marks,
    title: svg.querySelector('title')?.textContent,
    description: svg.querySelector('desc')?.textContent ?? '',
    outside: outside.map((text) => text.textContent),
  };
}
