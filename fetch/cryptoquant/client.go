package cryptoquant

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/coingraph/coingraph/fetch/wire"
)

// Name is the provider's name: the Source of what it tells.
const Name = "cryptoquant"

// BaseURL is the root of the API.
const BaseURL = "https://api.cryptoquant.com/v1"

// Try makes one call, as wire.Try says. The endpoint has the metric in it, and neither asset nor key.
type Try = wire.Try

// Options are what a Client needs. Key must be set: nothing is to be had without.
type Options struct {
	BaseURL   string // with the path; "": CryptoQuant's
	Key       string // access token
	UserAgent string
	Now       func() time.Time // nil: the real clock
	Log       *slog.Logger     // nil: none
}

// Client asks CryptoQuant. Its methods are safe for concurrent use. Their errors are faults of the upstream kinds.
type Client struct {
	wire *wire.Client
	keys []string
	now  func() time.Time
	log  *slog.Logger
	plan plan

	mu         sync.Mutex
	deprecated map[string]bool // the endpoints whose deprecation was logged
}

// New makes a Client. It sends nothing. No error has the key in it.
func New(o Options) (*Client, error) {
	if o.Key == "" {
		return nil, errors.New("cryptoquant: a key is needed")
	}
	calls, err := wire.New(wire.Options{Provider: Name, BaseURL: cmp.Or(o.BaseURL, BaseURL), UserAgent: o.UserAgent, Secrets: []string{o.Key}})
	if err != nil {
		return nil, err
	}
	c := &Client{
		wire: calls, keys: []string{o.Key}, now: o.Now, log: o.Log,
		plan: plan{turn: make(chan struct{}, 1)}, deprecated: make(map[string]bool),
	}
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

// Keys are the pool of one key that each call sends.
func (c *Client) Keys() []string { return c.keys }

// get makes one call with the key. The reply is a 200 that says it is JSON; all else is an error.
func (c *Client) get(ctx context.Context, key string, e wire.Endpoint, path, query string) (*wire.Reply, error) {
	r, err := c.wire.Get(ctx, e, path, query, http.Header{"Authorization": {"Bearer " + key}})
	if err != nil {
		return nil, err
	}
	if !r.Good {
		return nil, c.refusal(r)
	}
	return r, nil
}

// warnDeprecated logs once that an endpoint will go away.
func (c *Client) warnDeprecated(ctx context.Context, endpoint, message string) {
	c.mu.Lock()
	told := c.deprecated[endpoint]
	c.deprecated[endpoint] = true
	c.mu.Unlock()
	if !told {
		c.log.WarnContext(ctx, "the provider says that an endpoint will go away", "event", "fetch.deprecated",
			"provider", Name, "endpoint", endpoint, "message", message)
	}
}
