// The charts page in a real browser, on a server that runs already: COINGRAPH_URL, as run.sh starts it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { base, check, key, picture, windows } from './harness.mjs';

/** Opens the page and types the key. */
async function open(page, hash = '') {
  await page.goto(`${base}/${hash}`);
  await useKey(page, key);
}

async function useKey(page, secret) {
  await page.getByLabel('API key').fill(secret);
  await page.getByLabel('API key').press('Enter');
}

const text = (page, id) => page.locator(`#${id}`).innerText();
const says = (page, id, pattern) => page.locator(`#${id}`, { hasText: pattern }).waitFor();
const drawn = (page, name) => Promise.all([
  page.locator(`#chart[aria-label*=" of ${name} in "]`).waitFor(),
  page.locator('#stage[aria-busy="false"] #chart .curve').waitFor({ state: 'attached' }),
]);
const watched = (page, rows = 10) => page.locator('#watch tr:has(.spark)').nth(rows - 1).waitFor();

/** How many points the curve has: each is a vertex of the path. */
async function vertices(page) {
  const d = await page.locator('#chart .curve').getAttribute('d');
  return d.match(/[ML]/g).length;
}

check('a typed key draws the chart', {}, async (page) => {
  await page.goto(`${base}/`);
  await says(page, 'message-text', 'Enter an API key');
  await useKey(page, key);
  await drawn(page, 'Bitcoin');
  assert.match(await text(page, 'price'), /^\$[\d,]+\.\d\d$/);
  assert.match(await text(page, 'updated'), /^\d{4}-\d\d-\d\d \d\d:\d\d UTC$/);
  assert.equal(await vertices(page), 30);
  await watched(page);
  assert.ok(await page.evaluate(() => globalThis.shifts) < 0.02, 'the layout shifts');
  assert.equal(await page.evaluate(() => localStorage.length), 0);
  await page.reload(); // the tab keeps the key
  await drawn(page, 'Bitcoin');
});

check('a wrong key is asked for kindly', { tolerated: /status of 401/ }, async (page) => {
  await page.goto(`${base}/`);
  await useKey(page, 'not-a-key');
  await says(page, 'key-note', 'does not know this key');
  await says(page, 'message-code', /UNAUTHENTICATED · HTTP 401 · request \w+/);
  await useKey(page, 'schlüssel');
  await says(page, 'key-note', 'without blanks');
  await useKey(page, key);
  await drawn(page, 'Bitcoin');
  assert.equal(await page.locator('#key-note').isVisible(), false);
});

