package main

import "iter"

// layout is a way to lay the table out.
type layout struct {
	name  string
	table string // statements that make the table "points", after one that makes "plain", which has the columns alone
	rows  func(market) iter.Seq[row]
	after string // what is done once it is filled
}

const key = "PRIMARY KEY (series_id, ts)"

func layouts() []layout {
	// The current table, exactly as the migrations make it.
	current := "CREATE UNLOGGED TABLE points (LIKE charts.points INCLUDING ALL)"
	covering := "CREATE UNLOGGED TABLE points (LIKE plain); ALTER TABLE points ADD " + key +
		"; CREATE UNIQUE INDEX points_all ON points (series_id, ts) INCLUDE (price, market_cap, volume, fetched_at, source_id, missing)" +
		"; ALTER TABLE points DROP CONSTRAINT points_pkey"
	return []layout{
		{name: "btree-by-series", table: current, rows: market.bySeries},
		{name: "btree-by-day", table: current, rows: market.byDay},
		{name: "btree-by-day-clustered", table: current, rows: market.byDay, after: "CLUSTER points USING points_pkey"},
		{name: "covering-by-day", table: covering, rows: market.byDay},
		{name: "hash16-by-day", table: partitioned("HASH (series_id)", hashPartitions), rows: market.byDay},
		{name: "years-by-day", table: partitioned("RANGE (ts)", yearPartitions), rows: market.byDay},
		{name: "brin-by-series", table: "CREATE UNLOGGED TABLE points (LIKE plain); CREATE INDEX ON points USING brin (series_id, ts) WITH (pages_per_range = 16)", rows: market.bySeries},
		{name: "btree-by-day-fill80", table: current + "; ALTER TABLE points SET (fillfactor = 80)", rows: market.byDay},
	}
}

func layoutNames() []string {
	var names []string
	for _, l := range layouts() {
		names = append(names, l.name)
	}
	return names
}
