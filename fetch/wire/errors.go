package wire

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/coingraph/coingraph/fault"
)

// Error is a refusal as a provider sent it. It is the cause of a fault, and for logs only.
type Error struct {
	Provider string
	Endpoint string
	Status   int    // HTTP
	Code     int    // the provider's own; 0: none
	Message  string // what an error body says; "": none
	Body     string // the body's beginning, quoted
	// Passing: what looks lasting is known to pass at times.
	Passing bool
}

// Error has the beginning of the body, without our keys.
func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: HTTP %d", e.Provider, e.Endpoint, e.Status)
	if e.Code != 0 {
		s += fmt.Sprintf(", code %d", e.Code)
	}
	return s + ": " + e.Body
}

// Temporary tells whether what looks lasting may pass: a caller tries once more before it believes it.
func (e *Error) Temporary() bool { return e.Passing }

// Refusal is the evidence of a reply that is an error, with the code and the message that were found in it.
func (c *Client) Refusal(r *Reply, code int, message string) *Error {
	return &Error{Provider: c.provider, Endpoint: r.Path, Status: r.Status, Code: code, Message: c.scrub(message), Body: c.quote(r.Body)}
}

// Nonsense refuses a reply whose body cannot be used.
func (c *Client) Nonsense(r *Reply, why error) error {
	return fault.Wrap(fault.UpstreamNonsense, fmt.Errorf("%w: %w", c.Refusal(r, 0, ""), why))
}

// KindOf tells what an error's status means. spoken says that the API itself has answered, in the form that it documents;
// otherwise it may be anything that stands in front of it.
func KindOf(status int, spoken bool) fault.Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return fault.UpstreamRateLimited
	case status >= http.StatusInternalServerError:
		return fault.UpstreamUnavailable
	case status == http.StatusUnauthorized:
		return fault.UpstreamKey
	case status == http.StatusForbidden && spoken:
		return fault.UpstreamPlan
	case status == http.StatusForbidden:
		return fault.UpstreamBlocked
	case status == http.StatusNotFound && spoken:
		return fault.UpstreamNotFound
	case status == http.StatusNotFound, status == http.StatusMethodNotAllowed:
		return fault.UpstreamPath
	case status == http.StatusRequestTimeout:
		return fault.UpstreamTimeout
	case status >= http.StatusBadRequest:
		return fault.UpstreamRejected
	case status >= http.StatusMultipleChoices:
		return fault.UpstreamPath // no API here redirects: the base URL is not the API's
	}
	return fault.UpstreamNonsense
}

// MaxQuote is how much of a body goes into a cause.
const MaxQuote = 200

// quote is the beginning of a body, escaped, without our keys.
func (c *Client) quote(body []byte) string {
	s := c.scrub(string(body[:min(len(body), MaxErrorBytes)]))
	return fmt.Sprintf("%q", s[:min(len(s), MaxQuote)])
}

// scrub takes our keys out of what a provider may have echoed.
func (c *Client) scrub(s string) string {
	for _, k := range c.secrets {
		s = strings.ReplaceAll(s, k, "[key]")
	}
	return s
}

const (
	// defaultPause is for a rate limit that does not say how long to wait.
	defaultPause = time.Minute
	// maxPause is what is believed at most: a header that was sent by mistake must not shut us out for a year.
	maxPause = 24 * time.Hour
)

// RetryAfter is how long an answer says to wait; 0 if it does not. Retry-After (RFC 9110, 10.2.3) is seconds or a date, and
// wins over X-RateLimit-Reset, which providers write as "2026-03-09 03:28:00 +0000". A time that has passed is a second.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 64); err == nil {
		return believed(time.Duration(min(seconds, 1<<32)) * time.Second)
	}
	if at, err := http.ParseTime(value); err == nil {
		return believed(at.Sub(now))
	}
	if at, err := time.Parse("2006-01-02 15:04:05 -0700", strings.TrimSpace(h.Get("X-Ratelimit-Reset"))); err == nil {
		return believed(at.Sub(now))
	}
	return 0
}

// RetryAtEpoch is RetryAfter for providers that document X-RateLimit-Reset as Unix seconds.
func RetryAtEpoch(h http.Header, now time.Time) time.Duration {
	if wait := RetryAfter(h, now); wait > 0 {
		return wait
	}
	// A small number would be the seconds that are left, which nobody documents: it is not believed.
	const least, most = 1 << 30, 1 << 40
	if seconds, err := strconv.ParseInt(strings.TrimSpace(h.Get("X-Ratelimit-Reset")), 10, 64); err == nil && seconds > least && seconds < most {
		return believed(time.Unix(seconds, 0).Sub(now))
	}
	return 0
}

func believed(d time.Duration) time.Duration { return min(max(d, time.Second), maxPause) }

// Pause says in a fault how long to wait, if it is of a kind that passes. A rate limit always says it.
func Pause(f *fault.Error, wait time.Duration) *fault.Error {
	switch f.Kind {
	case fault.UpstreamRateLimited:
		f.RetryAfter = cmp.Or(wait, defaultPause)
	case fault.UpstreamUnavailable:
		f.RetryAfter = wait
	}
	return f
}
