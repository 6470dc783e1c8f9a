import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { HostStore } from '../../src/client/api.js';
import type { HttpServer } from '../../src/server/http/start.js';
import { open } from '../../src/index.js';
import { Secret } from '../../src/server/security/secret.js';
import { startHttp } from '../../src/server/http/start.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find((path) => existsSync(path));

describe.skipIf(executablePath === undefined)('the dashboard in Chromium (apt-get install chromium)', () => {
  let store: HostStore;
  let http: HttpServer;
  let browser: Browser;
  let page: Page;
  /** What a user would find in the console, and requests that leave the store. */
  let complaints: string[];

  beforeAll(async () => {
    store = await open({ engine: 'memory', nodes: 3, memoryMiB: 64, allowFaults: true });
    http = await startHttp(store, {
      listen: { host: '127.0.0.1', port: 0 },
      valueBytes: 100_000,
      faults: store.faults,
    });
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  });
  afterAll(async () => {
    await browser.close();
    await http.close();
    await store.close();
  });

  beforeEach(async () => {
    complaints = [];
    page = await browser.newPage({ viewport: { width: 1200, height: 800 }, colorScheme: 'light' });
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('requestfailed', (request) => {
      // The feed of a page that closes.
      if (!request.url().endsWith('/admin/events')) complaints.push(`failed: ${request.url()}`);
    });
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== http.address) complaints.push(`elsewhere: ${request.url()}`);
    });
    await page.goto(http.address);
    await page.waitForSelector('#health.good');
  });
  afterEach(async () => {
    await page.close();
    expect(complaints).toEqual([]);
  });

  /** Asked from here: the page's policy lets nobody evaluate text in it. */
  const becomesTrue = (condition: string): Promise<void> =>
    expect.poll(() => page.evaluate<boolean>(condition)).toBe(true);

  test('draws the ring, and every virtual node is in its table', async () => {
    await page.waitForSelector('#ring-svg .arc');
    expect(await page.locator('#ring-svg .arc').count()).toBe(64);
    expect(await page.locator('#ring-nodes button').allTextContents()).toEqual(['n1', 'n2', 'n3']);
    expect(await page.locator('#vnodes tbody tr').count()).toBe(3);
    expect(await page.textContent('#health')).toBe('all 3 virtual nodes serve');
  });

  test('puts and gets are seen while they happen, and the bucket that they made', async () => {
    const bucket = store.bucket('seen');
    const busy = new AbortController();
    const load = (async () => {
      for (let i = 0; !busy.signal.aborted; i++) {
        await bucket.put(`k${i % 50}`, 'v', { timeoutMs: 60_000 });
        await bucket.get(`k${i % 50}`, { timeoutMs: 60_000 });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    })();
    const tile = (name: string): string =>
      `[...document.querySelectorAll('#tiles dt')].find((dt) => dt.textContent === '${name}').nextSibling.textContent`;
    await becomesTrue(`parseFloat(${tile('Writes per second')}) > 0`);
    await becomesTrue(`parseFloat(${tile('Gets per second')}) > 0`);
    await becomesTrue(`${tile('p99 of puts')} !== '–'`);
    await becomesTrue(`document.querySelectorAll('#chart-rate path')[1].getAttribute('d').includes('L')`);
    await page.waitForSelector('#bucket-table th:text-is("seen")');
    busy.abort();
    await load;
  });

  test('a node that is stopped from the page is seen, and healed from it', async () => {
    await page.selectOption('#fault-at', 'n2');
    await page.selectOption('[name=what]', 'stop');
    await page.selectOption('[name=for]', '60000');
    await page.click('#fault-form [type=submit]');
    await page.waitForSelector('#health.bad:has-text("n2.0")');
    await page.waitForSelector('#ring-nodes .down:has-text("n2")');
    // The feed may be quicker than the answer.
    await page.waitForSelector('#fault-said:text-is("Done: stop at n2.")');
    await page.click('#fault-clear');
    await page.waitForSelector('#health.good');
  });

  test('a key is shown with its owners and siblings; markup in key and value stays text', async () => {
    const key = '<img src=x onerror="document.title=1">';
    for (const value of ['<script>document.title = 1</script>', 'two'])
      await store.put(key, value, { w: 'all' });
    await page.fill('#inspect-key', key);
    await page.press('#inspect-key', 'Enter');
    await page.waitForSelector('#inspect-result tbody tr');
    expect(await page.textContent('#inspect-said')).toContain(`“${key}” in bucket default: 2 siblings`);
    expect((await page.locator('.sibling pre').allTextContents()).toSorted()).toEqual([
      '<script>document.title = 1</script>',
      'two',
    ]);
    expect(await page.locator('#inspect-result :is(img, script)').count()).toBe(0);
    expect(await page.title()).toBe('Ringlet');
    const copies = await page.locator('#inspect-result tbody tr td:nth-child(4)').allTextContents();
    expect(copies).toEqual(['has it', 'has it', 'has it']);
    expect(await page.locator('.timeline rect').count()).toBeGreaterThan(0);
  });

  test('with the keyboard alone a node is chosen; the link to the content comes first', async () => {
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent')).toBe('To the content');
    await page.focus('#ring-nodes li:nth-child(1) button');
    await page.keyboard.press('Tab');
    await becomesTrue(
      `document.getElementById('ring-detail').textContent.startsWith('n2, capacity 1: first owner of ')`,
    );
  });

  test('dark and light, and nothing is wider than a telephone', async () => {
    const background = (): Promise<string> =>
      page.evaluate('getComputedStyle(document.body).backgroundColor');
    const light = await background();
    await page.click('#theme');
    expect(await background()).not.toBe(light);
    await page.reload();
    await page.waitForSelector('#health.good');
    expect(await background()).not.toBe(light);
    await page.setViewportSize({ width: 360, height: 700 });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  });

  test('browsers that keep nothing for pages show it too', async () => {
    await page.addInitScript({
      content: `Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError'); } })`,
    });
    await page.reload();
    await page.waitForSelector('#health.good');
  });

  test('a long key makes the page no wider, and bytes that are no text can be asked for', async () => {
    await page.setViewportSize({ width: 360, height: 700 });
    await page.fill('#inspect-key', 'k'.repeat(1_900));
    await page.press('#inspect-key', 'Enter');
    await page.waitForSelector('#inspect-said:has-text("1900 characters")');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);

    await store.put(Uint8Array.of(0xff, 0x25, 0), 'of bytes');
    await page.fill('#inspect-key', '%ff%25%00');
    await page.check('#inspect-encoded');
    await page.press('#inspect-key', 'Enter');
    await page.waitForSelector('.sibling pre:text-is("of bytes")');
  });

  test("a copy at a fallback is not counted as an owner's", async () => {
    const { preferenceLists } = store.ring();
    const bucket = store.bucket('two', { n: 2, r: 1, w: 1 });
    await bucket.put('k', 'v', { w: 'all' });
    const { partition } = await bucket.inspect('k');
    store.faults.inject({ kind: 'stop', at: preferenceLists[partition]![0]!, forMs: 60_000 });
    await page.waitForSelector('#health.bad');
    await bucket.put('k', 'v');
    await page.fill('#inspect-bucket', 'two');
    await page.fill('#inspect-key', 'k');
    await page.press('#inspect-key', 'Enter');
    await page.waitForSelector('#inspect-said:has-text("1 of 2 owners have it, and 1 that stand in")');
    store.faults.clear();
    await page.waitForSelector('#health.good');
  });

  test('a node that all others suspect is named although its state is good', async () => {
    store.faults.inject({ kind: 'link', from: 'n1', to: 'all', cut: true, forMs: 60_000 });
    await page.waitForSelector('#health.bad:text-is("n1.0 suspected")');
    store.faults.clear();
    await page.waitForSelector('#health.good');
  });

  test('one second with requests between seconds without is drawn', async () => {
    await store.put('once', 'v');
    // A stroke of no length, with round ends.
    await becomesTrue(
      `/M[\\d. ]+h0(M|$)/.test(document.querySelectorAll('#chart-put path')[0].getAttribute('d'))`,
    );
    expect(await page.evaluate(`getComputedStyle(document.querySelector('.chart path')).strokeLinecap`)).toBe(
      'round',
    );
  });

  test('only cells that change are replaced, so that text can be selected', async () => {
    await page.evaluate(`window.kept = document.querySelector('#vnodes tbody th')`);
    const uptime = JSON.stringify(await page.textContent('#uptime'));
    await becomesTrue(`document.getElementById('uptime').textContent !== ${uptime}`);
    expect(await page.evaluate('window.kept.isConnected')).toBe(true);
  });

  test('every control has a name, every table heads, every section a title', async () => {
    const nameless = await page.evaluate(
      `[...document.querySelectorAll('button, input, select, a')].filter((e) => !(e.textContent.trim() || e.ariaLabel || e.labels?.length)).map((e) => e.outerHTML)`,
    );
    expect(nameless).toEqual([]);
    expect(await page.locator('section:not([aria-labelledby]):not([aria-label])').count()).toBe(0);
    expect(await page.locator('#vnodes thead th[scope=col]').count()).toBeGreaterThan(5);
  });
});

