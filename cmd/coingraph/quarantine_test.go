package main

import (
	"testing"
	"time"

	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/store"
)

// TestQuarantine: admins see what was held back and release it; nobody else does.
func TestQuarantine(t *testing.T) {
	everyBackend(t, func(t *testing.T, s *server) {
		db, err := store.Open(store.Options{DatabaseURL: s.env["DATABASE_URL"], DataDir: s.env["DATA_DIR"]})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
		w := market.SeriesWrite{SeriesKey: market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}}
		w.Source, w.FetchedAt = "coingecko", at.Add(2*time.Hour)
		point := market.Point{Stamp: at.UnixMilli(), Price: 5000, MarketCap: float64(market.Null()), Volume: 3, Source: w.Source, FetchedAt: w.FetchedAt}
		w.Quarantined = []market.Quarantined{{Point: point, At: w.FetchedAt, Reason: "far out"}}
		if err := db.SaveSeries(t.Context(), w); err != nil {
			t.Fatal(err)
		}

		type node struct {
			ID, Asset, Currency, Interval, Timestamp, Source, Reason string
			Metric, ReleasedAt, ReleasedBy                           *string
			Value, Volume                                            float64
			MarketCap                                                *float64
		}
		var data struct {
			Quarantine struct {
				Nodes    []node
				Edges    []struct{ Cursor string }
				PageInfo struct{ HasNextPage bool }
			}
			ReleaseFromQuarantine node
		}
		const fields = `id asset currency metric interval timestamp value marketCap volume source reason releasedAt releasedBy`
		const list = `{ quarantine(first: 5) { nodes { ` + fields + ` } edges { cursor } pageInfo { hasNextPage } } }`
		const release = `mutation($id: ID!) { releaseFromQuarantine(id: $id) { ` + fields + ` } }`
		if g := s.query(publicKey, plain, list, nil); g.codes() != "FORBIDDEN" {
			t.Errorf("as a user: %s", g.body)
		}
		if g := s.query(publicKey, plain, release, map[string]any{"id": "1"}); g.codes() != "FORBIDDEN" {
			t.Errorf("released by a user: %s", g.body)
		}
		if g := s.query(adminKey, plain, `{ quarantine(first: 0, after: "!") { nodes { id } } }`, nil); g.codes() != "BAD_USER_INPUT" {
			t.Errorf("a bad page: %s", g.body)
		}
		s.query(adminKey, plain, list, nil).into(t, &data)
		if len(data.Quarantine.Nodes) != 1 || len(data.Quarantine.Edges) != 1 || data.Quarantine.PageInfo.HasNextPage {
			t.Fatalf("quarantine: %+v", data.Quarantine)
		}
		n := data.Quarantine.Nodes[0]
		if n.Asset != "bitcoin" || n.Currency != "USD" || n.Interval != "daily" || n.Timestamp != "2026-01-02T00:00:00Z" || n.Value != 5000 ||
			n.Volume != 3 || n.MarketCap != nil || n.Metric != nil || n.ReleasedAt != nil || n.ReleasedBy != nil || n.Reason != "far out" {
			t.Errorf("quarantined: %+v", n)
		}
		if g := s.query(adminKey, plain, release, map[string]any{"id": "no such"}); g.codes() != "NOT_FOUND" {
			t.Errorf("one that there is not: %s", g.body)
		}
		s.query(adminKey, plain, release, map[string]any{"id": n.ID}).into(t, &data)
		if r := data.ReleaseFromQuarantine; r.ID != n.ID || r.ReleasedAt == nil || r.ReleasedBy == nil || *r.ReleasedBy != "dev-admin" {
			t.Errorf("released: %+v", r)
		}
		histories, err := db.Histories(t.Context(), []market.Window{{SeriesKey: w.SeriesKey, Range: market.Range{From: point.Stamp, To: point.Stamp + 1}}})
		if err != nil || len(histories[0].Points) != 1 || histories[0].Points[0].Price != 5000 {
			t.Errorf("stored after the release: %+v, %v", histories, err)
		}
	})
}
