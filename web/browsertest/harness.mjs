// What the browser tests share: a browser that reaches loopback only, and a check that fails when a page reaches for
// anything else, violates its Content-Security-Policy, or complains on the console.

import assert from 'node:assert/strict';
import { accessSync, constants, mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

export const base = process.env.COINGRAPH_URL;
export const key = process.env.COINGRAPH_KEY ?? 'dev-public-key';
export const adminKey = process.env.COINGRAPH_ADMIN_KEY ?? 'dev-admin-key';
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const shots = process.env.SCREENSHOTS ?? mkdtempSync(path.join(tmpdir(), 'coingraph-page-'));

const skip = whySkipped();

function whySkipped() {
  try {
    accessSync(executablePath, constants.X_OK);
    return false;
  } catch {
    const why = `there is no Chromium at ${executablePath}: install it, or name another in CHROMIUM`;
    if (process.env.CI === 'true') throw new Error(why);
    return why;
  }
}

let browser;

before(async () => {
  if (skip) return;
  assert.ok(base, 'COINGRAPH_URL must name a running server: run.sh starts one');
  mkdirSync(shots, { recursive: true });
  console.log(`screenshots: ${shots}`);
  browser = await chromium.launch({ // with a new profile in a temporary directory
    executablePath,
    args: [
      '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
    ],
  });
});

after(() => browser?.close());

/** Runs a check on a page of its own, and afterwards looks for what must never happen. */
export function check(name, options, body) {
  test(name, { skip, timeout: 180_000 }, async () => {
    const { tolerated, ...contextOptions } = options;
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, locale: 'de-DE', timezoneId: 'Asia/Tokyo', ...contextOptions });
    const faults = [];
    await context.route('**/*', (route) => {
      const { hostname } = new URL(route.request().url());
      if (['127.0.0.1', 'localhost', '[::1]'].includes(hostname)) return route.continue();
      faults.push(`a request to ${route.request().url()}`);
      return route.abort();
    });
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (e) => console.error(`violates ${e.violatedDirective}: ${e.blockedURI} ${e.sample}`));
      globalThis.shifts = 0;
      new PerformanceObserver((list) => list.getEntries().forEach((e) => { globalThis.shifts += e.hadRecentInput ? 0 : e.value; })).observe({ type: 'layout-shift', buffered: true });
    });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    page.on('pageerror', (error) => faults.push(`an exception: ${error.stack}`));
    page.on('console', (message) => {
      const bad = message.type() === 'error' || message.type() === 'warning';
      if (bad && !tolerated?.test(message.text())) faults.push(`the console says: ${message.text()}`);
    });
    try {
      await body(page, context);
      assert.deepEqual(faults, []);
    } finally {
      await context.close();
    }
  });
}

/** The windows that a page must look well in. */
export const windows = {
  'desktop-light': { colorScheme: 'light' },
  'desktop-dark': { colorScheme: 'dark' },
  'mobile-light': { colorScheme: 'light', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
  'mobile-dark': { colorScheme: 'dark', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true },
};

/** Fails where a page scrolls sideways, and takes its picture; of what is very long, only what the window shows. */
export async function picture(page, name, fullPage = true) {
  const { scroll, client } = await page.evaluate(() => ({ scroll: document.documentElement.scrollWidth, client: document.documentElement.clientWidth }));
  assert.ok(scroll <= client, `scrolls sideways: ${scroll} > ${client}`);
  await page.screenshot({ path: path.join(shots, `${name}.png`), fullPage });
}
