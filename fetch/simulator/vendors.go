package simulator

import (
	"net/http"
	"strconv"
	"strings"
)

// vendor is a provider whose wire format is spoken besides CoinGecko's.
type vendor struct {
	root     string // the path that leads to it
	answer   func(*Simulator, *request) *reply
	endpoint func(*request) string
	refuse   func(status int) *reply // an error as its API words it
}

// vendorOf is the vendor that a path leads to, and what is below its root; nil: CoinGecko.
func vendorOf(path string) (*vendor, string) {
	for _, v := range [...]*vendor{
		{"/v1", (*Simulator).cryptoQuant, cryptoQuantEndpoint, refuseCryptoQuant},
		{"/coinmetrics/v4", (*Simulator).coinMetrics, plainEndpoint, refuseCoinMetrics},
		{"/coinpaprika/v1", (*Simulator).coinPaprika, coinPaprikaEndpoint, refuseCoinPaprika},
		{"/binance/api/v3", (*Simulator).binance, plainEndpoint, refuseBinance},
	} {
		if below, ok := strings.CutPrefix(path, v.root+"/"); ok {
			return v, "/" + below
		}
	}
	return nil, path
}

// plainEndpoint is for vendors whose paths have no ids in them.
func plainEndpoint(q *request) string {
	switch path := "/" + strings.Join(q.segments, "/"); path {
	case "/timeseries/asset-metrics", "/klines":
		return q.vendor.root + path
	}
	return "unknown"
}

// bySymbol is the largest coin of a symbol that is listed.
func (s *Simulator) bySymbol(symbol string, now int64) *coin {
	return s.largest(now, func(c *coin) string { return c.Symbol })(symbol)
}

// plainJSON is a 200 without the habits of CoinGecko's CDN.
func plainJSON(body []byte) *reply {
	return &reply{http.StatusOK, http.Header{"Content-Type": {"application/json"}}, body}
}

// appendShort appends the shortest digits that read back equal.
func appendShort(b []byte, f float64) []byte { return strconv.AppendFloat(b, f, 'f', -1, 64) }

// whole is a parameter's number, or the one otherwise; false: it is none, or out of bounds.
func (q *request) whole(name string, otherwise, least, most int64) (int64, bool) {
	v := q.query.Get(name)
	if v == "" {
		return otherwise, true
	}
	n, err := strconv.ParseInt(v, 10, 64)
	return n, err == nil && n >= least && n <= most
}
