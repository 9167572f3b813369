// CoinGecko's official client, npm @coingecko/coingecko-typescript, with nothing changed but its base URL:
// COINGRAPH_URL, as run.sh starts it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import Coingecko from '@coingecko/coingecko-typescript';

const base = process.env.COINGRAPH_URL;
assert.ok(base, 'COINGRAPH_URL must name a running server: run.sh starts one');
const baseURL = `${base}/api/v3`;
const client = new Coingecko({ baseURL, proAPIKey: 'sdk-key', maxRetries: 0 });

const day = 86_400_000;
const iso = (daysAgo) => new Date(Date.now() - daysAgo * day).toISOString().slice(0, 10);

// steps checks a chart's columns, of which one may lack a row that another has, and gives the steps between its stamps but
// the last, which leads to the point of now.
function steps(chart) {
  for (const column of [chart.prices, chart.market_caps, chart.total_volumes]) {
    assert.ok(column.length > 0 && Math.abs(column.length - chart.prices.length) < 3, `${column.length} rows beside ${chart.prices.length}`);
    for (const [stamp, value] of column) {
      assert.ok(Number.isInteger(stamp) && Number.isFinite(value), `${stamp} ${value}`);
    }
  }
  return chart.prices.slice(1, -1).map(([stamp], i) => stamp - chart.prices[i][0]);
}

const median = (list) => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)];

test('ping', async () => assert.match((await client.ping.get()).gecko_says, /To the Moon/));

test('a demo key', async () => {
  const demo = new Coingecko({ baseURL, demoAPIKey: 'sdk-key', maxRetries: 0 });
  assert.match((await demo.ping.get()).gecko_says, /To the Moon/);
});

test('key', async () => {
  const key = await client.key.get();
  assert.equal(key.plan, 'standard');
  assert.equal(key.rate_limit_request_per_minute, 2_000_000);
});

test('simple.price by ids', async () => {
  const all = await client.simple.price.get({
    ids: 'bitcoin,ethereum,nonesuch', vs_currencies: 'usd,eur', include_market_cap: true, include_24hr_vol: true, include_24hr_change: true,
    include_last_updated_at: true, precision: '3',
  });
  assert.deepEqual(Object.keys(all), ['bitcoin', 'ethereum']);
  for (const name of ['usd', 'eur']) {
    for (const suffix of ['', '_market_cap', '_24h_vol', '_24h_change']) assert.equal(typeof all.bitcoin[name + suffix], 'number', name + suffix);
  }
  assert.ok(Math.abs(all.bitcoin.last_updated_at - Date.now() / 1000) < 3600);
  assert.equal(all.ethereum.usd, Math.round(all.ethereum.usd * 1000) / 1000);
});

test('simple.price by names and symbols', async () => {
  const byName = await client.simple.price.get({ names: 'Bitcoin', vs_currencies: 'usd' });
  const bySymbol = await client.simple.price.get({ symbols: 'btc,eth', vs_currencies: 'usd', include_tokens: 'top' });
  assert.deepEqual(Object.keys(byName), ['Bitcoin']);
  assert.deepEqual(Object.keys(bySymbol), ['btc', 'eth']);
});

test('simple.supportedVsCurrencies', async () => {
  const currencies = await client.simple.supportedVsCurrencies.get();
  assert.ok(currencies.includes('usd') && currencies.length > 60);
});

test('coins.list', async () => {
  const plain = await client.coins.list.get();
  const platforms = await client.coins.list.get({ include_platform: true });
  assert.equal(plain.length, platforms.length);
  assert.deepEqual(plain.find((c) => c.id === 'bitcoin'), { id: 'bitcoin', symbol: 'btc', name: 'Bitcoin' });
  assert.equal(typeof platforms[0].platforms, 'object');
});

test('coins.markets', async () => {
  const first = await client.coins.markets.get({ vs_currency: 'usd', order: 'market_cap_desc', per_page: 5, page: 1 });
  const second = await client.coins.markets.get({ vs_currency: 'usd', order: 'market_cap_desc', per_page: 5, page: 2 });
  const chosen = await client.coins.markets.get({ vs_currency: 'eur', ids: 'bitcoin,ethereum', price_change_percentage: '1h', sparkline: false });
  assert.equal(first.length, 5);
  assert.ok(first[4].market_cap >= second[0].market_cap);
  assert.deepEqual(chosen.map((c) => c.id).toSorted(), ['bitcoin', 'ethereum']);
});

