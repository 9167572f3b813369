// npm coingecko-api-v3, unchanged. Its address is built in, and it speaks TLS only; its own option extraHTTPSOptions leads
// it to the server at COINGRAPH_URL, as run.sh starts it.

import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { CoinGeckoClient } from 'coingecko-api-v3';

const base = process.env.COINGRAPH_URL;
assert.ok(base, 'COINGRAPH_URL must name a running server: run.sh starts one');
const { hostname, port } = new URL(base);

// agent sees the statuses of the answers.
class Agent extends http.Agent {
  statuses = [];
  addRequest(req, ...rest) {
    req.on('response', (res) => this.statuses.push(res.statusCode));
    return super.addRequest(req, ...rest);
  }
}

function open(key, options) {
  const agent = new Agent();
  const client = new CoinGeckoClient({ autoRetry: false, timeout: 10_000, ...options, extraHTTPSOptions: { protocol: 'http:', hostname, port, agent } }, key);
  return { client, agent };
}

const { client } = open('sdk-key');
const ago = (days) => Math.floor(Date.now() / 1000) - days * 86_400;

test('ping', async () => assert.match((await client.ping()).gecko_says, /To the Moon/));

test('without a key', async () => assert.match((await open().client.ping()).gecko_says, /To the Moon/));

test('simplePrice', async () => {
  const prices = await client.simplePrice({ ids: 'bitcoin,ethereum,nonesuch', vs_currencies: 'usd,eur', include_market_cap: true, include_24hr_vol: true, include_24hr_change: true, include_last_updated_at: true });
  assert.deepEqual(Object.keys(prices), ['bitcoin', 'ethereum']);
  assert.equal(typeof prices.bitcoin.usd_24h_vol, 'number');
  assert.equal(typeof prices.bitcoin.last_updated_at, 'number');
});

test('simpleSupportedCurrencies', async () => assert.ok((await client.simpleSupportedCurrencies()).includes('usd')));

test('coinList', async () => {
  assert.ok((await client.coinList({ include_platform: false })).some((c) => c.id === 'bitcoin'));
  assert.ok((await client.coinList({ include_platform: true })).every((c) => c.platforms));
});

test('coinMarket', async () => {
  const rows = await client.coinMarket({ vs_currency: 'usd', ids: 'bitcoin,ethereum', order: 'market_cap_desc', per_page: 10, page: 1, sparkline: false });
  assert.deepEqual(rows.map((r) => r.id), ['bitcoin', 'ethereum']);
});

test('coinIdMarketChart', async () => {
  const chart = await client.coinIdMarketChart({ id: 'bitcoin', vs_currency: 'usd', days: 7 });
  assert.ok(chart.prices.length > 165 && chart.market_caps.length === chart.prices.length && chart.total_volumes.length === chart.prices.length);
  assert.equal((await client.coinIdMarketChart({ id: 'bitcoin', vs_currency: 'usd', days: 5, interval: 'daily' })).prices.length, 6);
});

test('coinIdMarketChartRange', async () => {
  const chart = await client.coinIdMarketChartRange({ id: 'bitcoin', vs_currency: 'usd', from: ago(100), to: ago(3) });
  assert.ok(chart.prices.length >= 96 && chart.prices.length <= 98, String(chart.prices.length));
});

test('coinIdOHLC', async () => assert.ok((await client.coinIdOHLC({ id: 'bitcoin', vs_currency: 'usd', days: 7 })).length > 30));

test('coinIdHistory', async () => {
  const date = new Date(ago(30) * 1000).toISOString().slice(0, 10).split('-').reverse().join('-');
  assert.equal(typeof (await client.coinIdHistory({ id: 'bitcoin', date, localization: false })).market_data.current_price.usd, 'number');
});

test('errors', async () => {
  await assert.rejects(client.coinIdMarketChart({ id: 'nonesuch', vs_currency: 'usd', days: 1 }), /status code: 404/);
  await assert.rejects(client.coinIdMarketChart({ id: 'bitcoin', vs_currency: 'usdt', days: 1 }), /status code: 400/);
  await assert.rejects(open('wrong').client.ping(), /status code: 401/);
  await assert.rejects(client.trending(), /status code: 501/);
});

test('429, and the retry that waits for as long as it says', async () => {
  const ask = (c) => c.simplePrice({ ids: 'bitcoin', vs_currencies: 'usd' });
  let refused;
  const impatient = open('slower-key').client;
  for (let i = 0; i < 100 && !refused; i++) await ask(impatient).catch((e) => (refused = e));
  assert.match(String(refused), /status code: 429/);
  const { client: patient, agent } = open('slower-key', { autoRetry: true });
  for (let i = 0; i < 20 && !/429.*200$/.test(agent.statuses.join(' ')); i++) {
    agent.statuses.length = 0;
    assert.equal(typeof (await ask(patient)).bitcoin.usd, 'number');
  }
  assert.match(agent.statuses.join(' '), /429.*200$/);
});
