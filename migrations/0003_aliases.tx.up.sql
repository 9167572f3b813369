-- What proves that an asset's id was renamed, and the ids that were.
ALTER TABLE {{.Table "catalog.assets"}} ADD COLUMN contracts {{.Text}} NOT NULL DEFAULT '';

CREATE TABLE {{.Table "catalog.aliases"}} (
	old_id {{.Text}}   NOT NULL PRIMARY KEY,
	new_id {{.Text}}   NOT NULL,
	since  {{.BigInt}} NOT NULL
) {{.Keyed}};
