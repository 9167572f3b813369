package web

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/coingraph/coingraph/auth"
	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/web/openapi"
)

// CoinGecko's codes: https://docs.coingecko.com/docs/errors-and-rate-limits.
const (
	geckoNoKey = 10002
	geckoPlan  = 10005
	geckoRange = 10012
)

var (
	errIncorrectPath = fault.New(fault.NotFound, "Incorrect path. Please check https://www.coingecko.com/api/")
	errPaidOnly      = fault.Wrap(fault.UpstreamPlan, nil)
)

// geckoErrors are errors in the shapes that CoinGecko has for each of them, with its words where clients look for them:
//
//	{"error": …}                                                     bad parameters, what is not there
//	{"status": {"error_code": …, "error_message": …}}                keys, plans, limits, and failures
//	{"error": {"status": {"timestamp", "error_code", "error_message"}}}   a time range that the plan does not have
var geckoErrors = errorForm{
	media: plainJSON + "; charset=utf-8", schema: openapi.Ref("CoinGeckoError"), body: geckoBody, status: geckoStatus,
}

// geckoStatus is CoinGecko's status for a fault: with it, a plan's limits are 401.
func geckoStatus(k fault.Kind) int {
	switch k {
	case fault.UpstreamPlan, fault.UpstreamRange:
		return http.StatusUnauthorized
	}
	return k.Status()
}

func geckoBody(f *fault.Error, _ string, at time.Time) any {
	type status struct {
		Timestamp string `json:"timestamp,omitempty"`
		Code      int    `json:"error_code"`
		Message   string `json:"error_message"`
	}
	coded := func(code int, message string) any {
		return map[string]status{"status": {Code: code, Message: message}}
	}
	flat := func(message string) any { return map[string]string{"error": message} }
	switch f.Kind {
	case fault.BadInput:
		return flat(geckoFields(f))
	case fault.NotFound, fault.UpstreamNotFound:
		if f == errIncorrectPath {
			return flat(f.Safe())
		}
		return flat("coin not found")
	case fault.Unauthenticated:
		if f.Cause == nil || errors.Is(f.Cause, auth.ErrNoCredential) {
			return coded(geckoNoKey, "API Key Missing")
		}
		return coded(geckoNoKey, "Invalid API Key")
	case fault.UpstreamPlan:
		return coded(geckoPlan, "This request is limited to PRO API subscribers: the plan that this server has at its provider does not include it.")
	case fault.UpstreamRange:
		return map[string]any{"error": map[string]status{"status": {
			at.UTC().Format("2006-01-02T15:04:05.000-07:00"), geckoRange,
			"Your request exceeds the allowed time range: the plan that this server has at its provider does not reach back so far.",
		}}}
	case fault.RateLimited:
		return coded(http.StatusTooManyRequests, "You've exceeded the Rate Limit. "+strings.TrimPrefix(f.Safe(), "rate limit exceeded: "))
	case fault.Forbidden, fault.TooComplex, fault.MethodNotAllowed, fault.NotImplemented:
		return flat(f.Safe())
	default:
		return coded(f.Kind.Status(), f.Safe())
	}
}

// geckoFields says what is wrong with the parameters.
func geckoFields(f *fault.Error) string {
	var texts []string
	for _, b := range f.Fields {
		switch {
		case b.Message == isMissing:
			texts = append(texts, "Missing parameter "+b.Field)
		case b.Field == "vs_currency":
			texts = append(texts, "invalid vs_currency")
		default:
			texts = append(texts, "invalid "+b.Field+": "+b.Message)
		}
	}
	return strings.Join(texts, "; ")
}

// geckoFault gives a fault a time to wait where its status asks for one: clients wait for ever, or not at all, without.
func geckoFault(f *fault.Error) *fault.Error {
	const wait = 5 * time.Second
	if s := f.Kind.Status(); f.RetryAfter > 0 || s != http.StatusTooManyRequests && s != http.StatusServiceUnavailable {
		return f
	}
	waiting := *f
	waiting.RetryAfter = wait
	return &waiting
}