test('coins.marketChart', async () => {
  for (const [days, step, least] of [['1', 300_000, 280], ['7', 3_600_000, 166], ['365', day, 365], ['max', day, 3000]]) {
    const chart = await client.coins.marketChart.get('bitcoin', { vs_currency: 'usd', days });
    const gap = median(steps(chart));
    assert.ok(chart.prices.length >= least && gap > 0.9 * step && gap < 1.1 * step, `${days}: ${chart.prices.length} points, ${gap} ms apart`);
  }
  const daily = await client.coins.marketChart.get('bitcoin', { vs_currency: 'usd', days: '5', interval: 'daily', precision: '2' });
  assert.equal(daily.prices.length, 6);
});

test('coins.marketChart.getRange', async () => {
  const dates = await client.coins.marketChart.getRange('ethereum', { vs_currency: 'usd', from: iso(10), to: iso(3) });
  const seconds = await client.coins.marketChart.getRange('ethereum', { vs_currency: 'usd', from: String(Date.parse(iso(10)) / 1000), to: String(Date.parse(iso(3)) / 1000) });
  assert.deepEqual(dates, seconds);
  assert.ok(dates.prices.length > 160);
});

test('coins.ohlc', async () => {
  const candles = await client.coins.ohlc.get('bitcoin', { vs_currency: 'usd', days: '7' });
  assert.ok(candles.length > 30 && candles.every(([, open, high, low, close]) => high >= Math.max(open, close) && low <= Math.min(open, close)));
});

test('coins.history', async () => {
  const snapshot = await client.coins.history.get('bitcoin', { date: iso(30), localization: false });
  assert.equal(snapshot.id, 'bitcoin');
  assert.equal(typeof snapshot.market_data.current_price.usd, 'number');
});

test('400', async () => {
  await assert.rejects(client.coins.marketChart.get('bitcoin', { vs_currency: 'usdt', days: '1' }), (e) => {
    assert.ok(e instanceof Coingecko.BadRequestError);
    assert.equal(e.error.error ?? e.error, 'invalid vs_currency');
    return true;
  });
});

test('401', async () => {
  for (const options of [{ proAPIKey: 'wrong' }, { demoAPIKey: 'wrong' }]) {
    await assert.rejects(new Coingecko({ baseURL, maxRetries: 0, ...options }).ping.get(), (e) => {
      assert.ok(e instanceof Coingecko.AuthenticationError);
      assert.equal(e.error.status.error_code, 10002);
      return true;
    });
  }
});

test('404', async () => {
  for (const call of [
    () => client.coins.marketChart.get('nonesuch', { vs_currency: 'usd', days: '1' }),
    () => client.coins.ohlc.get('nonesuch', { vs_currency: 'usd', days: '1' }),
    () => client.coins.history.get('nonesuch', { date: iso(3) }),
  ]) {
    await assert.rejects(call(), (e) => e instanceof Coingecko.NotFoundError && /coin not found/.test(e.message));
  }
});

test('501', async () => {
  await assert.rejects(client.coins.tickers.get('bitcoin'), (e) => e.status === 501 && /does not serve/.test(e.message));
});

test('429, and the retry that waits for as long as it says', async () => {
  const seen = [];
  const slow = new Coingecko({
    baseURL, proAPIKey: 'slow-key', maxRetries: 3,
    fetch: async (url, init) => {
      const response = await fetch(url, init);
      seen.push(response.status);
      return response;
    },
  });
  const ask = (options) => slow.simple.price.get({ ids: 'bitcoin', vs_currencies: 'usd' }, options);
  // Two are let through in a window; a window may end between any two requests.
  let refused;
  for (let i = 0; i < 100 && !refused; i++) await ask({ maxRetries: 0 }).catch((e) => (refused = e));
  assert.ok(refused instanceof Coingecko.RateLimitError, String(refused));
  assert.equal(refused.error.status.error_code, 429);
  const wait = Number(refused.headers.get('retry-after'));
  assert.ok(wait >= 1 && wait <= 3, `Retry-After: ${refused.headers.get('retry-after')}`);
  for (let i = 0; i < 20 && !/429.*200$/.test(seen.join(' ')); i++) {
    seen.length = 0;
    assert.equal(typeof (await ask()).bitcoin.usd, 'number');
  }
  assert.match(seen.join(' '), /429.*200$/);
});