check('the search finds another asset by keyboard', {}, async (page) => {
  await open(page);
  await drawn(page, 'Bitcoin');
  const box = page.getByRole('combobox', { name: 'Asset' });
  await box.pressSequentially('cardan');
  await page.getByRole('option', { name: /Cardano/ }).first().waitFor();
  assert.equal(await box.getAttribute('aria-expanded'), 'true');
  await box.press('ArrowDown');
  await box.press('ArrowUp');
  assert.equal(await box.getAttribute('aria-activedescendant'), 'found-0');
  await box.press('Enter');
  await drawn(page, 'Cardano');
  assert.equal(await page.locator('#found').isVisible(), false);
  assert.match(page.url(), /#asset=cardano&/);
  await page.goBack();
  await drawn(page, 'Bitcoin');
  await box.pressSequentially('zz"\\zz'); // what would break out of a string
  await says(page, 'found', 'No asset has this');
  await box.press('Escape');
  assert.equal(await page.locator('#found').isVisible(), false);
});

check('ranges, columns and currencies', {}, async (page) => {
  await open(page);
  await drawn(page, 'Bitcoin');
  for (const [label, points] of [['1D', 24], ['7D', 168], ['90D', 90], ['1Y', 365]]) {
    await page.getByRole('button', { name: label, exact: true }).click();
    await says(page, 'summary', new RegExp(`· ${points} (hourly|daily) points`));
    assert.equal(await vertices(page), points, label);
  }
  await page.getByRole('button', { name: 'Max', exact: true }).click();
  await says(page, 'summary', /· \d{4} daily points/);
  assert.ok(await vertices(page) > 4000);
  await page.getByRole('button', { name: 'Volume', exact: true }).click();
  await page.locator('#chart[aria-label^="Volume"]').waitFor();
  await page.getByLabel('Currency').selectOption('EUR');
  await page.locator('#price', { hasText: /^€/ }).waitFor();
  await page.locator('#watch td', { hasText: /^€/ }).first().waitFor();
  assert.match(page.url(), /currency=eur&range=max&column=volume$/);
});

check('a link opens what it says', {}, async (page) => {
  await open(page, '#asset=ethereum&currency=btc&range=7d&column=cap');
  await drawn(page, 'Ethereum');
  assert.match(await text(page, 'price'), /^0\.0\d+ BTC$/);
  assert.match(await page.locator('#chart').getAttribute('aria-label'), /^Market capitalisation of Ethereum in BTC/);
  await page.goto(`${base}/#asset=shiba-inu`); // a tiny price
  await drawn(page, 'Shiba Inu');
  assert.match(await text(page, 'price'), /^\$0\.0000\d{3,4}$/);
});

check('the crosshair follows keyboard and pointer', {}, async (page) => {
  await open(page, '#range=1d');
  await drawn(page, 'Bitcoin');
  const chart = page.getByRole('slider');
  await chart.focus();
  await chart.press('Home');
  await says(page, 'tip-time', /^\d{4}-\d\d-\d\d \d\d:00 UTC$/);
  const first = await chart.getAttribute('aria-valuetext');
  await chart.press('ArrowRight');
  assert.equal(await chart.getAttribute('aria-valuenow'), '1');
  assert.notEqual(await chart.getAttribute('aria-valuetext'), first);
  await chart.press('Escape');
  assert.equal(await page.locator('#tip').isVisible(), false);
  const { width, height } = await chart.boundingBox();
  await chart.hover({ position: { x: width - 14, y: height / 2 } });
  assert.equal(await chart.getAttribute('aria-valuenow'), '23');
});

check('the table asks once and opens charts', {}, async (page) => {
  const queries = [];
  page.on('request', (request) => { if (request.method() === 'POST') queries.push(request.postDataJSON().query); });
  await open(page);
  await drawn(page, 'Bitcoin');
  await watched(page);
  assert.equal(queries.length, 2, 'one query for the chart, one for the table');
  await page.getByRole('link', { name: 'Solana' }).click();
  await drawn(page, 'Solana');
  assert.equal(await page.getByRole('link', { name: 'Solana' }).getAttribute('aria-current'), 'true');
});

check('an unknown asset, and a server that is away', { tolerated: /ERR_FAILED/ }, async (page) => {
  await open(page, '#asset=no-such-asset');
  await says(page, 'message-text', 'no-such-asset');
  await says(page, 'message-code', /^NOT_FOUND · request \w+/);
  await page.route('**/graphql', (route) => route.abort());
  await page.getByRole('button', { name: 'Try again' }).click();
  await says(page, 'message-text', 'cannot be reached');
  await page.unroute('**/graphql');
  await page.getByRole('link', { name: 'Bitcoin' }).click();
  await drawn(page, 'Bitcoin');
});

check('a hole breaks the curve and is explained', {}, async (page) => {
  const start = Date.UTC(2026, 0, 1), oneDay = 86_400_000;
  const days = [0, 1, 2, 5, 6, 8];
  await page.route('**/graphql', (route) => (route.request().postDataJSON().query.includes('asset(id')
    ? route.fulfill({ json: { data: { asset: { id: 'x', symbol: 'x', name: '<b>X</b>', price: null, chart: {
      interval: 'DAILY', sources: ['test'], fetchedAt: '2026-01-10T00:00:00Z', timestamps: days.map((d) => start + d * oneDay),
      prices: days.map((d) => 3.97e-12 * (d + 1)), marketCaps: days.map(() => null), volumes: days.map((d) => (d === 1 ? null : d)),
      coverage: { complete: false, holes: [{ from: '2026-01-04T00:00:00Z', to: '2026-01-06T00:00:00Z', reason: 'UPSTREAM_HOLE' }] },
    } } } } })
    : route.continue()));
  await open(page);
  await drawn(page, '<b>X</b>');
  assert.equal((await page.locator('#chart .curve').getAttribute('d')).match(/M/g).length, 3);
  assert.match(await text(page, 'coverage'), /^Not complete: 2026-01-04 until 2026-01-06: the provider was asked and has nothing\./);
  assert.match(await text(page, 'summary'), /low \$3\.97E-12/);
  await page.getByRole('button', { name: 'Market cap', exact: true }).click();
  await says(page, 'message-text', 'nothing to draw');
});

check('the query panel runs queries, and its curl line works', { permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
  await open(page);
  await drawn(page, 'Bitcoin');
  await page.getByText('The query behind this page').click();
  assert.match(await text(page, 'sent'), /asset\(id: "bitcoin"\)/);
  assert.ok(!(await text(page, 'curl')).includes(key), 'the key is on the screen');
  await page.getByRole('button', { name: 'Copy' }).click();
  await says(page, 'copy-note', 'Copied');
  const line = await page.evaluate(() => navigator.clipboard.readText());
  // A shell says what curl would be given, and Node sends that.
  const args = execFileSync('sh', ['-c', `curl() { printf '%s\\0' "$@"; }; ${line}`], { encoding: 'utf8' }).split('\0');
  const headers = Object.fromEntries(args.filter((_, i) => args[i - 1] === '-H').map((h) => h.split(': ')));
  const { data } = await (await fetch(args[1], { method: 'POST', headers, body: args[args.indexOf('-d') + 1] })).json();
  assert.equal(data.asset.id, 'bitcoin');

  await page.getByLabel('A query of your own').fill('{ asset(id: "bitcoin") { name chart(days: 2) { prices } } }');
  await page.getByLabel('A query of your own').press('Control+Enter');
  await says(page, 'result-note', /^HTTP 200 · \d+ ms · [\d.]+ kB · request \w+$/);
  assert.match(await text(page, 'result'), /"prices": \[ [\d.]+, [\d.]+ \]/);
  await page.getByLabel('A query of your own').fill('{ nonsense }');
  await page.getByRole('button', { name: 'Run' }).click();
  await says(page, 'result', 'GRAPHQL_VALIDATION_FAILED');
});

check('the currencies are the server’s', {}, async (page) => {
  await page.goto(`${base}/`);
  const offered = await page.locator('#currency option').evaluateAll((options) => options.map((o) => o.value));
  const response = await fetch(`${base}/graphql`, {
    method: 'POST', headers: { 'Content-Type': 'application/json', 'X-API-Key': key }, body: JSON.stringify({ query: '{ __type(name: "Currency") { enumValues { name } } }' }),
  });
  const { data } = await response.json();
  assert.deepEqual(offered.sort(), data.__type.enumValues.map((v) => v.name).sort());
});

for (const [name, options] of Object.entries(windows)) {
  check(`looks: ${name}`, { ...options, reducedMotion: 'reduce' }, async (page) => {
    await open(page, '#range=90d');
    await drawn(page, 'Bitcoin');
    await watched(page);
    await page.getByText('The query behind this page').click();
    const chart = page.getByRole('slider');
    await chart.focus();
    for (let i = 0; i < 6; i++) await chart.press('PageUp');
    await picture(page, name);
  });
}
