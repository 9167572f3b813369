-- What is kept of each provider without Redis: the calls of each key in each window, pauses, the breaker. JSON.
CREATE TABLE {{.Table "ops.upstream_quota"}} (
	provider {{.Text}} NOT NULL PRIMARY KEY,
	state    {{.Text}} NOT NULL
) {{.Keyed}};

-- The bill: calls to providers, a row for each minute and all that they have in common. pool_key is the id of the
-- provider's key, caller the consumer's. The fields that vary most are last.
CREATE TABLE {{.Table "ops.upstream_calls"}} (
	provider  {{.Text}}   NOT NULL,
	minute    {{.BigInt}} NOT NULL,
	pool_key  {{.Text}}   NOT NULL,
	lane      {{.Text}}   NOT NULL,
	operation {{.Text}}   NOT NULL,
	asset     {{.Text}}   NOT NULL,
	caller    {{.Text}}   NOT NULL,
	calls     {{.BigInt}} NOT NULL,
	failed    {{.BigInt}} NOT NULL,
	PRIMARY KEY (provider, minute, pool_key, lane, operation, asset, caller)
) {{.Keyed}};
