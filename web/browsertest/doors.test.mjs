// The playground and the documentation of REST in a real browser, on a server that runs already and has them built in:
// COINGRAPH_URL, as run.sh starts it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { adminKey, base, check, key, picture, windows } from './harness.mjs';

const editor = (page) => page.locator('.graphiql-query-editor .CodeMirror');
const query = (page) => editor(page).evaluate((e) => e.CodeMirror.getValue());

/** Writes a query, and waits until GraphiQL has read which operation it is. */
async function write(page, text) {
  await editor(page).evaluate((e, value) => e.CodeMirror.setValue(value), text);
  const name = text.match(/query (\w+)/)?.[1];
  await page.waitForFunction((n) => !n || document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.operationName === n, name);
}

const run = (page) => page.getByRole('button', { name: 'Execute query' }).click();
const status = (page, pattern) => page.locator('.status', { hasText: pattern }).waitFor();
const titles = readFileSync(path.join(import.meta.dirname, '../ui/src/examples.graphql'), 'utf8').match(/(?<=^### ).*$/gm);

/** Opens the playground and types a key into its dialog. */
async function playground(page, secret = key, search = '') {
  await page.goto(`${base}/playground${search}`);
  await page.getByLabel('API key or JWT').fill(secret);
  await page.getByRole('button', { name: 'Use key', exact: true }).click();
  await page.locator('dialog.key').waitFor({ state: 'hidden' });
}

/** Runs what stands in the editor, and gives the answer. */
async function execute(page) {
  const answered = page.waitForResponse((r) => r.url().endsWith('/graphql') && !r.request().postData().includes('IntrospectionQuery'));
  await run(page);
  const response = await answered;
  await status(page, `request ${response.headers()['x-request-id']}`);
  return response.json();
}

check('the playground runs a query with a key typed into its dialog', {}, async (page) => {
  await playground(page);
  assert.match(await query(page), /simplePrice/);
  const { data } = await execute(page);
  assert.ok(data.simplePrice[0].price > 0);
  await page.waitForFunction(() => document.querySelector('.result-window .CodeMirror').CodeMirror.getValue().includes('simplePrice'));
  await status(page, /^HTTP 200 · \d+ ms · [\d.]+ kB · \d+ of \d+ units left for \d+ s · request \w+$/);

  // The tab keeps the key; nothing else does.
  const kept = await page.evaluate(() => ({ session: Object.values(sessionStorage), local: Object.values(localStorage) }));
  assert.ok(kept.session.includes(key));
  assert.ok(!kept.local.join().includes(key), 'the key outlives the tab');
  await page.reload();
  await execute(page);
});

check('the playground asks for a key, and again for another', { tolerated: /status of 401/ }, async (page) => {
  await page.goto(`${base}/playground`);
  await page.locator('dialog.key').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await run(page);
  await page.locator('dialog.key').waitFor();
  await page.getByLabel('API key or JWT').fill('schlüssel');
  await page.getByRole('button', { name: 'Use key', exact: true }).click();
  await page.locator('.note', { hasText: 'without blanks' }).waitFor();
  await page.getByLabel('API key or JWT').fill('not-a-key');
  await page.getByRole('button', { name: 'Use key', exact: true }).click();
  await page.locator('.note', { hasText: 'does not know this key' }).waitFor();
  await page.getByLabel('API key or JWT').fill(key);
  await page.getByRole('button', { name: 'Use key', exact: true }).click();
  assert.ok((await execute(page)).data);
});

check('every example of the menu runs', {}, async (page) => {
  await playground(page, adminKey);
  const menu = page.getByRole('region', { name: 'Examples' });
  await menu.getByRole('button').first().waitFor();
  // The docs come with the schema, and only then does the menu know which examples this server can answer.
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.getByText('Root Types').waitFor();
  await page.getByRole('button', { name: 'Show Examples' }).click();
  const shown = await menu.locator('strong').allInnerTexts();
  assert.ok(shown.length >= 8, `${shown}`);
  for (const title of shown) {
    assert.ok(titles.includes(title), title);
    await menu.getByRole('button', { name: title }).click();
    await page.waitForFunction((t) => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.getValue().startsWith(`# ${t}\n`), title);
    const result = await execute(page);
    assert.equal(result.errors, undefined, `${title}: ${JSON.stringify(result.errors)}`);
    assert.ok(Object.values(result.data).every((v) => v !== null), title);
  }
});

check('a link carries a query', { permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
  const text = 'query Link($id: ID!) { asset(id: $id) { name } }';
  await playground(page, key, `?query=${encodeURIComponent(text)}&variables=${encodeURIComponent('{"id":"cardano"}')}`);
  assert.equal(await query(page), text);
  assert.equal((await execute(page)).data.asset.name, 'Cardano');
  await page.getByRole('button', { name: 'Prettify query' }).click();
  await page.waitForFunction(() => document.querySelector('.graphiql-query-editor .CodeMirror').CodeMirror.lineCount() > 3);
  await page.getByRole('button', { name: 'Copy a link' }).click();
  await page.getByRole('button', { name: 'Copied' }).waitFor();
  const link = new URL(await page.evaluate(() => navigator.clipboard.readText()));
  assert.equal(link.href, page.url());
  assert.equal(link.searchParams.get('query'), await query(page));
  assert.deepEqual(JSON.parse(link.searchParams.get('variables')), { id: 'cardano' });
  await page.goto(link.href);
  assert.equal((await execute(page)).data.asset.name, 'Cardano');
});

check('history, completion and schema docs', {}, async (page) => {
  await playground(page);
  await write(page, 'query Remembered { viewer { tier } }');
  await execute(page);
  await page.getByRole('button', { name: 'Show History' }).click();
  await page.locator('.graphiql-history').getByText('Remembered').waitFor();
  await page.getByRole('button', { name: 'Show Documentation Explorer' }).click();
  await page.getByRole('link', { name: 'Query', exact: true }).click();
  await page.getByText('The current prices of assets, in the order asked').waitFor();
  await write(page, '{ marketCh }');
  await editor(page).click();
  await editor(page).evaluate((e) => { e.CodeMirror.setCursor({ line: 0, ch: 10 }); e.CodeMirror.showHint({ completeSingle: false }); });
  await page.locator('.CodeMirror-hint', { hasText: 'marketChart' }).waitFor();
});

check('Swagger UI tries a route with a key typed into its dialog', {}, async (page) => {
  await page.goto(`${base}/docs`);
  await page.getByRole('button', { name: 'Authorize' }).first().click();
  const dialog = page.locator('.dialog-ux');
  await dialog.getByLabel('Value:').or(dialog.locator('input')).first().fill(key);
  await dialog.getByRole('button', { name: 'Apply credentials' }).first().click();
  await dialog.getByRole('button', { name: 'Close' }).last().click();
  await page.locator('#operations-Prices-marketChart').getByRole('button').first().click();
  const block = page.locator('#operations-Prices-marketChart');
  const answered = page.waitForResponse((r) => r.url().includes('/market_chart'));
  await block.getByRole('button', { name: 'Execute' }).click();
  const response = await answered;
  assert.equal(response.status(), 200, await response.text());
  assert.equal((await response.json()).prices.length, 30);
  await block.locator('.live-responses-table .response-col_status', { hasText: '200' }).waitFor();
  assert.ok(!(await page.evaluate(() => Object.values(localStorage).join())).includes(key));
});

check('ReDoc renders every route', {}, async (page) => {
  await page.goto(`${base}/redoc`);
  const { paths } = await (await fetch(`${base}/openapi.json`)).json();
  for (const item of Object.values(paths)) {
    for (const { summary } of Object.values(item)) await page.locator('h2', { hasText: summary }).waitFor();
  }
  await page.getByPlaceholder('Search...').fill('chart');
  await page.locator('[data-role="search:results"] li').first().waitFor();
});

for (const [name, options] of Object.entries(windows)) {
  check(`the playground looks well: ${name}`, { ...options, reducedMotion: 'reduce' }, async (page) => {
    await playground(page);
    if (!options.isMobile) await page.getByRole('region', { name: 'Examples' }).waitFor();
    await execute(page);
    await picture(page, `playground-${name}`);
  });
  if (name.endsWith('dark')) continue; // the others have one theme
  check(`Swagger UI looks well: ${name}`, options, async (page) => {
    await page.goto(`${base}/docs`);
    await page.locator('#operations-Prices-simplePrice').getByRole('button').first().click();
    await page.locator('#operations-Prices-simplePrice').getByRole('button', { name: 'Execute' }).waitFor();
    await picture(page, `docs-${name}`, false);
  });
  check(`ReDoc looks well: ${name}`, options, async (page) => {
    await page.goto(`${base}/redoc`);
    await page.locator('h2', { hasText: 'Current prices' }).waitFor();
    await picture(page, `redoc-${name}`, false);
  });
}
