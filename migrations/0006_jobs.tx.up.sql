-- Who may work on what, until when by this database's clock. A new holder has a new epoch. That the epoch is part of a key
-- makes Postgres lock the row against those who hold it for key share, which are the writers of the old holder, only
-- when the holder changes, and not when the expiry is put off.
CREATE TABLE {{.Table "ops.leases"}} (
	name       {{.Text}}   NOT NULL PRIMARY KEY,
	epoch      {{.BigInt}} NOT NULL,
	holder     {{.Text}}   NOT NULL,
	expires_at {{.BigInt}} NOT NULL,
	UNIQUE (name, epoch)
) {{.Plain}};

-- Runs of jobs. request_key is what the same request has again; args and problems are JSON.
CREATE TABLE {{.Table "ops.job_runs"}} (
	id               {{.BigIntID}},
	kind             {{.Text}}   NOT NULL,
	args             {{.Text}}   NOT NULL,
	asked            {{.Text}}   NOT NULL, -- the arguments as they were submitted
	request_key      {{.Text}}   UNIQUE,
	scheduled_for    {{.BigInt}},
	submitted_by     {{.Text}}   NOT NULL,
	state            {{.Text}}   NOT NULL,
	cancel_requested {{.SmallInt}} NOT NULL,
	attempts         {{.Int}}    NOT NULL,
	replica          {{.Text}}   NOT NULL,
	planned          {{.BigInt}} NOT NULL,
	done             {{.BigInt}} NOT NULL,
	failed           {{.BigInt}} NOT NULL,
	not_offered      {{.BigInt}} NOT NULL,
	calls            {{.BigInt}} NOT NULL,
	points           {{.BigInt}} NOT NULL,
	revised          {{.BigInt}} NOT NULL,
	problems         {{.Text}}   NOT NULL,
	created_at       {{.BigInt}} NOT NULL,
	started_at       {{.BigInt}},
	finished_at      {{.BigInt}}
) {{.Plain}};

CREATE INDEX job_runs_unfinished ON {{.Table "ops.job_runs"}} (kind, id) WHERE finished_at IS NULL;
CREATE UNIQUE INDEX job_runs_scheduled ON {{.Table "ops.job_runs"}} (kind, scheduled_for) WHERE scheduled_for IS NOT NULL;

-- Since when there has been a scheduler.
CREATE TABLE {{.Table "ops.schedules"}} (
	name     {{.Text}}   NOT NULL PRIMARY KEY,
	since_at {{.BigInt}} NOT NULL
) {{.Keyed}};

-- What clients asked for, by day (Unix ms of 00:00 UTC). A price has no metric and no interval, and 0 days; -1 days are max.
CREATE TABLE {{.Table "ops.demand"}} (
	day      {{.BigInt}} NOT NULL,
	asset    {{.Text}}   NOT NULL,
	currency {{.Text}}   NOT NULL,
	metric   {{.Text}}   NOT NULL,
	interval {{.Text}}   NOT NULL,
	days     {{.BigInt}} NOT NULL,
	asked    {{.BigInt}} NOT NULL,
	PRIMARY KEY (day, asset, currency, metric, interval, days)
) {{.Keyed}};
