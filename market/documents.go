package market

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/telemetry"
)

// DocumentSource has documents of providers that are passed on as they are, because nothing in here understands them. Its
// errors are those of a [Source], and fault.UpstreamPlan where no provider offers such documents.
type DocumentSource interface {
	Document(ctx context.Context, q DocumentQuery) (Document, error)
}

// Document is a provider's JSON text, byte by byte.
type Document struct {
	Body      []byte
	Total     int // how many rows there are on all pages; -1: the provider did not say
	Source    string
	FetchedAt time.Time

	FreshUntil time.Time // when this answer expires
}

// DocumentQuery is one of the documents that can be asked for, and there are no others: [MarketsQuery], [CandlesQuery],
// [SnapshotQuery], [PlatformsQuery].
type DocumentQuery interface {
	name() string
	// assets are the ids in it, all of which must be known before a provider sees them.
	assets() []string
	// ttl is how long an answer is served.
	ttl(o *Options, now time.Time) time.Duration
}

// MarketsQuery asks for assets with their market data, a page at a time. Fields that are zero are left to the provider.
type MarketsQuery struct {
	Currency              Currency
	IDs, Names, Symbols   []string // at most one of them; none: all assets
	Category              string
	Order                 string // "market_cap_desc"
	Page, PerPage         int    // from 1 on
	Sparkline             bool
	PriceChangePercentage []string // "1h", "7d"
	Locale                string
	Precision             string
}

// CandlesQuery asks for open, high, low and close of the newest days.
type CandlesQuery struct {
	Asset     string
	Currency  Currency
	Days      string // "1", "7", … "max"
	Interval  string // "": by days
	Precision string
}

// SnapshotQuery asks for an asset's values in all currencies at the beginning of a day (UTC).
type SnapshotQuery struct {
	Asset        string
	Date         time.Time
	Localization bool
}

// PlatformsQuery asks for the catalogue with the contract addresses of tokens.
type PlatformsQuery struct{}

func (MarketsQuery) name() string   { return "markets" }
func (CandlesQuery) name() string   { return "candles" }
func (SnapshotQuery) name() string  { return "snapshot" }
func (PlatformsQuery) name() string { return "platforms" }

func (q MarketsQuery) assets() []string  { return q.IDs }
func (q CandlesQuery) assets() []string  { return []string{q.Asset} }
func (q SnapshotQuery) assets() []string { return []string{q.Asset} }
func (PlatformsQuery) assets() []string  { return nil }

func (MarketsQuery) ttl(o *Options, _ time.Time) time.Duration { return o.PriceTTL }
func (CandlesQuery) ttl(o *Options, _ time.Time) time.Duration { return o.HourlyTTL }
func (PlatformsQuery) ttl(*Options, time.Time) time.Duration   { return catalogueAge }
func (q SnapshotQuery) ttl(o *Options, now time.Time) time.Duration {
	if now.Sub(q.Date) < settledSnapshot {
		return o.HourlyTTL
	}
	return o.DailyTTL
}

// settledSnapshot is how old a day is that providers no longer correct.
const settledSnapshot = 48 * time.Hour

// documentKey is the cache key and the flight's. What callers wrote is hashed, so that a key is short and has no characters
// that mean something in it.
func documentKey(q DocumentQuery) string {
	text, err := json.Marshal(q)
	if err != nil { // cannot be: strings, numbers and times
		panic(err)
	}
	sum := sha256.Sum256(text)
	return "document:" + q.name() + ":" + base64.RawURLEncoding.EncodeToString(sum[:18])
}

// Document gives a provider's document: cached, and fetched once however many ask. The errors are faults: NotFound for an
// asset that does not exist, and the upstream kinds.
func (s *Service) Document(ctx context.Context, q DocumentQuery) (Document, error) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return Document{}, err
	}
	for _, id := range q.assets() {
		if err := all.refuse(id); err != nil {
			return Document{}, err
		}
	}
	key := documentKey(q)
	if d, ok := s.keptDocument(ctx, key); ok {
		return d, nil
	}
	call := s.documents.join([]string{key}, func(owned []string, settle func(string, Document, error)) {
		ctx, cancel := s.detach(ctx)
		defer cancel()
		defer settleOnPanic(s, owned, settle)
		// Another flight may have landed since the first look.
		if d, ok := s.keptDocument(ctx, key); ok {
			settle(key, d, nil)
			return
		}
		telemetry.TallyOf(ctx).Served(telemetry.Upstream, 1)
		d, err := s.fetchDocument(ctx, key, q)
		settle(key, d, err)
	})[0]
	return call.wait(ctx)
}

// keptDocument is the document if the cache has it.
func (s *Service) keptDocument(ctx context.Context, key string) (Document, bool) {
	hit := s.opts.Cache.Get(ctx, []string{key})[0]
	if hit.Value == nil {
		return Document{}, false
	}
	d, err := decodeDocument(key, hit.Value)
	if err != nil || !d.FreshUntil.After(s.opts.Now()) {
		return Document{}, false
	}
	telemetry.TallyOf(ctx).Served(tierOf(hit), 1)
	return d, true
}

func (s *Service) fetchDocument(ctx context.Context, key string, q DocumentQuery) (Document, error) {
	if s.opts.Documents == nil {
		return Document{}, fault.Wrap(fault.UpstreamPlan, nil)
	}
	d, err := s.opts.Documents.Document(ctx, q)
	if err != nil {
		return Document{}, err
	}
	now := s.opts.Now()
	d.FreshUntil = d.FetchedAt.Add(q.ttl(&s.opts, now))
	s.opts.Cache.Set(ctx, []CacheEntry{{key, encodeDocument(key, d), d.FreshUntil.Sub(now)}})
	return d, nil
}

// Known are those of the ids that the catalogue has, each once, in order.
func (s *Service) Known(ctx context.Context, ids []string) ([]string, error) {
	all, err := s.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	var known []string
	for _, id := range ids {
		if _, ok := all.byID[id]; ok && !slices.Contains(known, id) {
			known = append(known, id)
		}
	}
	return known, nil
}
