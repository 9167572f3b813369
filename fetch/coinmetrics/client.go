package coinmetrics

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
)

// Name is the provider's name: the Source of what it tells.
const Name = "coinmetrics"

// BaseURL is the root of the community API; whoever has a key uses https://api.coinmetrics.io/v4.
const BaseURL = "https://community-api.coinmetrics.io/v4"

// Try makes one call, as wire.Try says.
type Try = wire.Try

// Options are what a Client needs. The zero value asks the community API.
type Options struct {
	BaseURL   string // with the path; "": the community's
	Key       string // "": none, as the community has
	UserAgent string
	Now       func() time.Time // nil: the real clock
}

// Client asks Coin Metrics. Its methods are safe for concurrent use. Their errors are faults of the upstream kinds.
type Client struct {
	wire *wire.Client
	key  string
	ids  map[string][]string // by CoinGecko's id: theirs, and the metrics separated by blanks
	now  func() time.Time
}

//go:embed ids.csv
var idTable string

// New makes a Client. It sends nothing. No error has the key in it.
func New(o Options) (*Client, error) {
	var secrets []string
	if o.Key != "" {
		secrets = []string{o.Key}
	}
	calls, err := wire.New(wire.Options{Provider: Name, BaseURL: cmp.Or(o.BaseURL, BaseURL), UserAgent: o.UserAgent, Secrets: secrets})
	if err != nil {
		return nil, err
	}
	ids, err := wire.IDs(idTable, 3)
	if err != nil {
		return nil, fmt.Errorf("coinmetrics: ids.csv: %w", err)
	}
	c := &Client{wire: calls, key: o.Key, ids: ids, now: o.Now}
	if c.now == nil {
		c.now = time.Now
	}
	return c, nil
}

// Name is the provider's name.
func (c *Client) Name() string { return Name }

var assetMetrics = wire.Endpoint{Path: "/timeseries/asset-metrics", MaxBytes: 16 << 20}

// get asks for a page of rows. The reply is a 200 that says it is JSON; all else is an error.
func (c *Client) get(ctx context.Context, query url.Values) (*wire.Reply, error) {
	if c.key != "" {
		query.Set("api_key", c.key) // the API takes it nowhere else; no error shows a URL
	}
	r, err := c.wire.Get(ctx, assetMetrics, assetMetrics.Path, query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	if !r.Good {
		return nil, c.refusal(r)
	}
	return r, nil
}

// readError finds type and message in {"error": {"type": …, "message": …}}.
func readError(body []byte) (kind, message string) {
	var answer struct {
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return "", ""
	}
	return answer.Error.Type, answer.Error.Message
}

// refusal translates an answer that is not a 200 with JSON, or is one with an error in it.
func (c *Client) refusal(r *wire.Reply) error {
	errorType, message := readError(r.Body)
	spoken := errorType != "" || message != ""
	kind := wire.KindOf(r.Status, spoken)
	if kind == fault.UpstreamKey && spoken && c.key == "" {
		kind = fault.UpstreamPlan // without a key there is none to be wrong: what was asked for is not the community's
	}
	return wire.Pause(fault.Wrap(kind, c.wire.Refusal(r, 0, message)), wire.RetryAtEpoch(r.Header, c.now()))
}

// nonsense refuses a 200 whose body cannot be used, or is an error.
func (c *Client) nonsense(r *wire.Reply, why error) error {
	if errorType, message := readError(r.Body); errorType != "" || message != "" {
		return fault.Wrap(fault.UpstreamNonsense, c.wire.Refusal(r, http.StatusOK, message))
	}
	return c.wire.Nonsense(r, why)
}
