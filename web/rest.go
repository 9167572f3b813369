package web

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/web/cork"
)

// simplePrice is GET /simple_price?assets=bitcoin,ethereum&currencies=usd,eur
func (h *Handler) simplePrice(w http.ResponseWriter, r *http.Request, p *parameters) error {
	media, err := format(r, p)
	if err != nil {
		return err
	}
	answers, made, err := h.opts.Resolver.Prices(r.Context(), p.list("assets"), currenciesOf(p.list("currencies")), freshnessOf(p))
	if err != nil {
		return err
	}
	prices, err := whole(answers)
	if err != nil {
		return err
	}
	return h.dataFor(w, r, p, made, pricesAs(media, prices))
}

// whole is all of the prices, or the fault that keeps some of them away: REST never gives half an answer. A provider's
// failure outweighs what does not exist, since it may hide more of that; else all that does not exist is named.
func whole(answers []market.Answer[*market.Price]) ([]*market.Price, error) {
	prices := make([]*market.Price, len(answers))
	var absent []string
	for i, a := range answers {
		f := fault.Of(a.Err)
		switch {
		case f == nil:
			prices[i] = a.Value
		case f.Kind != fault.NotFound:
			return nil, f
		case !slices.Contains(absent, f.Safe()):
			absent = append(absent, f.Safe())
		}
	}
	if len(absent) > 0 {
		return nil, fault.New(fault.NotFound, "%s", strings.Join(absent, "; "))
	}
	return prices, nil
}

// appendPrices appends {asset: {currency: {…}}} in the order asked, each pair once, and tells when the first expires.
func appendPrices(b []byte, prices []*market.Price) (body []byte, freshUntil time.Time) {
	b = append(b, '{')
	written := make(map[string]bool, len(prices))
	freshUntil = prices[0].FreshUntil
	for i := 0; i < len(prices); {
		id := prices[i].Asset.ID
		end := i + 1
		for end < len(prices) && prices[end].Asset.ID == id {
			end++
		}
		if !written[id] {
			if written[id] = true; i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, id)
			b = append(b, ':', '{')
			seen := make(map[market.Currency]bool, end-i)
			for _, p := range prices[i:end] {
				if seen[p.Currency] {
					continue
				}
				if seen[p.Currency] = true; len(seen) > 1 {
					b = append(b, ',')
				}
				b = appendPrice(b, p)
				if p.FreshUntil.Before(freshUntil) {
					freshUntil = p.FreshUntil
				}
			}
			b = append(b, '}')
		}
		i = end
	}
	return append(b, '}'), freshUntil
}

func appendPrice(b []byte, p *market.Price) []byte {
	b = appendString(b, string(p.Currency))
	b = append(b, ':', '{')
	return append(appendPriceMembers(b, p), '}')
}

// appendPriceMembers appends the members of a price's object.
func appendPriceMembers(b []byte, p *market.Price) []byte {
	json := p.JSON()
	b = append(append(b, `"price":`...), json.Value(market.PriceNumber)...)
	b = append(append(b, `,"market_cap":`...), json.Value(market.MarketCapNumber)...)
	b = append(append(b, `,"volume_24h":`...), json.Value(market.Volume24hNumber)...)
	b = append(append(b, `,"change_24h":`...), json.Value(market.Change24hNumber)...)
	b = p.LastUpdatedAt.AppendFormat(append(b, `,"last_updated_at":"`...), time.RFC3339)
	b = p.FetchedAt.AppendFormat(append(b, `","fetched_at":"`...), time.RFC3339)
	b = append(append(b, `","source":`...), json.Value(market.SourceText)...)
	b = append(b, `,"stale":`...)
	return strconv.AppendBool(b, p.Stale)
}

// appendString appends a text as encoding/json writes it. Of ids and currencies nearly none has a character that is escaped.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= utf8.RuneSelf, c == '"', c == '\\', c == '<', c == '>', c == '&', c == 0x7f:
			return appendJSON(b, s)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendJSON appends what always encodes.
func appendJSON(b []byte, v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(b, text...)
}

// marketChart is GET /market_chart?asset=bitcoin&currency=usd&days=30&interval=daily
func (h *Handler) marketChart(w http.ResponseWriter, r *http.Request, p *parameters) error {
	media, err := format(r, p)
	if err != nil {
		return err
	}
	req := market.ChartRequest{Days: market.ParseDays(p.text("days"))}
	req.Asset = p.text("asset")
	req.Currency, _ = market.ParseCurrency(p.text("currency"))
	req.Interval, _ = market.ParseInterval(p.text("interval"))
	chart, made, err := h.opts.Resolver.Chart(r.Context(), req, freshnessOf(p))
	if err != nil {
		return err
	}
	return h.dataFor(w, r, p, made, chartAs(media, chart))
}

