package coingecko

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// Name is the provider's name: the Source of what it tells.
const Name = "coingecko"

// Try makes one call: it runs call, perhaps with a shorter deadline, perhaps several times, perhaps not at all, and gives
// the last error. The endpoint is the path with {id} for the asset's id.
type Try = func(ctx context.Context, endpoint string, call func(context.Context) error) error

// Options are what a Client needs. Plan must be set.
type Options struct {
	Plan    Plan
	BaseURL string   // with the path; "": the plan's host
	Keys    []string // used in turn; exactly with plans that have keys

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
	baseURL   string
	keys      []string
	nextKey   atomic.Uint64
	userAgent string
	now       func() time.Time
	log       *slog.Logger
	http      *http.Client
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
	for i, k := range o.Keys {
		if k == "" || strings.ContainsFunc(k, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("coingecko: key %d is empty or has characters that no key has", i+1)
		}
	}
	c := &Client{access: a, baseURL: a.baseURL, keys: o.Keys, userAgent: o.UserAgent, now: o.Now, log: o.Log}
	if o.BaseURL != "" {
		u, err := url.Parse(o.BaseURL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, errors.New("coingecko: the base URL must be http or https with a host, and without user, query and fragment")
		}
		c.baseURL = strings.TrimRight(o.BaseURL, "/")
	}
	if c.userAgent == "" {
		c.userAgent = "coingraph"
	}
	if c.now == nil {
		c.now = time.Now
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	c.http = &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSHandshakeTimeout:    5 * time.Second,
			ForceAttemptHTTP2:      true,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
		// The API never redirects; a redirect would take the key's header to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// Name is the provider's name.
func (c *Client) Name() string { return Name }

// endpoint is a path of the API and what is true of all its answers.
type endpoint struct {
	path     string
	maxBytes int64 // of a body, decompressed
}

// The bounds are many times the largest real answer: 1 MB for the list of all coins, 1 MB for a year of hours, 3 MB for
// 250 coins in all currencies, 1 MB for a page of markets with sparklines.
var (
	simplePrice      = endpoint{"/simple/price", 16 << 20}
	supportedVs      = endpoint{"/simple/supported_vs_currencies", 1 << 20}
	coinsList        = endpoint{"/coins/list", 32 << 20}
	marketChart      = endpoint{"/coins/{id}/market_chart", 16 << 20}
	marketChartRange = endpoint{"/coins/{id}/market_chart/range", 16 << 20}
	coinsMarkets     = endpoint{"/coins/markets", 4 << 20}
	coinsOHLC        = endpoint{"/coins/{id}/ohlc", 4 << 20}
	coinsHistory     = endpoint{"/coins/{id}/history", 4 << 20}
)

// maxErrorBytes is how much of an error's body is looked at.
const maxErrorBytes = 64 << 10

// reply is an answer's status, header and body, read whole.
type reply struct {
	endpoint
	status int
	header http.Header
	body   []byte
}

// get makes one call. id is the asset's, for the endpoints that have one in their path. The reply is a 200 that says it is
// JSON; all else is an error.
func (c *Client) get(ctx context.Context, e endpoint, id, query string) (*reply, error) {
	target := c.baseURL + strings.Replace(e.path, "{id}", url.PathEscape(id), 1)
	if query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, fault.Wrap(fault.UpstreamPath, fmt.Errorf("coingecko %s: %w", e.path, err))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	if c.keyHeader != "" {
		req.Header.Set(c.keyHeader, c.keys[(c.nextKey.Add(1)-1)%uint64(len(c.keys))])
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, broken(e, err)
	}
	defer func() { _ = resp.Body.Close() }()

	r := &reply{endpoint: e, status: resp.StatusCode, header: resp.Header}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	good := r.status == http.StatusOK && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"))
	limit := e.maxBytes
	if !good {
		limit = maxErrorBytes
	}
	// The transport has decompressed: what is counted is what it became.
	r.body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case !good:
		return nil, c.refusal(r) // whatever of its body has come
	case err != nil:
		return nil, broken(e, err)
	case int64(len(r.body)) > limit:
		return nil, c.nonsense(r, fmt.Errorf("the body has more than %d bytes", limit))
	}
	return r, nil
}

// broken translates a call that got no whole answer. The cause says nothing of the URL.
func broken(e endpoint, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	kind := fault.UpstreamUnavailable
	var n net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout() {
		kind = fault.UpstreamTimeout
	}
	return fault.Wrap(kind, fmt.Errorf("coingecko %s: %w", e.path, err))
}
