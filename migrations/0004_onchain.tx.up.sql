{{- if .Postgres}}
CREATE SCHEMA IF NOT EXISTS onchain;
{{- end}}

-- On-chain metrics, in tables of the charts' form. The names of their providers are among charts.sources.
-- A writer of a series holds the lock of its row in here.
CREATE TABLE {{.Table "onchain.series"}} (
	id       {{.IntID}},
	asset    {{.Text}} NOT NULL,
	metric   {{.Text}} NOT NULL,
	interval {{.Text}} NOT NULL,
	UNIQUE (asset, metric, interval)
) {{.Plain}};

-- ts is the instant that begins the step which the value covers.
-- missing is 1 where the provider left the value out rather than sent it as null.
CREATE TABLE {{.Table "onchain.points"}} (
	ts         {{.BigInt}}   NOT NULL,
	fetched_at {{.BigInt}}   NOT NULL,
	value      {{.Float}},
	series_id  {{.Int}}      NOT NULL,
	source_id  {{.SmallInt}} NOT NULL,
	missing    {{.SmallInt}} NOT NULL,
	PRIMARY KEY (series_id, ts)
) {{.Keyed}};

-- Half-open ranges of grid instants that a series is known for; hole says why a range has no points, '' that it has.
CREATE TABLE {{.Table "onchain.coverage"}} (
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

CREATE VIEW {{.Table "onchain.v_points"}} AS
SELECT s.asset, s.metric, s.interval, {{.Instant "p.ts"}} AS ts, p.value,
	n.name AS source, {{.Instant "p.fetched_at"}} AS fetched_at
FROM {{.Table "onchain.points"}} AS p
JOIN {{.Table "onchain.series"}} AS s ON s.id = p.series_id
JOIN {{.Table "charts.sources"}} AS n ON n.id = p.source_id;
