-- The log in segments, which takes the place of ops.log: a row is what one replica logged in a while, as one gzip member of
-- JSON lines. Members can be concatenated, so an export is a copy. seq rises in the order of commits: see lockLog.
CREATE TABLE {{.Table "ops.log_segments"}} (
	seq     {{.BigIntID}},
	name    {{.Text}}   NOT NULL UNIQUE,
	replica {{.Text}}   NOT NULL,
	from_ts {{.BigInt}} NOT NULL,
	to_ts   {{.BigInt}} NOT NULL,
	lines   {{.BigInt}} NOT NULL,
	bytes   {{.BigInt}} NOT NULL,
	data    {{.Bytes}}  NOT NULL
) {{.Plain}};
{{- if .Postgres}}

-- It is compressed already.
ALTER TABLE ops.log_segments ALTER COLUMN data SET STORAGE EXTERNAL;
{{- end}}

CREATE INDEX log_segments_to ON {{.Table "ops.log_segments"}} (to_ts);

-- What admins did, one JSON line each, written in the transaction of what they did. A row stays here until it is moved
-- into a segment, again in one transaction.
CREATE TABLE {{.Table "ops.audit"}} (
	id      {{.BigIntID}},
	time    {{.BigInt}} NOT NULL,
	line    {{.Text}}   NOT NULL
) {{.Plain}};

-- Who is alive, by the database's clock, and up to which request to ship its segment each has done so.
CREATE TABLE {{.Table "ops.replicas"}} (
	name    {{.Text}}   NOT NULL PRIMARY KEY,
	seen_at {{.BigInt}} NOT NULL,
	flushed {{.BigInt}} NOT NULL
) {{.Keyed}};

-- One row: how often replicas were asked to ship their segments, and the key that signs download links.
CREATE TABLE {{.Table "ops.log_state"}} (
	one         {{.Int}}    NOT NULL PRIMARY KEY CHECK (one = 1),
	flush       {{.BigInt}} NOT NULL,
	signing_key {{.Text}}   NOT NULL
) {{.Plain}};
