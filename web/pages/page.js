// The charts page: it asks the GraphQL API of the server it came from, and draws the answers. There is no library and no
// build step, so that what runs in the browser is what stands here. All text gets into the page as text, never as markup.

const $ = (id) => document.getElementById(id);

// --- What can be chosen -----------------------------------------------------------------------------------------------

const RANGES = new Map(Object.entries({
  '1d': { label: '1D', title: '1 day, hourly', days: '1', interval: 'HOURLY' },
  '7d': { label: '7D', title: '7 days, hourly', days: '7', interval: 'HOURLY' },
  '30d': { label: '30D', title: '30 days', days: '30', interval: 'DAILY' },
  '90d': { label: '90D', title: '90 days', days: '90', interval: 'DAILY' },
  '1y': { label: '1Y', title: '1 year', days: '365', interval: 'DAILY' },
  max: { label: 'Max', title: 'All there is', days: '"max"', interval: 'DAILY' },
}));

const COLUMNS = new Map(Object.entries({
  price: { label: 'Price', title: 'Price', field: 'prices' },
  cap: { label: 'Market cap', title: 'Market capitalisation', field: 'marketCaps' },
  volume: { label: 'Volume', title: 'Volume of 24 hours', field: 'volumes' },
}));

// The schema's enum Currency, in groups; the browser test holds it against the server's own.
const COINS = 'BTC ETH LTC BCH BNB EOS XRP XLM LINK DOT YFI SOL BITS SATS'.split(' ');
const METALS = 'XAG XAU XDR'.split(' ');
const MONEY = ('USD EUR GBP JPY CHF CNY AED ARS AUD BDT BHD BMD BRL CAD CLP CZK DKK GEL HKD HUF IDR ILS INR KRW KWD LKR MMK MXN ' +
  'MYR NGN NOK NZD PHP PKR PLN RUB SAR SEK SGD THB TRY TWD UAH VEF VND ZAR').split(' ');
const CURRENCIES = new Set([...MONEY, ...METALS, ...COINS]);

const WELL_KNOWN = ['bitcoin', 'ethereum', 'ripple', 'binancecoin', 'solana', 'dogecoin', 'cardano', 'chainlink', 'litecoin', 'shiba-inu'];

const REASONS = new Map(Object.entries({
  NOT_LISTED: 'the asset is younger',
  BEYOND_PLAN: 'the provider’s plan does not reach this far back',
  NOT_OFFERED: 'the provider does not have this',
  UPSTREAM_HOLE: 'the provider was asked and has nothing',
  FAILED: 'the provider could not be asked',
}));

// --- State: it lives in the URL's hash, so that links and the back button work --------------------------------------

function readState() {
  const p = new URLSearchParams(location.hash.slice(1));
  const oneOf = (allowed, value, otherwise) => (allowed.has(value) ? value : otherwise);
  return {
    asset: p.get('asset') || 'bitcoin',
    currency: oneOf(CURRENCIES, (p.get('currency') ?? '').toUpperCase(), 'USD'),
    range: oneOf(RANGES, p.get('range'), '30d'),
    column: oneOf(COLUMNS, p.get('column'), 'price'),
  };
}

const linkTo = (change) => {
  const s = { ...state, ...change };
  return '#' + new URLSearchParams({ asset: s.asset, currency: s.currency.toLowerCase(), range: s.range, column: s.column });
};
const go = (change) => { location.hash = linkTo(change); }; // hashchange does the rest

let state = readState();
let view = { currency: 'USD', asset: null, fault: null }; // what the chart card shows: an asset of the API with price and chart
let sent = ''; // the newest query for it

// --- Elements ---------------------------------------------------------------------------------------------------------

const SVG = new Set(['svg', 'path', 'line', 'text', 'circle', 'g', 'linearGradient', 'stop', 'defs']);