const OPTIONS = { listen: { host: '127.0.0.1', port: 0 }, valueBytes: 1_000 } as const;

describe.skipIf(executablePath === undefined)('many pages of the dashboard in one browser', () => {
  let store: HostStore;
  let http: HttpServer;
  let browser: Browser;

  beforeEach(async () => {
    store = await open({ engine: 'memory', nodes: 1, memoryMiB: 32 });
    http = await startHttp(store, OPTIONS);
    browser = await chromium.launch({ executablePath: executablePath!, args: ['--no-sandbox'] });
  });
  afterEach(async () => {
    await browser.close();
    await http.close();
    await store.close();
  });

  test('pages that nobody looks at leave connections to the others', async () => {
    const context = await browser.newContext();
    // Chromium without a screen calls no page hidden: they are told to be, one after the other.
    await context.addInitScript({
      content: `window.hide = (hidden) => {
        Object.defineProperty(document, 'hidden', { configurable: true, value: hidden });
        document.dispatchEvent(new Event('visibilitychange'));
      }`,
    });
    const pages: Page[] = [];
    for (let i = 0; i < 8; i++) {
      await pages.at(-1)?.evaluate('hide(true)');
      const page = await context.newPage();
      pages.push(page);
      await page.goto(http.address);
      await page.waitForSelector('#health.good');
    }
    // Back to the first one: it is told anew.
    await pages.at(-1)!.evaluate('hide(true)');
    await store.put('k', 'v');
    await pages[0]!.evaluate('hide(false)');
    await pages[0]!.waitForSelector('#vnodes td:nth-child(5):text-is("1")');
    // And pages that were opened behind it take none before they are looked at.
    await context.addInitScript({ content: 'hide(true)' });
    for (let i = 0; i < 7; i++) {
      pages.push(await context.newPage());
      await pages.at(-1)!.goto(http.address);
    }
    await pages.at(-1)!.evaluate('hide(false)');
    await pages.at(-1)!.waitForSelector('#health.good');
  });

  test('a page for which there is no room says so, and is shown once there is', async () => {
    const others = new AbortController();
    // Kept, since the body of a response that nobody holds ends when it is collected.
    const answers: Response[] = [];
    for (let i = 0; i < 32; i++)
      answers.push(await fetch(`${http.address}/admin/events`, { signal: others.signal }));
    const page = await browser.newPage();
    await page.goto(http.address);
    await page.waitForSelector('#health.bad:has-text("too many pages")');
    expect(answers.every(({ ok }) => ok)).toBe(true);
    others.abort();
    await page.waitForSelector('#health.good');
  });

  test('with a token the browser asks for it, and the dashboard is live with it as the password', async () => {
    const token = 'sixteen-or-more-characters';
    await http.close();
    http = await startHttp(store, { ...OPTIONS, access: { secret: new Secret(token) } });
    // As who types it into the browser's question; where the browser does not ask, it is not used.
    const httpCredentials = { username: 'anybody', password: token };
    const context = await browser.newContext({ httpCredentials });
    const page = await context.newPage();
    expect((await page.goto(http.address))!.status()).toBe(200);
    await page.waitForSelector('#health.good');
  });

  test('while the store is away what is shown is grey, and the charts have a gap for it', async () => {
    const page = await browser.newPage();
    await page.goto(http.address);
    await page.waitForSelector('#health.good');
    const port = Number(new URL(http.address).port);
    await http.close();
    await page.waitForSelector('body.old #health.bad:has-text("no connection")');
    http = await startHttp(store, { ...OPTIONS, listen: { host: '127.0.0.1', port } });
    await page.waitForSelector('body:not(.old) #health.good');
    const strokes = `document.querySelector('#chart-rate path').getAttribute('d').match(/M/g).length`;
    await expect.poll(() => page.evaluate<number>(strokes)).toBe(2);
  });
});
