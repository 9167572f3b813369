package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/coingraph/coingraph/market"
)

// Quotes are the stored quotes of the pairs, see [market.Store].
func (s *Store) Quotes(ctx context.Context, pairs []market.Pair) ([]market.Quote, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	pairs = slices.Clone(pairs)
	slices.SortFunc(pairs, comparePairs)
	pairs = slices.Compact(pairs)

	quotes := make([]market.Quote, 0, len(pairs))
	// CROSS JOIN has SQLite look each pair up, rather than each stored quote among the pairs.
	err := s.each(ctx, `
		SELECT q.asset, q.currency, q.price, q.market_cap, q.volume_24h, q.change_24h, q.last_updated_at, q.fetched_at, q.source
		FROM @rows CROSS JOIN prices.latest AS q
		WHERE q.asset = v.asset AND q.currency = v.currency`,
		batch{
			{"asset", of(pairs, func(p *market.Pair) string { return p.Asset })},
			{"currency", of(pairs, func(p *market.Pair) string { return string(p.Currency) })},
		},
		func(row scanner) error {
			var q market.Quote
			var lastUpdatedAt, fetchedAt int64
			err := row.Scan(&q.Asset, (*string)(&q.Currency), (*number)(&q.Price), (*number)(&q.MarketCap), (*number)(&q.Volume24h),
				(*number)(&q.Change24h), &lastUpdatedAt, &fetchedAt, &q.Source)
			q.LastUpdatedAt, q.FetchedAt = instant(lastUpdatedAt), instant(fetchedAt)
			quotes = append(quotes, q)
			return err
		})
	if err != nil {
		return nil, s.fault(ctx, "read quotes", err)
	}
	return quotes, nil
}

// SaveQuotes stores the newer quotes, see [market.Store].
func (s *Store) SaveQuotes(ctx context.Context, quotes []market.Quote) error {
	quotes = newest(quotes)
	if len(quotes) == 0 {
		return nil
	}
	err := s.write(ctx, func(ctx context.Context, tx bun.Tx) error {
		return s.insert(ctx, tx, "prices.latest", batch{
			{"asset", of(quotes, func(q *market.Quote) string { return q.Asset })},
			{"currency", of(quotes, func(q *market.Quote) string { return string(q.Currency) })},
			{"price", of(quotes, func(q *market.Quote) float64 { return q.Price })},
			{"market_cap", of(quotes, func(q *market.Quote) float64 { return q.MarketCap })},
			{"volume_24h", of(quotes, func(q *market.Quote) float64 { return q.Volume24h })},
			{"change_24h", of(quotes, func(q *market.Quote) float64 { return q.Change24h })},
			{"last_updated_at", of(quotes, func(q *market.Quote) int64 { return q.LastUpdatedAt.UnixMilli() })},
			{"fetched_at", of(quotes, func(q *market.Quote) int64 { return q.FetchedAt.UnixMilli() })},
			{"source", of(quotes, func(q *market.Quote) string { return q.Source })},
		}, onOlderQuote())
	})
	return s.fault(ctx, "save quotes", err)
}

// onOlderQuote is [market.Newer] in SQL: t is the stored quote, excluded the fetched one.
func onOlderQuote() string {
	var b strings.Builder
	b.WriteString("ON CONFLICT (asset, currency) DO UPDATE SET ")
	for _, column := range []string{"price", "market_cap", "volume_24h", "change_24h", "last_updated_at", "source"} {
		b.WriteString(column + " = CASE WHEN excluded.last_updated_at >= t.last_updated_at THEN excluded." + column + " ELSE t." + column + " END, ")
	}
	b.WriteString("fetched_at = CASE WHEN excluded.fetched_at > t.fetched_at THEN excluded.fetched_at ELSE t.fetched_at END " +
		"WHERE excluded.last_updated_at >= t.last_updated_at OR excluded.fetched_at > t.fetched_at")
	return b.String()
}

// newest has each pair once, with the quote that [market.Newer] keeps, because Postgres refuses a statement that meets a
// row twice. They are ascending by pair: writers who lock rows in one order cannot wait for each other in a circle.
func newest(quotes []market.Quote) []market.Quote {
	kept := slices.Clone(quotes)
	slices.SortStableFunc(kept, func(a, b market.Quote) int { return comparePairs(a.Pair, b.Pair) })
	n := 0
	for _, q := range kept {
		if n > 0 && kept[n-1].Pair == q.Pair {
			kept[n-1] = market.Newer(kept[n-1], q)
			continue
		}
		kept[n] = q
		n++
	}
	return kept[:n]
}

func comparePairs(a, b market.Pair) int {
	return cmp.Or(cmp.Compare(a.Asset, b.Asset), cmp.Compare(a.Currency, b.Currency))
}