function make(tag, attributes = {}, ...children) {
  const e = SVG.has(tag) ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

const say = (id, text) => { $(id).textContent = text || '\u00a0'; }; // a blank keeps the line's height

// --- Numbers and times ------------------------------------------------------------------------------------------------

const formats = new Map(); // making an Intl object is slow
function format(value, options) {
  const id = JSON.stringify(options);
  if (!formats.has(id)) formats.set(id, new Intl.NumberFormat('en', options));
  return formats.get(id).format(value);
}

/** An amount of a currency: with its sign where it is money, else with its code. */
function amount(value, currency, options) {
  if (value === null || value === undefined) return '–';
  if (MONEY.includes(currency)) return format(value, { ...options, style: 'currency', currency });
  return `${format(value, options)} ${currency}`;
}

/** A price keeps its significant digits, however small it is: 97,123.45, 0.9998, 0.00000397, 3.97E-12. */
function price(value, currency) {
  const size = Math.abs(value ?? 0);
  if (size >= 1e6) return amount(value, currency, { maximumFractionDigits: 0 });
  if (size >= 100 || size === 0) return amount(value, currency, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
  if (size >= 1) return amount(value, currency, { minimumFractionDigits: 2, maximumFractionDigits: 4 });
  return amount(value, currency, { maximumSignificantDigits: 4, minimumSignificantDigits: 3, ...(size < 1e-9 && { notation: 'scientific' }) });
}

const compact = (value, currency) => amount(value, currency, { notation: 'compact', maximumSignificantDigits: 4 });
const direction = (value) => (value > 0 ? 'up' : value < 0 ? 'down' : '');

function percent(value) {
  if (!Number.isFinite(value)) return '–';
  return format(value / 100, { style: 'percent', minimumFractionDigits: 2, maximumFractionDigits: 2, signDisplay: 'exceptZero' });
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');
const day = (t) => new Date(t).toISOString().slice(0, 10);
const minute = (t) => new Date(t).toISOString().slice(0, 16).replace('T', ' ') + ' UTC';
const traffic = ({ text, ms, requestId }) => `${format(ms, { maximumFractionDigits: 0 })} ms · ${format(text.length / 1024, { maximumFractionDigits: 1 })} kB · request ${requestId}`;
const stamp = (t, interval) => (interval === 'DAILY' ? day(t) : minute(t));

// --- The API ----------------------------------------------------------------------------------------------------------

let key = '';
try { key = sessionStorage.getItem('coingraph.key') ?? ''; } catch { /* storage is switched off: the key lasts as long as the page */ }

/** Why there is no data: a sentence for the reader, and in details what to look for in the documentation and the log. */
class Refusal extends Error {
  constructor({ message, code, fields = [] }, { status = 200, requestId, retryAfter } = {}) {
    const sentences = [message, ...fields.map((f) => `${f.field} ${f.message}`), ...(retryAfter ? [`try again in ${retryAfter} s`] : [])];
    super(sentences.map((s) => s.charAt(0).toUpperCase() + s.slice(1) + (/[.!?]$/.test(s) ? '' : '.')).join(' '));
    this.status = status;
    this.details = [code, status === 200 ? '' : `HTTP ${status}`, requestId && `request ${requestId}`].filter(Boolean).join(' · ');
  }
}

/** The first error of a GraphQL answer, or a problem of RFC 9457, in the form that Refusal takes. */
const errorOf = (body) => {
  const [first] = body?.errors ?? [];
  return first?.extensions ? { message: first.message, ...first.extensions } : { message: body?.detail ?? 'the server’s answer cannot be read', code: body?.code };
};

/** Sends a query; gives what came back, whatever it is. Fails only when nothing did. */
async function send(query, signal) {
  const started = performance.now();
  let response, text;
  try {
    response = await fetch('graphql', { // relative, so that the server may stand below a prefix
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json', 'X-API-Key': key },
      body: JSON.stringify({ query }),
      signal,
    });
    text = await response.text();
  } catch (cause) {
    if (cause.name === 'AbortError') throw cause;
    throw new Refusal({ message: 'the server cannot be reached: is it running?' });
  }
  const { status, headers } = response;
  if (status === 401) askForKey(key ? 'The server does not know this key. Check it for a missing letter, and try again.' : 'The server asks for an API key.');
  let body = null;
  try { body = JSON.parse(text); } catch { /* a proxy's page: ask refuses it, the query panel shows it as it is */ }
  return { status, text, body, ms: performance.now() - started, requestId: headers.get('X-Request-Id') ?? '', retryAfter: headers.get('Retry-After') };
}

/** Sends a query and gives its data, with the fault that parts of it lack for; an answer without data is a Refusal. */
async function ask(query, signal) {
  const answer = await send(query, signal);
  if (!answer.body?.data) throw new Refusal(errorOf(answer.body), answer);
  return { ...answer, data: answer.body.data, fault: answer.body.errors ? new Refusal(errorOf(answer.body), answer) : null };
}

/** Makes a task of which only the newest run matters: a new one aborts the one before. */
function newestOnly(task) {
  let controller;
  return async (...args) => {
    controller?.abort();
    const mine = controller = new AbortController();
    try {
      await task(mine.signal, ...args);
    } catch (cause) {
      if (!mine.signal.aborted) throw cause;
    }
  };
}

// --- The key ----------------------------------------------------------------------------------------------------------

function askForKey(text) {
  say('key-note', text);
  $('key-note').hidden = false;
  $('key').setAttribute('aria-invalid', 'true');
}

function useKey(event) {
  event.preventDefault();
  const typed = $('key').value.trim();
  if (!/^[\x21-\x7e]+$/.test(typed)) { // it could not be sent in a header
    askForKey('A key is made of letters, digits and signs, without blanks.');
    return;
  }
  key = typed;
  try { sessionStorage.setItem('coingraph.key', key); } catch { /* as above */ }
  $('key-note').hidden = true;
  $('key').removeAttribute('aria-invalid');
  loadChart();
  loadWatch();
}

// --- The chart's data -------------------------------------------------------------------------------------------------

const chartQuery = ({ asset, currency, range }) => `{
  asset(id: ${JSON.stringify(asset)}) {
    id symbol name
    price(currency: ${currency}) {
      price marketCap volume24h change24h lastUpdatedAt source
    }
    chart(currency: ${currency}, days: ${RANGES.get(range).days}, interval: ${RANGES.get(range).interval}) {
      interval sources fetchedAt
      timestamps prices marketCaps volumes
      coverage { complete holes { from to reason } }
    }
  }
}`;

const loadChart = newestOnly(async (signal) => {
  if (!key) {
    showFacts();
    showMessage('Enter an API key above to see the charts.', 'The demo prints its keys when it starts: dev-public-key is one.', false);
    return;
  }
  const { currency } = state;
  sent = chartQuery(state);
  $('stage').setAttribute('aria-busy', 'true');
  if (!view.asset) { // there is no chart to look at meanwhile
    showFacts();
    showMessage('Loading…', '', false);
  }
  showSent('Sent…');
  try {
    const answer = await ask(sent, signal);
    view = { currency, asset: answer.data.asset, fault: answer.fault };
    showSent(traffic(answer));
  } catch (fault) {
    if (signal.aborted || !(fault instanceof Refusal)) throw fault;
    view = { currency, asset: null, fault };
    showSent('No data came back.');
  } finally {
    if (!signal.aborted) $('stage').setAttribute('aria-busy', 'false');
  }
  showFacts();
  showChart();
});

function showMessage(text, code, retry) {
  say('message-text', text);
  say('message-code', code);
  $('retry').hidden = !retry;
  $('message').hidden = false;
}

function showFacts() {
  const { asset, currency } = view;
  const p = asset?.price;
  say('asset-name', asset?.name ?? state.asset);
  say('asset-symbol', asset?.symbol.toUpperCase());
  say('price', price(p?.price, currency));
  say('change', Number.isFinite(p?.change24h) && `${percent(p.change24h)} in 24 h`);
  $('change').className = `change ${direction(p?.change24h)}`;
  say('market-cap', compact(p?.marketCap, currency));
  say('volume', compact(p?.volume24h, currency));
  say('updated', p ? minute(p.lastUpdatedAt) : '–');
  say('source', p?.source ?? '–');
  document.title = p ? `${price(p.price, currency)} ${asset.name} · coingraph` : 'coingraph';
}

/** Shows the chosen column of the chart that is loaded, and what there is to say about it. */
function showChart() {
  const { asset, currency, fault } = view;
  const chart = asset?.chart;
  const column = COLUMNS.get(state.column);
  const text = (v) => (state.column === 'price' ? price(v, currency) : compact(v, currency));
  const values = chart?.[column.field] ?? [];
  const known = values.filter((v) => v !== null);
  plot.show({ times: chart?.timestamps ?? [], values, interval: chart?.interval ?? 'DAILY', text, fromZero: state.column === 'volume' });
  $('chart').setAttribute('aria-label', `${column.title} of ${asset?.name ?? state.asset} in ${currency}, times in UTC`);
  $('message').hidden = true;
  if (fault && !chart) showMessage(fault.message, fault.details, fault.status !== 401);
  else if (!known.length) showMessage('There is nothing to draw: no provider has these values in this range.', '', false);
  say('summary', known.length > 0 && `${percent((known.at(-1) / known[0] - 1) * 100)} in this range · low ${text(Math.min(...known))} · high ${text(Math.max(...known))}` +
    ` · ${known.length} ${chart.interval.toLowerCase()} points of ${chart.sources.join(', ')}`);
  say('coverage', chart && coverageNote(chart) + (fault ? ` ${fault.message} (${fault.details})` : ''));
}

/** Says what lacks of the range, reason by reason. A hole ends at the first instant that does not lack. */
function coverageNote({ coverage: { complete, holes }, interval }) {
  if (complete) return 'Complete: every point of this range is there.';
  const reasons = [...new Set(holes.map((h) => h.reason))];
  return 'Not complete: ' + reasons.map((reason) => {
    const ranges = holes.filter((h) => h.reason === reason).map((h) => `${stamp(h.from, interval)} until ${stamp(h.to, interval)}`);
    const more = ranges.length > 3 ? [`${ranges.length - 3} more`] : [];
    return `${[...ranges.slice(0, 3), ...more].join(', ')}: ${REASONS.get(reason) ?? reason}`;
  }).join('; ') + '.';
}

// --- The drawing ------------------------------------------------------------------------------------------------------

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** The least of 1, 2 and 5 times a power of ten that is at least raw. */
function niceStep(raw) {
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find((m) => m * power >= raw * (1 - 1e-9));
}

/** Labels of values that are step apart: with the digits that tell them from each other, and no more. */
function axisLabel(v, step, highest) {
  const unit = highest >= 1e4 ? 1000 ** Math.floor(Math.log10(highest) / 3) : 1;
  const digits = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  if (digits > 9) return format(v, { notation: 'scientific', maximumSignificantDigits: 3 });
  return format(v, { notation: unit > 1 ? 'compact' : 'standard', minimumFractionDigits: v ? digits : 0, maximumFractionDigits: digits });
}

/** Instants in UTC for the time axis, at most room of them, with their labels. */
function timeTicks(from, to, room) {
  const step = [1, 2, 3, 6, 12, 24, 48, 96, 168, 336].map((h) => h * HOUR).find((s) => (to - from) / s <= room);
  const ticks = [];
  if (step) {
    for (let t = Math.ceil(from / step) * step; t <= to; t += step) {
      const d = new Date(t);
      ticks.push([t, t % DAY ? d.toISOString().slice(11, 16) : `${MONTHS[d.getUTCMonth()]} ${d.getUTCDate()}`]);
    }
    return ticks;
  }
  const months = [1, 2, 3, 6, 12, 24, 36, 60].find((m) => (to - from) / (m * 30.4 * DAY) <= room) ?? 120;
  const first = new Date(from);
  for (let m = Math.ceil((first.getUTCFullYear() * 12 + first.getUTCMonth()) / months) * months; ; m += months) {
    const t = Date.UTC(Math.floor(m / 12), m % 12);
    if (t > to) return ticks;
    if (t >= from) ticks.push([t, m % 12 ? MONTHS[m % 12] : String(m / 12)]);
  }
}

/** The chart: a curve over an area, broken where points lack, with a crosshair for pointer and keyboard. */
const plot = (() => {
  const svg = $('chart');
  const tip = $('tip');
  const TOP = 10, BOTTOM = 26, RIGHT = 12;
  let series = { times: [], values: [], interval: 'DAILY', text: String, fromZero: false };
  let points = []; // those that have a value, with their place
  let box = { width: 0, bottom: 0 };
  let cross = null;
  let at = -1; // the crosshair's point; -1: none

  function draw() {
    const { width, height } = svg.getBoundingClientRect();
    const known = series.values.filter((v) => v !== null);
    svg.replaceChildren();
    points = [];
    leave();
    if (!known.length || !width) return;

    let low = Math.min(...known), high = Math.max(...known);
    const air = (high - low) * 0.06 || Math.abs(high) * 0.01 || 1;
    low = series.fromZero ? 0 : low - air;
    high += air;
    const step = niceStep((high - low) / Math.max(2, height / 60));
    const rungs = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high; i++) rungs.push([i * step, axisLabel(i * step || 0, step, high)]); // no -0
    const left = Math.max(...rungs.map(([, label]) => label.length)) * 7.5 + 10;
    const bottom = height - BOTTOM;
    const [from, to] = [series.times[0], series.times.at(-1)];
    const x = (t) => (to > from ? left + ((t - from) / (to - from)) * (width - RIGHT - left) : (left + width - RIGHT) / 2);
    const y = (v) => bottom - ((v - low) / (high - low)) * (bottom - TOP);

    for (const [v, label] of rungs) {
      svg.append(make('line', { class: 'grid', x1: left, x2: width - RIGHT, y1: y(v), y2: y(v) }), make('text', { x: left - 8, y: y(v) + 4, 'text-anchor': 'end' }, label));
    }
    for (const [t, label] of timeTicks(from, to, (width - left) / 76)) {
      const px = x(t);
      const anchor = px > width - RIGHT - 16 ? 'end' : px < left + 16 ? 'start' : 'middle';
      svg.append(make('line', { class: 'grid', x1: px, x2: px, y1: TOP, y2: bottom }), make('text', { x: px, y: height - 8, 'text-anchor': anchor }, label));
    }

    let curve = '', area = '', open = null;
    const close = () => {
      if (open) area += `L${points.at(-1).x},${bottom}H${open.x}Z`;
      open = null;
    };
    const longest = 1.5 * (series.interval === 'DAILY' ? DAY : HOUR);
    series.times.forEach((t, i) => {
      const v = series.values[i];
      if (v === null || (open && t - points.at(-1).t > longest)) close();
      if (v === null) return;
      const p = { t, v, x: +x(t).toFixed(1), y: +y(v).toFixed(1) };
      curve += open ? `L${p.x},${p.y}` : `M${p.x},${p.y}h0`; // h0: a point that stands alone is a dot
      area += open ? `L${p.x},${p.y}` : `M${p.x},${p.y}`;
      open ??= p;
      points.push(p);
    });
    close();
    const fade = make('linearGradient', { id: 'fade', x1: 0, x2: 0, y1: 0, y2: 1 }, make('stop', { offset: 0, 'stop-opacity': 0.25 }), make('stop', { offset: 1, 'stop-opacity': 0.02 }));
    cross = make('g', { visibility: 'hidden' }, make('line', { class: 'cross', y1: TOP, y2: bottom }), make('line', { class: 'cross', x1: left, x2: width - RIGHT }), make('circle', { class: 'dot', r: 4.5 }));
    svg.append(make('defs', {}, fade), make('path', { fill: 'url(#fade)', d: area }), make('path', { class: points.length > width ? 'curve dense' : 'curve', d: curve }), cross);
    box = { width, bottom };
    svg.setAttribute('aria-valuemax', points.length - 1);
  }

  function visit(i) {
    if (!points.length) return;
    at = Math.max(0, Math.min(points.length - 1, i));
    const p = points[at];
    const [vertical, horizontal, dot] = cross.children;
    vertical.setAttribute('x1', p.x);
    vertical.setAttribute('x2', p.x);
    horizontal.setAttribute('y1', p.y);
    horizontal.setAttribute('y2', p.y);
    dot.setAttribute('cx', p.x);
    dot.setAttribute('cy', p.y);
    cross.setAttribute('visibility', 'visible');
    const when = stamp(p.t, series.interval);
    say('tip-value', series.text(p.v));
    say('tip-time', series.interval === 'DAILY' ? `${when} UTC` : when);
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    const px = p.x + 12 + width > box.width ? p.x - 12 - width : p.x + 12;
    tip.style.transform = `translate(${Math.max(0, px)}px, ${Math.max(0, Math.min(box.bottom - height, p.y - height - 8))}px)`;
    svg.setAttribute('aria-valuenow', at);
    svg.setAttribute('aria-valuetext', `${series.text(p.v)} at ${when}`);
  }

  function leave() {
    at = -1;
    tip.hidden = true;
    cross?.setAttribute('visibility', 'hidden');
    svg.setAttribute('aria-valuenow', Math.max(0, points.length - 1));
    svg.setAttribute('aria-valuetext', points.length ? `${points.length} points, arrow keys read them` : 'no points');
  }

  function follow(event) {
    const px = event.clientX - svg.getBoundingClientRect().left;
    let low = 0, high = points.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (points[middle].x < px) low = middle;
      else high = middle;
    }
    visit(high > 0 && points[high].x - px < px - points[low].x ? high : low);
  }

  svg.addEventListener('pointermove', follow);
  svg.addEventListener('pointerdown', follow);
  svg.addEventListener('pointerleave', leave);
  svg.addEventListener('blur', leave);
  svg.addEventListener('keydown', (event) => {
    const last = points.length - 1, here = at < 0 ? last : at, page = Math.ceil(points.length / 10);
    const targets = { ArrowLeft: at < 0 ? last : here - 1, ArrowRight: here + 1, PageUp: here - page, PageDown: here + page, Home: 0, End: last };
    if (event.key === 'Escape') leave();
    else if (Object.hasOwn(targets, event.key)) visit(targets[event.key]);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(svg);

  return { show(next) { series = next; draw(); } };
})();

// --- The search -------------------------------------------------------------------------------------------------------

{
  const input = $('search'), list = $('found');
  let found = [], active = -1, timer = 0;

  function show(rows, note) {
    list.replaceChildren(...rows);
    list.hidden = rows.length === 0;
    input.setAttribute('aria-expanded', String(rows.length > 0));
    say('found-note', note);
    activate(found.length ? 0 : -1);
  }

  function close() {
    clearTimeout(timer);
    look(''); // aborts what is on its way
  }

  function activate(i) {
    active = i;
    [...list.children].forEach((row, n) => row.setAttribute('aria-selected', String(n === i)));
    if (i < 0) return input.removeAttribute('aria-activedescendant');
    input.setAttribute('aria-activedescendant', `found-${i}`);
    list.children[i].scrollIntoView({ block: 'nearest' });
  }

  function choose(i) {
    const { id } = found[i];
    input.value = '';
    close();
    go({ asset: id });
  }

  const look = newestOnly(async (signal, text) => {
    found = [];
    if (!text) return show([], '');
    try {
      const { data } = await ask(`{ assets(search: ${JSON.stringify(text)}, first: 10) { totalCount nodes { id symbol name } } }`, signal);
      found = data.assets.nodes;
      const rows = found.map((a, i) => make('li', { role: 'option', id: `found-${i}` }, make('span', {}, a.name), make('span', { class: 'quiet' }, a.symbol.toUpperCase())));
      rows.forEach((row, i) => row.addEventListener('click', () => choose(i)));
      if (rows.length) show(rows, `${found.length} of ${data.assets.totalCount} assets`);
      else show([note('No asset has this in its name, symbol or id.')], 'No asset found');
    } catch (fault) {
      if (signal.aborted || !(fault instanceof Refusal)) throw fault;
      show([note(fault.message)], fault.message);
    }
  });
  const note = (text) => make('li', { role: 'option', 'aria-disabled': 'true', class: 'quiet' }, text);

  input.addEventListener('input', () => {
    clearTimeout(timer);
    timer = setTimeout(() => look(input.value.trim()), 200);
  });
  input.addEventListener('keydown', (event) => {
    if (event.key === 'ArrowDown' && found.length) activate((active + 1) % found.length);
    else if (event.key === 'ArrowUp' && found.length) activate((active + found.length - 1) % found.length);
    else if (event.key === 'Enter' && active >= 0) choose(active);
    else if (event.key === 'Escape' && !list.hidden) close();
    else return;
    event.preventDefault();
  });
  input.addEventListener('blur', close);
  list.addEventListener('pointerdown', (event) => event.preventDefault()); // or blur would close the list before the click
}

// --- The table --------------------------------------------------------------------------------------------------------

const watchQuery = (currency) => `{
  assets(ids: ${JSON.stringify(WELL_KNOWN)}) {
    nodes {
      id symbol name
      price(currency: ${currency}) { price change24h }
      chart(currency: ${currency}, days: 7, interval: HOURLY) { prices }
    }
  }
}`;

let watched = { currency: 'USD', assets: new Map() };

const loadWatch = newestOnly(async (signal) => {
  if (!key) return;
  const { currency } = state;
  $('watch').setAttribute('aria-busy', 'true');
  try {
    const { data, fault, ms } = await ask(watchQuery(currency), signal);
    watched = { currency, assets: new Map(data.assets?.nodes.map((a) => [a.id, a])) };
    say('watch-note', fault ? `${fault.message} (${fault.details})` : `All of it in one query, ${format(ms, { maximumFractionDigits: 0 })} ms.`);
  } catch (fault) {
    if (signal.aborted || !(fault instanceof Refusal)) throw fault;
    watched = { currency, assets: new Map() };
    say('watch-note', `${fault.message} (${fault.details})`);
  } finally {
    if (!signal.aborted) $('watch').setAttribute('aria-busy', 'false');
  }
  showWatch();
});

function showWatch() {
  $('watch').replaceChildren(...WELL_KNOWN.map((id) => {
    const asset = watched.assets.get(id);
    const change = asset?.price?.change24h;
    const name = make('a', { href: linkTo({ asset: id }) }, asset?.name ?? id);
    if (id === state.asset) name.setAttribute('aria-current', 'true');
    return make('tr', { class: id === state.asset ? 'current' : '' },
      make('td', {}, name, make('small', { class: 'quiet' }, asset?.symbol.toUpperCase() || '\u00a0')),
      make('td', { class: 'number' }, price(asset?.price?.price, watched.currency), make('small', { class: direction(change) }, asset ? percent(change) : '\u00a0')),
      make('td', { class: 'number' }, sparkline(asset?.chart?.prices ?? [])));
  }));
}

function sparkline(prices) {
  const known = prices.filter((v) => v !== null);
  if (known.length < 2) return '–';
  const low = Math.min(...known), span = Math.max(...known) - low || 1;
  const change = (known.at(-1) / known[0] - 1) * 100;
  const d = known.map((v, i) => `${((i / (known.length - 1)) * 100).toFixed(1)},${(26 - ((v - low) / span) * 24).toFixed(1)}`).join('L');
  return make('svg', { class: `spark ${direction(change)}`, viewBox: '0 0 100 28', preserveAspectRatio: 'none', role: 'img', 'aria-label': `${percent(change)} in 7 days` }, make('path', { d: `M${d}` }));
}

// --- The queries ------------------------------------------------------------------------------------------------------

const quote = (s) => `'${s.replaceAll("'", `'\\''`)}'`; // for a shell
const curl = (secret) => `curl -s ${quote(new URL('graphql', location.href).href)} -H ${quote(`X-API-Key: ${secret}`)} -H 'Content-Type: application/json' -d ${quote(JSON.stringify({ query: sent.replace(/\s+/g, ' ') }))}`;

function showSent(note) {
  $('sent').textContent = sent;
  $('curl').textContent = curl('YOUR-KEY'); // a screen is easily seen by others
  say('sent-note', note);
}

async function copyCurl() {
  try {
    await navigator.clipboard.writeText(curl(key));
    say('copy-note', 'Copied, with your key in it.');
  } catch { // there is no clipboard without HTTPS, or it is not allowed
    $('curl').textContent = curl(key);
    getSelection().selectAllChildren($('curl'));
    say('copy-note', 'The browser does not let the page copy: the line is selected, copy it yourself.');
  }
}

const run = newestOnly(async (signal) => {
  say('result-note', 'Running…');
  try {
    const answer = await send($('editor').value, signal);
    const { body, text } = answer;
    // Lists of numbers on one line: a newline as such stands in no JSON string.
    $('result').textContent = body ? JSON.stringify(body, null, 2).replace(/\[\n[\d\s,.eE+\-nul]*\]/g, (list) => list.replace(/\s+/g, ' ')) : text;
    say('result-note', `HTTP ${answer.status} · ${traffic(answer)}`);
  } catch (fault) {
    if (signal.aborted || !(fault instanceof Refusal)) throw fault;
    $('result').textContent = '';
    say('result-note', fault.message);
  }
});

function edit(query) {
  $('queries').open = true;
  $('editor').value = query;
  $('editor').focus();
}

// --- Start ------------------------------------------------------------------------------------------------------------

function fillControls() {
  const names = new Intl.DisplayNames(['en'], { type: 'currency', fallback: 'none' });
  const option = (code) => make('option', { value: code }, COINS.includes(code) ? code : `${code} – ${names.of(code) ?? code}`);
  for (const [label, codes] of [['Money', MONEY], ['Metals and SDR', METALS], ['Coins', COINS]]) {
    $('currency').append(make('optgroup', { label }, ...codes.map(option)));
  }
  for (const [group, choices, name] of [['ranges', RANGES, 'range'], ['columns', COLUMNS, 'column']]) {
    for (const [value, { label, title }] of choices) {
      const button = make('button', { type: 'button', title, 'data-value': value }, label);
      button.addEventListener('click', () => go({ [name]: value }));
      $(group).append(button);
    }
  }
}

function showControls() {
  $('currency').value = state.currency;
  for (const [group, value] of [['ranges', state.range], ['columns', state.column]]) {
    for (const button of $(group).children) button.setAttribute('aria-pressed', String(button.dataset.value === value));
  }
}

function followHash() {
  const before = state;
  state = readState();
  showControls();
  showWatch();
  if (['asset', 'currency', 'range'].some((part) => state[part] !== before[part])) loadChart();
  else if (key) showChart();
  if (state.currency !== before.currency) loadWatch();
}

$('key').value = key;
$('key-form').addEventListener('submit', useKey);
$('key-show').addEventListener('click', () => {
  const shown = $('key').type === 'text';
  $('key').type = shown ? 'password' : 'text';
  $('key-show').setAttribute('aria-pressed', String(!shown));
});
$('currency').addEventListener('change', () => go({ currency: $('currency').value }));
$('retry').addEventListener('click', () => loadChart());
$('copy').addEventListener('click', copyCurl);
$('use-query').addEventListener('click', () => edit(sent));
$('use-watch').addEventListener('click', () => edit(watchQuery(state.currency)));
$('run').addEventListener('click', () => run());
$('editor').addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) run();
});
$('editor').value = '{\n  simplePrice(assets: ["bitcoin", "ethereum"], currencies: [USD, EUR]) {\n    asset { name }\n    currency price change24h lastUpdatedAt\n  }\n}';
addEventListener('hashchange', followHash);

fillControls();
showControls();
showFacts();
showWatch();
sent = chartQuery(state);
showSent('Not sent yet.');
loadChart();
loadWatch();
