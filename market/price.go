package market

import (
	"math"
	"math/rand/v2"
	"strconv"
	"sync/atomic"
	"time"
)

// Price is a quote as clients read it. What an answer looks at first stands first: so it is in one line of a core's cache.
type Price struct {
	FreshUntil    time.Time      // when this answer expires
	Rendered      *RenderedPrice // nil: it was not kept
	Stale         bool           // older than the price TTL; only callers who consented get one
	Asset         Asset
	Currency      Currency
	Price         Number
	MarketCap     Number // null where the provider does not know it, which it says as 0
	Volume24h     Number
	Change24h     Number // percent
	LastUpdatedAt time.Time
	FetchedAt     time.Time
	Source        string
	Raw           Quote // what this is a reading of
}

// RenderedPrice is a price's values as JSON: numbers or null, instants and the source in quotes.
type RenderedPrice struct {
	written atomic.Pointer[writtenPrice]
	keeps   bool // it is a price that others will ask for

	Price, MarketCap, Volume24h, Change24h string
	LastUpdatedAt, FetchedAt               string // RFC 3339 with as many digits of the second as there are
	Source                                 string
}

// writtenPrice is a text that was made of a price.
type writtenPrice struct {
	selection any
	text      string
}

// Written is the text that was made of the same selection of the price's values and kept; "": there is none. A selection is
// whatever is equal for those who write the same of the same price.
func (p *Price) Written(selection any) string {
	if p.Rendered == nil {
		return ""
	}
	if w := p.Rendered.written.Load(); w != nil && w.selection == selection {
		return w.text
	}
	return ""
}

// KeepWritten keeps a text for who asks for the same selection, if others will ask for this price at all. One text is kept:
// another selection's takes its place now and then, so that which is asked for most has it mostly.
func (p *Price) KeepWritten(selection any, text []byte) {
	r := p.Rendered
	if r == nil || !r.keeps || r.written.Load() != nil && rand.Uint32()%8 != 0 { //nolint:gosec // nothing depends on who guesses it
		return
	}
	r.written.Store(&writtenPrice{selection, string(text)})
}

// shown are the values of a price that others will ask for.
func (r *RenderedPrice) shown() *RenderedPrice {
	c := r.clone()
	c.keeps = true
	return c
}

// clone are the values of another price, which differs in something else.
func (r *RenderedPrice) clone() *RenderedPrice {
	return &RenderedPrice{
		Price: r.Price, MarketCap: r.MarketCap, Volume24h: r.Volume24h, Change24h: r.Change24h,
		LastUpdatedAt: r.LastUpdatedAt, FetchedAt: r.FetchedAt, Source: r.Source,
	}
}

// JSON is the price's values as JSON, as they are kept or made now.
func (p *Price) JSON() *RenderedPrice {
	if p.Rendered != nil {
		return p.Rendered
	}
	return p.render()
}

// renderedParts is how many texts a RenderedPrice has.
const renderedParts = 7

func (p *Price) render() *RenderedPrice {
	r := new(RenderedPrice)
	r.cut(p.text())
	return r
}

// cut cuts the texts out of one.
func (r *RenderedPrice) cut(text string, ends [renderedParts]int) {
	begin := 0
	for i, to := range [renderedParts]*string{&r.Price, &r.MarketCap, &r.Volume24h, &r.Change24h, &r.LastUpdatedAt, &r.FetchedAt, &r.Source} {
		*to, begin = text[begin:ends[i]], ends[i]
	}
}

// text is the texts in one, and where each ends.
func (p *Price) text() (text string, ends [renderedParts]int) {
	b := make([]byte, 0, 192)
	for i, n := range [4]Number{p.Price, p.MarketCap, p.Volume24h, p.Change24h} {
		b = AppendNumber(b, float64(n))
		ends[i] = len(b)
	}
	b = append(p.LastUpdatedAt.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	ends[4] = len(b)
	b = append(p.FetchedAt.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	ends[5] = len(b)
	b = strconv.AppendQuote(b, p.Source)
	ends[6] = len(b)
	return string(b), ends
}

// named is the price under an old id of the asset.
func (p *Price) named(id string) *Price {
	old := *p
	old.Asset.ID = id
	if old.Rendered != nil {
		old.Rendered = old.Rendered.clone()
	}
	return &old
}

// Freshness is the age of data a caller consents to. The zero value is the rule for everybody: nothing older than its
// TTL, and an upstream failure is an error.
type Freshness struct {
	// MaxAge replaces the TTL as the age up to which a stored value is served without asking a provider. 0: the TTL.
	MaxAge time.Duration
	// StaleIfError is how much older than that a value may be if no provider answers. 0: not at all.
	StaleIfError time.Duration
}

// Answer is a value or the reason why there is none.
type Answer[T any] struct {
	Value T
	Err   error
}

// read makes of a stored quote what clients get.
func (q Quote) read(asset Asset, ttl time.Duration, now time.Time) *Price {
	p := &Price{Raw: q}
	p.read(asset, ttl, now)
	return p
}

// read makes of a price's Raw the rest.
func (p *Price) read(asset Asset, ttl time.Duration, now time.Time) {
	q := &p.Raw
	p.Asset, p.Currency, p.Source = asset, q.Currency, q.Source
	p.Price, p.MarketCap, p.Volume24h, p.Change24h = Number(q.Price), Number(q.MarketCap), Number(q.Volume24h), Number(q.Change24h)
	if q.MarketCap == 0 {
		p.MarketCap = Number(math.NaN()) // unknown
	}
	p.LastUpdatedAt, p.FetchedAt, p.FreshUntil = q.LastUpdatedAt, q.FetchedAt, q.FetchedAt.Add(ttl)
	p.Stale = !p.FreshUntil.After(now)
}

// FreshnessInput is what a caller writes of its [Freshness].
type FreshnessInput struct {
	MaxAgeSeconds       *int
	StaleIfErrorSeconds *int
}
