package store

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coingraph/coingraph/market"
)

// TestAReadIsOneRangeScan: Postgres finds the points of a window in one range of the index of the table, once it has seen how
// large the table is.
func TestAReadIsOneRangeScan(t *testing.T) {
	server := os.Getenv("TEST_DATABASE_URL")
	if server == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("TEST_DATABASE_URL is not set: CI has to test Postgres")
		}
		t.Skip("TEST_DATABASE_URL is not set: not tested on Postgres")
	}
	ctx := t.Context()
	admin, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	const name = "coingraph_test_explain"
	if _, err := admin.Exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = admin.Exec(context.Background(), "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		_ = admin.Close(context.Background())
	})
	s, err := Open(Options{DatabaseURL: strings.Replace(server, "/postgres?", "/"+name+"?", 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = s.writes().ExecContext(ctx, `
		INSERT INTO charts.sources (name) VALUES ('coingecko');
		INSERT INTO charts.series (asset, currency, interval) SELECT 'asset ' || i, 'usd', 'daily' FROM generate_series(1, 50) AS i;
		INSERT INTO charts.points (ts, fetched_at, price, series_id, source_id, missing)
			SELECT d * 86400000::bigint, 0, 1, s, 1, 0 FROM generate_series(1, 50) AS s, generate_series(16000, 18999) AS d;
		ANALYZE charts.points; ANALYZE charts.series`)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	day := market.Daily.Step()
	err = s.each(ctx, "EXPLAIN (ANALYZE, BUFFERS) "+chartKind.histories, batch{
		{"i", []int64{0}},
		{"asset", []string{"asset 7"}},
		{"subject", []string{"usd"}},
		{"interval", []string{"daily"}},
		{"lo", []int64{18_000 * day}},
		{"hi", []int64{18_365 * day}},
	}, func(row scanner) error {
		var line string
		err := row.Scan(&line)
		lines = append(lines, line)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	plan := strings.Join(lines, "\n")
	t.Log(plan)
	if strings.Contains(plan, "Seq Scan on points") || strings.Count(plan, "points_pkey") != 1 ||
		!strings.Contains(plan, "Index Cond: ((p.series_id = ") && !strings.Contains(plan, "Index Cond: ((series_id = ") {
		t.Errorf("the points are not read in one range of the index:\n%s", plan)
	}
}
