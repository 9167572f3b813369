package coingecko

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
)

// CoinGecko's error codes: https://docs.coingecko.com/docs/errors-and-rate-limits. 1015 and 1020 are Cloudflare's, which
// sends them in pages and as text.
const (
	codeKey       = 10002 // missing or wrong
	codePaidPlan  = 10005
	codeHost      = 10010 // a key of the other kind, on the public host
	codeProHost   = 10011 // likewise, on the pro host
	codeTimeRange = 10012
	codeThrottled = 1015
	codeFirewall  = 1020
)

// refusal translates an answer that is not a 200 with JSON, or is one with an error in it.
func (c *Client) refusal(r *reply) error {
	code, message := readError(r.Body)
	e := c.wire.Refusal(r, code, message)
	e.Passing = code == codeHost // users meet it now and then on a correct set-up
	return wire.Pause(fault.Wrap(kindOf(r, code, message), e), wire.RetryAfter(r.Header, c.now()))
}

// nonsense refuses a 200 whose body cannot be used.
func (c *Client) nonsense(r *reply, why error) error { return c.wire.Nonsense(r, why) }

// kindOf tells what a refusal means. Codes are clear; where there is none, the status and in the older forms only the
// message say what it is: 401 is four different things.
func kindOf(r *reply, code int, message string) fault.Kind {
	switch code {
	case codeKey:
		return fault.UpstreamKey
	case codePaidPlan:
		return fault.UpstreamPlan
	case codeHost, codeProHost:
		return fault.UpstreamHost
	case codeTimeRange:
		return fault.UpstreamRange
	case codeThrottled:
		return fault.UpstreamRateLimited
	case codeFirewall:
		if r.Status < http.StatusTooManyRequests { // such pages come as 429, too
			return fault.UpstreamBlocked
		}
	}
	text := strings.ToLower(message)
	says := func(phrases ...string) bool {
		for _, p := range phrases {
			if strings.Contains(text, p) {
				return true
			}
		}
		return false
	}
	status := r.Status
	if status == http.StatusOK && code >= 400 && code <= 599 {
		status = code
	}
	switch {
	case status == http.StatusTooManyRequests, code == http.StatusTooManyRequests:
		return fault.UpstreamRateLimited
	case status >= http.StatusInternalServerError:
		return fault.UpstreamUnavailable
	case status == http.StatusUnauthorized, status == http.StatusForbidden && message != "":
		switch {
		case says("time range"):
			return fault.UpstreamRange
		case says("plan", "subscriber"):
			return fault.UpstreamPlan
		case status == http.StatusForbidden:
			return fault.UpstreamBlocked
		}
		return fault.UpstreamKey
	case status == http.StatusForbidden:
		return fault.UpstreamBlocked
	case status == http.StatusNotFound:
		if strings.Contains(r.Path, "{id}") && says("not found") {
			return fault.UpstreamNotFound
		}
		return fault.UpstreamPath
	case status == http.StatusRequestTimeout:
		return fault.UpstreamTimeout
	case status >= http.StatusBadRequest:
		return fault.UpstreamRejected
	case status >= http.StatusMultipleChoices:
		return fault.UpstreamPath // the API never redirects: the base URL is not the API's
	}
	return fault.UpstreamNonsense
}

// statusObject is what error bodies have their details in.
type statusObject struct {
	Code    json.Number `json:"error_code"`
	Message string      `json:"error_message"`
}

// readError finds code and message in an error body of any of the shapes that are known:
//
//	{"error":"invalid vs_currency"}
//	{"status":{"error_code":429,"error_message":"…"}}
//	{"error":{"status":{"error_code":10012,"error_message":"…"}}}
//	{"error_code":10010,"status":{"error_message":"…"}}
//	Throttled
//	error code: 1015, as text or in a page; "Access denied", in the title of a page
//
// Both are zero if it is none of these.
func readError(body []byte) (code int, message string) {
	members, err := wire.Object(body)
	if err != nil {
		return readErrorText(string(body))
	}
	return readErrorObject(members)
}

func readErrorObject(members map[string]json.RawMessage) (code int, message string) {
	var s statusObject
	var nested struct {
		Status statusObject `json:"status"`
	}
	switch {
	case json.Unmarshal(members["error"], &message) == nil && message != "":
		return 0, message
	case json.Unmarshal(members["error"], &nested) == nil:
		s = nested.Status
	case json.Unmarshal(members["status"], &s) == nil:
		if s.Code == "" {
			_ = json.Unmarshal(members["error_code"], &s.Code) // no number, no code
		}
	}
	n, err := s.Code.Int64()
	if err != nil {
		n = 0
	}
	return int(n), s.Message
}

func readErrorText(body string) (code int, message string) {
	body = strings.ToLower(body)
	switch {
	case strings.HasPrefix(strings.TrimSpace(body), "throttled"), strings.Contains(body, "error code: 1015"), strings.Contains(body, "error 1015"):
		return codeThrottled, ""
	case strings.Contains(body, "error code: 1020"), strings.Contains(body, "error 1020"), strings.Contains(body, "<title>access denied"):
		return codeFirewall, ""
	}
	return 0, ""
}
