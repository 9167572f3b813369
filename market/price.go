package market

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Price is a quote as clients read it. What an answer looks at first stands first: so it is in one line of a core's cache.
type Price struct {
	FreshUntil    time.Time     // when this answer expires
	written       *writtenTexts // nil: nobody else will ask for this price
	json          PriceJSON     // of no text: it was not kept
	Stale         bool          // older than the price TTL; only callers who consented get one
	capUnknown    bool          // the provider says 0 of the market cap
	Asset         Asset
	Currency      Currency
	Price         Number
	MarketCap     Number // null where the provider does not know it, which it says as 0
	Volume24h     Number
	Change24h     Number // percent
	LastUpdatedAt time.Time
	FetchedAt     time.Time
	Source        string
}

// PriceJSON is a price's values as the members of a JSON object, one after the other: numbers or null, instants (RFC 3339 with as
// many digits of the second as there are) and the source. It is what the cache has of a price, and is shared with it.
type PriceJSON struct {
	text []byte
	ends [priceValues]uint16 // where the values end
}

// PriceValue is one of the values of a [PriceJSON], in the order in which they stand there.
type PriceValue uint8

// The values.
const (
	PriceNumber PriceValue = iota
	MarketCapNumber
	Volume24hNumber
	Change24hNumber
	LastUpdatedAtTime
	FetchedAtTime
	SourceText
	priceValues
)

// priceMembers are the values' names, as they stand in front of them.
var priceMembers = [priceValues]string{`"price":`, `,"marketCap":`, `,"volume24h":`, `,"change24h":`, `,"lastUpdatedAt":`, `,"fetchedAt":`, `,"source":`}

// Member is how the value is introduced where it stands first in an object.
func (v PriceValue) Member() string { return strings.TrimPrefix(priceMembers[v], ",") }

// Value is the JSON of one value.
func (j *PriceJSON) Value(v PriceValue) []byte { return j.Values(v, v) }

// Values is the JSON of the values from the first to the last, each but the first with its name in front.
func (j *PriceJSON) Values(first, last PriceValue) []byte {
	return j.text[j.begin(first):j.ends[last]]
}

// begin is where a value begins.
func (j *PriceJSON) begin(v PriceValue) int {
	begin := len(priceMembers[v])
	if v > 0 {
		begin += int(j.ends[v-1])
	}
	return begin
}

// whole tells whether each value ends within the text, and none before it begins.
func (j *PriceJSON) whole() bool {
	for v := range priceValues {
		if j.begin(v) > int(j.ends[v]) {
			return false
		}
	}
	return int(j.ends[priceValues-1]) <= len(j.text)
}

// writtenTexts has the text that was made of a price last.
type writtenTexts struct{ last atomic.Pointer[writtenText] }

// writtenText is a text that was made of a price.
type writtenText struct {
	selection any
	text      string
}

// Written is the text that was made of the same selection of the price's values and kept; "": there is none. A selection is
// whatever is equal for those who write the same of the same price.
func (p *Price) Written(selection any) string {
	if p.written == nil {
		return ""
	}
	if w := p.written.last.Load(); w != nil && w.selection == selection {
		return w.text
	}
	return ""
}

// KeepWritten keeps a text for who asks for the same selection, if others will ask for this price at all. One text is kept:
// another selection's takes its place now and then, so that which is asked for most has it mostly.
func (p *Price) KeepWritten(selection any, text []byte) {
	w := p.written
	if w == nil || w.last.Load() != nil && rand.Uint32()%8 != 0 { //nolint:gosec // nothing depends on who guesses it
		return
	}
	w.last.Store(&writtenText{selection, string(text)})
}

// shown is the price for others that will ask for it. It has nothing in common with what the cache has of it and of other prices.
func (p *Price) shown() *Price {
	shown := *p
	shown.json = *p.JSON()
	shown.json.text = bytes.Clone(shown.json.text)
	shown.written = new(writtenTexts)
	return &shown
}

// JSON is the price's values as JSON, as they are kept or made now.
func (p *Price) JSON() *PriceJSON {
	if p.json.text != nil {
		return &p.json
	}
	made := p.render()
	return &made
}

func (p *Price) render() (j PriceJSON) {
	b := make([]byte, 0, 288)
	value := func(v PriceValue, add func([]byte) []byte) {
		b = add(append(b, priceMembers[v]...))
		j.ends[v] = uint16(len(b))
	}
	for v, n := range [...]Number{p.Price, p.MarketCap, p.Volume24h, p.Change24h} {
		value(PriceValue(v), func(b []byte) []byte { return AppendNumber(b, float64(n)) })
	}
	for v, t := range [...]time.Time{p.LastUpdatedAt, p.FetchedAt} {
		value(LastUpdatedAtTime+PriceValue(v), func(b []byte) []byte { return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"') })
	}
	value(SourceText, func(b []byte) []byte { return strconv.AppendQuote(b, p.Source) })
	j.text = b
	return j
}

// named is the price under an old id of the asset.
func (p *Price) named(id string) *Price {
	old := *p
	old.Asset.ID, old.written = id, nil
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
	p := &Price{
		Price: Number(q.Price), MarketCap: Number(q.MarketCap), Volume24h: Number(q.Volume24h), Change24h: Number(q.Change24h),
		LastUpdatedAt: q.LastUpdatedAt, FetchedAt: q.FetchedAt, Source: q.Source,
	}
	p.read(asset, q.Currency, ttl, now)
	return p
}

// read makes of the values of a stored quote what clients get.
func (p *Price) read(asset Asset, currency Currency, ttl time.Duration, now time.Time) {
	p.Asset, p.Currency = asset, currency
	if p.capUnknown = p.MarketCap == 0; p.capUnknown {
		p.MarketCap = Null()
	}
	p.FreshUntil = p.FetchedAt.Add(ttl)
	p.Stale = !p.FreshUntil.After(now)
}

// Quote is what the price is a reading of.
func (p *Price) Quote() Quote {
	q := Quote{
		Pair: Pair{p.Asset.ID, p.Currency}, Price: float64(p.Price), MarketCap: float64(p.MarketCap), Volume24h: float64(p.Volume24h), Change24h: float64(p.Change24h),
		LastUpdatedAt: p.LastUpdatedAt, FetchedAt: p.FetchedAt, Source: p.Source,
	}
	if p.capUnknown {
		q.MarketCap = 0
	}
	return q
}

// FreshnessInput is what a caller writes of its [Freshness].
type FreshnessInput struct {
	MaxAgeSeconds       *int
	StaleIfErrorSeconds *int
}
