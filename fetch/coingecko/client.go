package coingecko

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
)

// Name is the provider's name: the Source of what it tells.
const Name = "coingecko"

// Try makes one call: it runs call, perhaps with a shorter deadline, perhaps several times, perhaps not at all, and gives
// the last error. The endpoint is the path with {id} for the asset's id; the key is the one of [Client.Keys] to send.
type Try = wire.Try

// Options are what a Client needs. Plan must be set.
type Options struct {
	Plan    Plan
	BaseURL string   // with the path; "": the plan's host
	Keys    []string // the pool; exactly with plans that have keys

	// Reach is how far back the plan's history goes, where that is not what plans of its kind have (Basic: two years).
	// 0: by plan.
	Reach time.Duration

	UserAgent string           // "": coingraph
	Now       func() time.Time // nil: the real clock
	Log       *slog.Logger     // nil: none
}

// Client asks CoinGecko. Its methods are safe for concurrent use. Their errors are faults of the upstream kinds.
type Client struct {
	access
	wire *wire.Client
	keys []string
	now  func() time.Time
	log  *slog.Logger
}

// New makes a Client. It sends nothing. No error has a key in it.
func New(o Options) (*Client, error) {
	a, ok := accessOf(o.Plan)
	if !ok {
		return nil, fmt.Errorf("coingecko: there is no plan %q", o.Plan)
	}
	if o.Reach > 0 {
		a.reach = o.Reach
	}
	switch {
	case a.keyHeader == "" && len(o.Keys) > 0:
		return nil, fmt.Errorf("coingecko: plan %s sends no key", o.Plan)
	case a.keyHeader != "" && len(o.Keys) == 0:
		return nil, fmt.Errorf("coingecko: plan %s needs a key", o.Plan)
	}
	calls, err := wire.New(wire.Options{Provider: Name, BaseURL: cmp.Or(o.BaseURL, a.baseURL), UserAgent: o.UserAgent, Secrets: o.Keys})
	if err != nil {
		return nil, err
	}
	c := &Client{access: a, wire: calls, keys: o.Keys, now: o.Now, log: o.Log}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Name is the provider's name.
func (c *Client) Name() string { return Name }

// Keys are the pool: each call is told which of them to send.
func (c *Client) Keys() []string { return c.keys }

type (
	endpoint = wire.Endpoint
	reply    = wire.Reply
)

// The bounds are many times the largest real answer: 1 MB for the list of all coins, 1 MB for a year of hours, 3 MB for
// 250 coins in all currencies, 1 MB for a page of markets with sparklines.
var (
	simplePrice      = endpoint{Path: "/simple/price", MaxBytes: 16 << 20}
	supportedVs      = endpoint{Path: "/simple/supported_vs_currencies", MaxBytes: 1 << 20}
	coinsList        = endpoint{Path: "/coins/list", MaxBytes: 32 << 20}
	coinsMarkets     = endpoint{Path: "/coins/markets", MaxBytes: 4 << 20}
	marketChart      = endpoint{Path: "/coins/{id}/market_chart", MaxBytes: 16 << 20}
	marketChartRange = endpoint{Path: "/coins/{id}/market_chart/range", MaxBytes: 16 << 20}
	coinsOHLC        = endpoint{Path: "/coins/{id}/ohlc", MaxBytes: 4 << 20}
	coinsHistory     = endpoint{Path: "/coins/{id}/history", MaxBytes: 4 << 20}
)

// get makes one call with one of our keys. id is the asset's, for the endpoints that have one in their path. The reply is a
// 200 that says it is JSON; all else is an error.
func (c *Client) get(ctx context.Context, key string, e endpoint, id, query string) (*reply, error) {
	var header http.Header
	if c.keyHeader != "" {
		header = http.Header{c.keyHeader: {key}}
	}
	r, err := c.wire.Get(ctx, e, strings.Replace(e.Path, "{id}", url.PathEscape(id), 1), query, header)
	if err != nil {
		return nil, err
	}
	if !r.Good {
		return nil, c.refusal(r)
	}
	return r, nil
}
