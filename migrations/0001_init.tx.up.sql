-- All instants are Unix milliseconds (UTC); the views show them as timestamps. All numbers are providers' own doubles.
{{- if .Postgres}}
CREATE SCHEMA IF NOT EXISTS catalog;
CREATE SCHEMA IF NOT EXISTS prices;
CREATE SCHEMA IF NOT EXISTS charts;
{{- end}}

CREATE TABLE {{.Table "catalog.assets"}} (
	id     {{.Text}} NOT NULL PRIMARY KEY,
	symbol {{.Text}} NOT NULL,
	name   {{.Text}} NOT NULL
) {{.Keyed}};

-- One row: which catalogue it is.
CREATE TABLE {{.Table "catalog.state"}} (
	one        {{.Int}}    NOT NULL PRIMARY KEY CHECK (one = 1),
	fetched_at {{.BigInt}} NOT NULL
) {{.Plain}};

CREATE TABLE {{.Table "prices.latest"}} (
	asset           {{.Text}}   NOT NULL,
	currency        {{.Text}}   NOT NULL,
	price           {{.Float}}  NOT NULL,
	market_cap      {{.Float}},
	volume_24h      {{.Float}},
	change_24h      {{.Float}},
	last_updated_at {{.BigInt}} NOT NULL,
	fetched_at      {{.BigInt}} NOT NULL,
	source          {{.Text}}   NOT NULL,
	PRIMARY KEY (asset, currency)
) {{.Keyed}};

-- A writer of a series holds the lock of its row in here.
CREATE TABLE {{.Table "charts.series"}} (
	id       {{.IntID}},
	asset    {{.Text}} NOT NULL,
	currency {{.Text}} NOT NULL,
	interval {{.Text}} NOT NULL,
	UNIQUE (asset, currency, interval)
) {{.Plain}};

-- The providers' names, so that a point needs two bytes to name one.
CREATE TABLE {{.Table "charts.sources"}} (
	id   {{.SmallIntID}},
	name {{.Text}} NOT NULL UNIQUE
) {{.Plain}};

-- The big table: wide columns first, eight of them, so that a row has neither padding nor a second byte of null bitmap.
-- No foreign keys: rows are written under the lock of their series, whose rows nobody deletes.
-- missing is the bitmask of values that the provider left out (1 price, 2 market cap, 4 volume) rather than sent as null.
CREATE TABLE {{.Table "charts.points"}} (
	ts         {{.BigInt}}   NOT NULL,
	fetched_at {{.BigInt}}   NOT NULL,
	price      {{.Float}},
	market_cap {{.Float}},
	volume     {{.Float}},
	series_id  {{.Int}}      NOT NULL,
	source_id  {{.SmallInt}} NOT NULL,
	missing    {{.SmallInt}} NOT NULL,
	PRIMARY KEY (series_id, ts)
) {{.Keyed}};

-- A series' trailing "now" point, which is no part of its charts.
CREATE TABLE {{.Table "charts.tails"}} (
	series_id  {{.Int}}      NOT NULL PRIMARY KEY,
	ts         {{.BigInt}}   NOT NULL,
	fetched_at {{.BigInt}}   NOT NULL,
	price      {{.Float}},
	market_cap {{.Float}},
	volume     {{.Float}},
	source_id  {{.SmallInt}} NOT NULL,
	missing    {{.SmallInt}} NOT NULL
) {{.Plain}};

-- Half-open ranges of grid instants that a provider was asked for; hole says why a range has no points, '' that it has.
CREATE TABLE {{.Table "charts.coverage"}} (
	series_id  {{.Int}}    NOT NULL,
	from_ts    {{.BigInt}} NOT NULL,
	to_ts      {{.BigInt}} NOT NULL,
	provider   {{.Text}}   NOT NULL,
	fetched_at {{.BigInt}} NOT NULL,
	due_at     {{.BigInt}} NOT NULL,
	tries      {{.Int}}    NOT NULL,
	hole       {{.Text}}   NOT NULL,
	PRIMARY KEY (series_id, provider, from_ts)
) {{.Keyed}};

CREATE TABLE {{.Table "ops.log"}} (
	id             {{.BigIntID}},
	time           {{.BigInt}} NOT NULL,
	level          {{.Text}}   NOT NULL,
	event          {{.Text}}   NOT NULL,
	request_id     {{.Text}}   NOT NULL,
	replica        {{.Text}}   NOT NULL,
	key_id         {{.Text}}   NOT NULL,
	method         {{.Text}}   NOT NULL,
	route          {{.Text}}   NOT NULL,
	operation      {{.Text}}   NOT NULL,
	status         {{.Int}}    NOT NULL,
	code           {{.Text}}   NOT NULL,
	duration_ns    {{.BigInt}} NOT NULL,
	cache          {{.Text}}   NOT NULL,
	upstream_calls {{.Int}}    NOT NULL,
	bytes          {{.BigInt}} NOT NULL,
	provider       {{.Text}}   NOT NULL,
	message        {{.Text}}   NOT NULL
) {{.Plain}};

CREATE INDEX log_time ON {{.Table "ops.log"}} (time);

CREATE VIEW {{.Table "prices.v_latest"}} AS
SELECT asset, currency, price, market_cap, volume_24h, change_24h,
	{{.Instant "last_updated_at"}} AS last_updated_at, source, {{.Instant "fetched_at"}} AS fetched_at
FROM {{.Table "prices.latest"}};

CREATE VIEW {{.Table "charts.v_points"}} AS
SELECT s.asset, s.currency, s.interval, {{.Instant "p.ts"}} AS ts, p.price, p.market_cap, p.volume,
	n.name AS source, {{.Instant "p.fetched_at"}} AS fetched_at
FROM {{.Table "charts.points"}} AS p
JOIN {{.Table "charts.series"}} AS s ON s.id = p.series_id
JOIN {{.Table "charts.sources"}} AS n ON n.id = p.source_id;
