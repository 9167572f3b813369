-- Points that were held back because they look like a vendor's bad tick, of charts (metric is '') and of metrics (currency is
-- '', and price is the metric's value). released_at is NULL while a point is held back.
CREATE TABLE {{.Table "ops.quarantine"}} (
	id             {{.BigIntID}},
	asset          {{.Text}}     NOT NULL,
	currency       {{.Text}}     NOT NULL,
	metric         {{.Text}}     NOT NULL,
	interval       {{.Text}}     NOT NULL,
	ts             {{.BigInt}}   NOT NULL,
	price          {{.Float}},
	market_cap     {{.Float}},
	volume         {{.Float}},
	missing        {{.SmallInt}} NOT NULL,
	source         {{.Text}}     NOT NULL,
	fetched_at     {{.BigInt}}   NOT NULL,
	quarantined_at {{.BigInt}}   NOT NULL,
	reason         {{.Text}}     NOT NULL,
	released_at    {{.BigInt}},
	released_by    {{.Text}}     NOT NULL DEFAULT ''
) {{.Plain}};

-- A point that is fetched again is held back once.
CREATE UNIQUE INDEX quarantine_held ON {{.Table "ops.quarantine"}} (asset, currency, metric, interval, ts, source) WHERE released_at IS NULL;
