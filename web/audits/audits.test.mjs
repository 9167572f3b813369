// The audits of GraphQL over HTTP that come with npm graphql-http, on a server that runs already and whose introspection
// is open: COINGRAPH_URL, as run.sh starts it. What the specification only recommends or allows must hold as well.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { serverAudits } from 'graphql-http';

const base = process.env.COINGRAPH_URL;
assert.ok(base, 'COINGRAPH_URL must name a running server: run.sh starts one');
const key = process.env.COINGRAPH_KEY ?? 'dev-public-key';

const audits = serverAudits({
  url: `${base}/graphql`,
  fetchFn: (url, init) => fetch(url, { ...init, headers: { ...init?.headers, 'X-API-Key': key }, signal: AbortSignal.timeout(10_000) }),
});
const counts = { ok: 0, warn: 0 };

for (const { id, name, fn } of audits) {
  test(`${id} ${name}`, async () => {
    const result = await fn();
    if (result.status === 'ok') {
      counts.ok++;
      return;
    }
    if (result.status !== 'error') counts.warn++; // warn and notice: a SHOULD and a MAY that do not hold
    const { status, headers } = result.response;
    assert.fail(`${result.status}: ${result.reason}; the answer was ${status} ${headers.get('content-type')}`);
  });
}

// A release with fewer or other audits must not pass for this one.
test('there are 61 audits', () => assert.equal(audits.length, 61));

after(() => console.log(`audits: ${counts.ok} ok, ${counts.warn} warn, ${audits.length - counts.ok - counts.warn} fail`));
