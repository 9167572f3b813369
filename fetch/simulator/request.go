package simulator

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/market"
)

// request is a call to the API, taken apart.
type request struct {
	*http.Request
	vendor   *vendor  // nil: CoinGecko
	segments []string // of the path below the API's root, unescaped
	query    url.Values
	// target is what faults match: path and query, without a key in it; of CoinGecko's what is below /api/v3.
	target   string
	now      int64
	key      string // "" if none
	keyFrom  string // "header", "query" or ""
	wrongKey bool   // there is a key of the other host
}

const (
	demoHeader, demoParam = "X-Cg-Demo-Api-Key", "x_cg_demo_api_key"
	proHeader, proParam   = "X-Cg-Pro-Api-Key", "x_cg_pro_api_key"
)

func (s *Simulator) parse(r *http.Request) *request {
	q := &request{Request: r, query: r.URL.Query(), now: s.millis()}
	path := r.URL.EscapedPath()
	var below string
	if q.vendor, below = vendorOf(path); q.vendor == nil {
		if _, rest, ok := strings.Cut(path, "/api/v3"); ok {
			path, below = rest, rest
		}
	}
	for part := range strings.SplitSeq(strings.Trim(below, "/"), "/") {
		if plain, err := url.PathUnescape(part); err == nil {
			part = plain
		}
		q.segments = append(q.segments, part)
	}

	if q.vendor != nil {
		q.target = path
		q.takeKey()
		return q
	}
	header, param, otherHeader, otherParam := demoHeader, demoParam, proHeader, proParam
	if s.opts.Plan == Pro {
		if q.vendor != nil {
			q.target = path
			q.takeKey()
			return q
		}
		header, param, otherHeader, otherParam = proHeader, proParam, demoHeader, demoParam
	}
	q.wrongKey = r.Header.Get(otherHeader) != "" || q.query.Get(otherParam) != ""
	if q.key = r.Header.Get(header); q.key != "" {
		q.keyFrom = "header"
	} else if q.key = q.query.Get(param); q.key != "" {
		q.keyFrom = "query"
	}

	// Neither the log of calls nor what faults match shows a key.
	visible := r.URL.RawQuery
	if q.query.Has(demoParam) || q.query.Has(proParam) {
		rest := r.URL.Query()
		rest.Del(demoParam)
		rest.Del(proParam)
		visible = rest.Encode()
	}
	if q.target = path; visible != "" {
		q.target += "?" + visible
	}
	return q
}

// takeKey finds the key of a vendor other than CoinGecko: a bearer's, or a parameter.
func (q *request) takeKey() {
	if key, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer "); ok && key != "" {
		q.key, q.keyFrom = key, "header"
	} else if q.key = q.query.Get("api_key"); q.key != "" {
		q.keyFrom = "query"
	}
	visible := q.URL.RawQuery
	if q.query.Has("api_key") {
		rest := q.URL.Query()
		rest.Del("api_key")
		visible = rest.Encode()
	}
	if visible != "" {
		q.target += "?" + visible
	}
}

// client is who a limit counts for.
func (q *request) client() string {
	if q.vendor != nil {
		return q.vendor.root + " " + q.key
	}
	if q.key != "" {
		return "key " + q.key
	}
	host, _, err := net.SplitHostPort(q.RemoteAddr)
	if err != nil {
		host = q.RemoteAddr
	}
	return "address " + host
}

// endpoint names the route, with {id} in the place of an asset; "unknown" for any other path.
func (q *request) endpoint() string {
	if q.vendor != nil {
		return q.vendor.endpoint(q)
	}
	path := append([]string(nil), q.segments...)
	if len(path) == 3 && path[0] == "coins" {
		path[1] = "{id}"
	}
	name := "/" + strings.Join(path, "/")
	switch name {
	case "/ping", "/key", "/simple/price", "/simple/supported_vs_currencies", "/coins/list", "/coins/markets",
		"/coins/{id}/market_chart", "/coins/{id}/ohlc", "/coins/{id}/history":
		return name
	}
	if len(path) == 4 && path[0] == "coins" && path[2] == "market_chart" && path[3] == "range" {
		return "/coins/{id}/market_chart/range"
	}
	return "unknown"
}

// flag is an optional boolean.
func (q *request) flag(name string) bool { return strings.EqualFold(q.query.Get(name), "true") }

// list are the values of a comma-separated parameter, each once, without blanks around them.
func (q *request) list(name string) []string {
	var out []string
	seen := map[string]bool{}
	for v := range strings.SplitSeq(q.query.Get(name), ",") {
		if v = strings.TrimSpace(v); v != "" && !seen[v] {
			seen[v] = true
			out = append(out, v)
		}
	}
	return out
}

// currency is the one vs currency of a market endpoint.
func (q *request) currency(w *world) (*currency, *reply) {
	code := q.query.Get("vs_currency")
	if code == "" {
		return nil, missing("vs_currency")
	}
	cur, ok := w.currencies[market.Currency(strings.ToLower(code))]
	if !ok {
		return nil, flat(http.StatusBadRequest, "invalid vs_currency")
	}
	return cur, nil
}

// precision is how many decimals prices get.
func (q *request) precision(otherwise int) (int, *reply) {
	switch v := q.query.Get("precision"); v {
	case "":
		return otherwise, nil
	case "full":
		return full, nil
	default:
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 18 {
			return 0, flat(http.StatusBadRequest, "invalid precision") // words of our own
		}
		return n, nil
	}
}

// instant is a parameter in Unix seconds or as an ISO date with or without a time of day; the result is in ms.
func (q *request) instant(name string) (int64, *reply) {
	v := q.query.Get(name)
	if v == "" {
		return 0, missing(name)
	}
	const limit = 1e11 // s, the year 5138: what is beyond was meant in ms
	if sec, err := strconv.ParseFloat(v, 64); err == nil && sec >= 0 && sec < limit {
		return int64(sec * 1000), nil
	}
	for _, layout := range []string{time.DateOnly, "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if t, err := time.Parse(layout, v); err == nil && t.Unix() >= 0 {
			return t.UnixMilli(), nil
		}
	}
	return 0, flat(http.StatusBadRequest, "invalid "+name) // words of our own
}
