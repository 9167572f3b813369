package web

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-chi/httprate"

	"github.com/coingraph/coingraph/fault"
)

// clientAddress finds out who is at the other end: the peer, or, if that is a trusted proxy, whom it says it speaks for.
func clientAddress(trusted []string) func(http.Handler) http.Handler {
	if len(trusted) == 0 {
		return middleware.ClientIPFromRemoteAddr
	}
	return middleware.ClientIPFromXFF(trusted...)
}

// AddressLimit is how many requests without a valid credential a client's address has. It is coarse on purpose: a
// sliding window in this process (an IPv6 client is its /64).
type AddressLimit struct {
	limiter *httprate.RateLimiter
	window  time.Duration
}

// NewAddressLimit makes a limit of so many requests in each window.
func NewAddressLimit(most int, window time.Duration) *AddressLimit {
	silent := func(http.ResponseWriter, *http.Request) {}
	return &AddressLimit{httprate.NewRateLimiter(most, window, httprate.WithLimitHandler(silent), httprate.WithResponseHeaders(httprate.ResponseHeaders{})), window}
}

// addressOf is the client's address as it is counted by.
func addressOf(r *http.Request) string {
	return httprate.CanonicalizeIP(middleware.GetClientIP(r.Context()))
}

// charge counts a request that showed no valid credential, and gives the fault of an address that has shown too many. An
// address that is over its limit is not counted further, so that its window goes by.
func (l *AddressLimit) charge(r *http.Request) error {
	key := addressOf(r)
	if within, _, err := l.limiter.Status(key); err == nil && !within || l.limiter.OnLimit(discard{}, r, key) {
		return &fault.Error{Kind: fault.RateLimited, Message: "too many requests without a valid credential from this address", RetryAfter: l.window}
	}
	return nil
}

// discard is a ResponseWriter for a library that writes headers we have ourselves.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
