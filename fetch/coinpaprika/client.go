package coinpaprika

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
)

// Name is the provider's name: the Source of what it tells.
const Name = "coinpaprika"

// The roots of the API: without a key, and with one.
const (
	BaseURL    = "https://api.coinpaprika.com/v1"
	ProBaseURL = "https://api-pro.coinpaprika.com/v1"
)

// Try makes one call, as wire.Try says.
type Try = wire.Try

// Options are what a Client needs. The zero value asks as the free plan.
type Options struct {
	BaseURL   string // with the path; "": that of the free or the paid plans, by Key
	Key       string // "": the free plan
	UserAgent string
	Now       func() time.Time // nil: the real clock
}

// Client asks CoinPaprika. Its methods are safe for concurrent use. Their errors are faults of the upstream kinds.
type Client struct {
	wire   *wire.Client
	header http.Header
	free   bool
	ids    map[string][]string // by CoinGecko's id: theirs
	now    func() time.Time
}

//go:embed ids.csv
var idTable string

// New makes a Client. It sends nothing. No error has the key in it.
func New(o Options) (*Client, error) {
	c := &Client{free: o.Key == "", now: o.Now}
	base := BaseURL
	var secrets []string
	if !c.free {
		base, secrets, c.header = ProBaseURL, []string{o.Key}, http.Header{"Authorization": {o.Key}}
	}
	var err error
	if c.wire, err = wire.New(wire.Options{Provider: Name, BaseURL: cmp.Or(o.BaseURL, base), UserAgent: o.UserAgent, Secrets: secrets}); err != nil {
		return nil, err
	}
	if c.ids, err = wire.IDs(idTable, 2); err != nil {
		return nil, fmt.Errorf("coinpaprika: ids.csv: %w", err)
	}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// Name is the provider's name.
func (c *Client) Name() string { return Name }

// All coins in three currencies are 6 MB.
var (
	tickers    = wire.Endpoint{Path: "/tickers", MaxBytes: 64 << 20}
	ticker     = wire.Endpoint{Path: "/tickers/{id}", MaxBytes: 1 << 20}
	historical = wire.Endpoint{Path: "/tickers/{id}/historical", MaxBytes: 8 << 20}
)

// get makes one call. The reply is a 200 that says it is JSON; all else is an error.
func (c *Client) get(ctx context.Context, e wire.Endpoint, id, query string) (*wire.Reply, error) {
	r, err := c.wire.Get(ctx, e, strings.Replace(e.Path, "{id}", url.PathEscape(id), 1), query, c.header)
	if err != nil {
		return nil, err
	}
	if !r.Good {
		return nil, c.refusal(r)
	}
	return r, nil
}

// readError finds the message in {"error": …}.
func readError(body []byte) string {
	var answer struct {
		Error string `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return ""
	}
	return answer.Error
}

// refusal translates an answer that is not a 200 with JSON.
func (c *Client) refusal(r *wire.Reply) error {
	message := readError(r.Body)
	kind := wire.KindOf(r.Status, message != "")
	switch {
	case r.Status == http.StatusPaymentRequired:
		kind = fault.UpstreamPlan
	case kind == fault.UpstreamKey && c.free && message != "":
		kind = fault.UpstreamPlan // there is no key to be wrong
	}
	return wire.Pause(fault.Wrap(kind, c.wire.Refusal(r, 0, message)), wire.RetryAfter(r.Header, c.now()))
}
