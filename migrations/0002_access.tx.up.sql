{{- if .Postgres}}
CREATE SCHEMA IF NOT EXISTS access;
{{- end}}

-- API keys without their secrets; hash is the SHA-256 of one in hex. NULL instants are events that have not come.
CREATE TABLE {{.Table "access.api_keys"}} (
	id           {{.Text}}   NOT NULL PRIMARY KEY,
	name         {{.Text}}   NOT NULL,
	tier         {{.Text}}   NOT NULL,
	hash         {{.Text}}   NOT NULL UNIQUE,
	created_at   {{.BigInt}} NOT NULL,
	expires_at   {{.BigInt}},
	last_used_at {{.BigInt}},
	revoked_at   {{.BigInt}}
) {{.Keyed}};

-- A name is free again once its key is revoked.
CREATE UNIQUE INDEX api_keys_name ON {{.Table "access.api_keys"}} (name) WHERE revoked_at IS NULL;