// appendChart appends a chart's object. Its columns are texts already, and as large as the body.
func appendChart(b []byte, c *market.Chart) []byte {
	const rest = 512 // what is beside the columns, without holes
	b = slices.Grow(b, rest+c.Timestamps.Size()+c.Prices.Size()+c.MarketCaps.Size()+c.Volumes.Size())
	b = appendString(append(b, `{"asset":`...), c.Asset.ID)
	b = appendString(append(b, `,"currency":`...), string(c.Currency))
	b = appendString(append(b, `,"interval":`...), c.Interval.String())
	b = appendJSON(append(b, `,"days":`...), c.Days)
	b = c.Timestamps.AppendJSON(append(b, `,"timestamps":`...))
	b = c.Prices.AppendJSON(append(b, `,"prices":`...))
	b = c.MarketCaps.AppendJSON(append(b, `,"market_caps":`...))
	b = c.Volumes.AppendJSON(append(b, `,"volumes":`...))
	b = appendJSON(append(b, `,"sources":`...), orEmpty(c.Sources))
	b = c.FetchedAt.Truncate(time.Second).AppendFormat(append(b, `,"fetched_at":"`...), time.RFC3339)
	b = strconv.AppendBool(append(b, `","stale":`...), c.Stale)
	b = appendJSON(append(b, `,"coverage":`...), coverageOf(c.Coverage))
	return append(b, '}')
}

type coverageBody struct {
	Complete bool       `json:"complete"`
	From     *time.Time `json:"from"`
	To       *time.Time `json:"to"`
	Holes    []holeBody `json:"holes"`
}

type holeBody struct {
	From   time.Time         `json:"from"`
	To     time.Time         `json:"to"`
	Reason market.HoleReason `json:"reason"`
}

func coverageOf(c market.Coverage) coverageBody {
	body := coverageBody{c.Complete, c.From, c.To, make([]holeBody, len(c.Holes))}
	for i, h := range c.Holes {
		body.Holes[i] = holeBody(h)
	}
	return body
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// rendering is an answer with data.
type rendering struct {
	media      string
	body       []byte
	fetchedAt  time.Time // zero: nobody was asked for it
	freshUntil time.Time // when the first of what is in it expires
	vary       vary      // the request headers that it depends on
	etag       string    // the body's; "": it is made
	encoding   []string  // of the body; nil: it is plain
}

// vary is a value of the header Vary: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.5
type vary string

// The request headers that answers with data depend on, beside what the middleware adds.
const (
	byCaller vary = "X-API-Key, Authorization"
	byFormat vary = byCaller + ", Accept"
)

// with is the value in one line, with what the middleware has put there.
func (v vary) with(others []string) string {
	if len(others) == 1 && others[0] == "Accept-Encoding" { // as nearly always
		return string(v) + ", Accept-Encoding"
	}
	return strings.Join(append([]string{string(v)}, others...), ", ")
}

// data answers with a body that may be kept until it expires, by the caller alone: https://www.rfc-editor.org/rfc/rfc9111
func (h *Handler) data(w http.ResponseWriter, r *http.Request, a rendering) error {
	etag, now := a.etag, h.now()
	if etag == "" {
		etag = entityTag(a.body)
	}
	left := max(0, int(math.Floor(a.freshUntil.Sub(now).Seconds())))
	header, values := w.Header(), make([]string, 0, 6) // of which each header has its own part
	set := func(name, value string) {
		n := len(values)
		values = append(values, value)
		header[name] = values[n : n+1 : n+1]
	}
	set("Cache-Control", "private, max-age="+strconv.Itoa(left))
	if !a.fetchedAt.IsZero() {
		set("Age", strconv.Itoa(max(0, int(now.Sub(a.fetchedAt).Seconds()))))
	}
	set("Etag", etag)
	set("Vary", a.vary.with(header["Vary"]))
	h.rateHeaders(w, r)
	if matches(r.Header["If-None-Match"], etag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	if a.encoding != nil {
		header["Content-Encoding"] = a.encoding
	}
	set("Content-Type", a.media)
	set("Content-Length", strconv.Itoa(len(a.body)))
	_ = cork.Write(r.Context(), w, a.body)
	return nil
}

// entityTag is the ETag of a body. It is a weak one, because the same body may go out compressed. It tells the versions of one
// resource apart for one client; nothing has to resist who would make two of the same.
func entityTag(body []byte) string {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxhash.Sum64(body))
	tag := append(make([]byte, 0, 32), `W/"`...)
	tag = append(strconv.AppendInt(tag, int64(len(body)), 36), '-')
	return string(append(base64.RawURLEncoding.AppendEncode(tag, sum[:]), '"'))
}

// matches compares weakly, as If-None-Match asks: https://www.rfc-editor.org/rfc/rfc9110#section-13.1.2
func matches(ifNoneMatch []string, etag string) bool {
	for _, value := range ifNoneMatch {
		for candidate := range strings.SplitSeq(value, ",") {
			candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
			if candidate == strings.TrimPrefix(etag, "W/") || candidate == "*" {
				return true
			}
		}
	}
	return false
}
