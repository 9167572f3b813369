package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// Try makes one call: it runs call, perhaps with a shorter deadline, perhaps several times, perhaps not at all, and gives
// the last error. The endpoint is for the log and the bill, and has neither ids nor secrets in it. The call is told which of
// the provider's API keys to send.
type Try = func(ctx context.Context, endpoint string, call func(ctx context.Context, key string) error) error

// MaxErrorBytes is how much of an error's body is looked at.
const MaxErrorBytes = 64 << 10

// Endpoint is a path of an API and what is true of all its answers.
type Endpoint struct {
	Path     string // with {…} for what calls put in; for the log
	MaxBytes int64  // of a body, decompressed
}

// Reply is an answer's status, header and body, read whole.
type Reply struct {
	Endpoint
	Status int
	Header http.Header
	Body   []byte
	// Good: it is a 200 that says it is JSON. Otherwise Body is the beginning of whatever has come.
	Good bool
}

// Options are what a Client needs. Provider and BaseURL must be set.
type Options struct {
	Provider  string
	BaseURL   string // with the path
	UserAgent string // "": coingraph
	// Secrets are never sent by the Client itself, and taken out of what goes into errors: a provider may echo them.
	Secrets []string
}

// Client makes calls to one provider. It is safe for concurrent use.
type Client struct {
	provider  string
	baseURL   string
	userAgent string
	secrets   []string
	http      *http.Client
}

// New makes a Client. It sends nothing. No error has a secret in it.
func New(o Options) (*Client, error) {
	for i, s := range o.Secrets {
		if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return nil, fmt.Errorf("%s: key %d is empty or has characters that no key has", o.Provider, i+1)
		}
	}
	u, err := url.Parse(o.BaseURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s: the base URL must be http or https with a host, and without user, query and fragment", o.Provider)
	}
	c := &Client{provider: o.Provider, baseURL: strings.TrimRight(o.BaseURL, "/"), userAgent: o.UserAgent, secrets: o.Secrets}
	if c.userAgent == "" {
		c.userAgent = "coingraph"
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
		// APIs do not redirect; a redirect would take the key's header to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return c, nil
}

// BaseURL is where calls go, without a slash at the end.
func (c *Client) BaseURL() string { return c.baseURL }

// CloseIdleConnections closes what is not in use.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Get makes one call. The path is escaped and begins with a slash; header is added to the request's. An error is a fault,
// and says nothing of the URL; whether a reply that is not Good is one is the caller's to say.
func (c *Client) Get(ctx context.Context, e Endpoint, path, query string, header http.Header) (*Reply, error) {
	target := c.baseURL + path
	if query != "" {
		target += "?" + query
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, fault.Wrap(fault.UpstreamPath, fmt.Errorf("%s %s: the address cannot be asked", c.provider, e.Path))
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", c.userAgent)
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.broken(e, err)
	}
	defer func() { _ = resp.Body.Close() }()

	r := &Reply{Endpoint: e, Status: resp.StatusCode, Header: resp.Header}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	r.Good = r.Status == http.StatusOK && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"))
	limit := e.MaxBytes
	if !r.Good {
		limit = MaxErrorBytes
	}
	// The transport has decompressed: what is counted is what it became.
	r.Body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case !r.Good: // whatever of its body has come
	case err != nil:
		return nil, c.broken(e, err)
	case int64(len(r.Body)) > limit:
		return nil, c.Nonsense(r, fmt.Errorf("the body has more than %d bytes", limit))
	}
	return r, nil
}

// broken translates a call that got no whole answer. The cause says nothing of the URL.
func (c *Client) broken(e Endpoint, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	kind := fault.UpstreamUnavailable
	var n net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &n) && n.Timeout() {
		kind = fault.UpstreamTimeout
	}
	return fault.Wrap(kind, fmt.Errorf("%s %s: %w", c.provider, e.Path, err))
}
