// Package fault names what can go wrong: one table leads from a kind to the code clients see, the HTTP status and a
// message that is safe to show.
//
// Errors are made here or translated into here at the edge that met them (store, fetch, auth, web), wrapped with %w on
// their way up, and rendered in exactly two places: the GraphQL error presenter and web's fail. Both ask [Of].
package fault

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind is what went wrong, finer than the code clients see: the upstream kinds share few codes, but each has a
// consequence of its own in fetch.
type Kind uint8

// The kinds. The zero value is Internal, so that a forgotten kind never looks like somebody else's fault.
const (
	Internal Kind = iota

	// The caller's.
	BadInput
	ParseFailed
	ValidationFailed
	PersistedQueryNotFound
	Unauthenticated
	Forbidden
	NotFound
	RateLimited
	TooComplex
	MethodNotAllowed
	NotAcceptable
	BodyTooLarge
	UnsupportedMediaType
	NotImplemented // a part of an API that we speak in part
	Abandoned      // the caller has left: nobody reads the answer

	// The provider's, or ours with the provider.
	UpstreamUnavailable // an outage: 5xx, a reset connection, a page of the CDN
	UpstreamNonsense    // an answer that is not what the provider documents: HTML under 200, cut JSON, ragged values
	UpstreamTimeout     // no answer in time
	UpstreamRateLimited // 429, "Throttled", Cloudflare 1015: everybody waits
	UpstreamBlocked     // a firewall's refusal: 403, 1020, "Access denied"
	UpstreamHost        // the key belongs to another host (CoinGecko 10010, 10011): a configuration fault
	UpstreamKey         // the key is missing or wrong (CoinGecko 10002)
	UpstreamPlan        // the endpoint or a parameter is not in the plan (CoinGecko 10005)
	UpstreamRange       // the time range is older than the plan allows (CoinGecko 10012)
	UpstreamRejected    // 400 or 422: a parameter that the provider does not take
	UpstreamNotFound    // the provider does not know the asset
	UpstreamPath        // the provider does not know the path: the id was malformed, or the base URL is wrong
	QuotaExhausted      // our own budget of calls is spent

	// Ours.
	StoreUnavailable

	kinds // how many there are
)

// row is what the outside sees of a kind.
type row struct {
	name    string // for logs
	code    string // extensions.code and problem+json code
	status  int    // HTTP
	message string // safe: says nothing of causes
}

var table = [kinds]row{
	Internal:               {"internal", "INTERNAL", 500, "internal error"},
	BadInput:               {"bad_input", "BAD_USER_INPUT", 400, "invalid parameters"},
	ParseFailed:            {"parse_failed", "GRAPHQL_PARSE_FAILED", 400, "the document could not be parsed"},
	ValidationFailed:       {"validation_failed", "GRAPHQL_VALIDATION_FAILED", 400, "the document is not valid for this schema"},
	PersistedQueryNotFound: {"persisted_query_not_found", "PERSISTED_QUERY_NOT_FOUND", 400, "PersistedQueryNotFound"},
	Unauthenticated:        {"unauthenticated", "UNAUTHENTICATED", 401, "a valid API key is needed: send it in X-API-Key"},
	Forbidden:              {"forbidden", "FORBIDDEN", 403, "your role does not allow this"},
	NotFound:               {"not_found", "NOT_FOUND", 404, "not found"},
	RateLimited:            {"rate_limited", "RATE_LIMITED", 429, "rate limit exceeded"},
	TooComplex:             {"too_complex", "QUERY_TOO_COMPLEX", 400, "the query asks for too much"},
	MethodNotAllowed:       {"method_not_allowed", "METHOD_NOT_ALLOWED", 405, "method not allowed"},
	NotAcceptable:          {"not_acceptable", "NOT_ACCEPTABLE", 406, "no media type that is acceptable can be served"},
	BodyTooLarge:           {"body_too_large", "BODY_TOO_LARGE", 413, "the request body is too large"},
	UnsupportedMediaType:   {"unsupported_media_type", "UNSUPPORTED_MEDIA_TYPE", 415, "unsupported media type"},
	NotImplemented:         {"not_implemented", "NOT_IMPLEMENTED", 501, "this is not served here"},
	Abandoned:              {"abandoned", "CLIENT_CLOSED_REQUEST", 499, "the caller has left"}, // as nginx counts it: it is nobody's fault

	UpstreamUnavailable: {"upstream_unavailable", "UPSTREAM_UNAVAILABLE", 502, "the data provider is unavailable"},
	UpstreamNonsense:    {"upstream_nonsense", "UPSTREAM_UNAVAILABLE", 502, "the data provider sent an answer that cannot be used"},
	UpstreamTimeout:     {"upstream_timeout", "UPSTREAM_TIMEOUT", 504, "the data provider did not answer in time"},
	UpstreamRateLimited: {"upstream_rate_limited", "UPSTREAM_RATE_LIMITED", 503, "the data provider limits our requests"},
	UpstreamBlocked:     {"upstream_blocked", "UPSTREAM_UNAVAILABLE", 502, "the data provider refuses our requests"},
	UpstreamHost:        {"upstream_host", "UPSTREAM_UNAVAILABLE", 502, "the data provider refuses our requests"},
	UpstreamKey:         {"upstream_key", "UPSTREAM_UNAVAILABLE", 502, "the data provider refuses our requests"},
	UpstreamPlan:        {"upstream_plan", "UPSTREAM_UNAVAILABLE", 502, "the data provider does not offer this on our plan"},
	UpstreamRange:       {"upstream_range", "UPSTREAM_UNAVAILABLE", 502, "the data provider does not offer this time range on our plan"},
	UpstreamRejected:    {"upstream_rejected", "UPSTREAM_UNAVAILABLE", 502, "the data provider rejected the request"},
	UpstreamNotFound:    {"upstream_not_found", "NOT_FOUND", 404, "the data provider does not know this asset"},
	UpstreamPath:        {"upstream_path", "UPSTREAM_UNAVAILABLE", 502, "the data provider does not know this path"},
	QuotaExhausted:      {"quota_exhausted", "UPSTREAM_QUOTA_EXHAUSTED", 503, "the quota of calls to the data provider is spent"},

	StoreUnavailable: {"store_unavailable", "STORE_UNAVAILABLE", 503, "the store is unavailable"},
}

// String is the kind's name in logs.
func (k Kind) String() string { return k.row().name }

// KindNamed finds a kind by its name in logs.
func KindNamed(name string) (Kind, bool) {
	for k := range kinds {
		if table[k].name == name {
			return k, true
		}
	}
	return Internal, false
}

// Code is what clients see in extensions.code and in a problem's code.
func (k Kind) Code() string { return k.row().code }

// Status is the HTTP status of a REST answer.
func (k Kind) Status() int { return k.row().status }

// Message is the fixed text of the kind, safe to show to anybody.
func (k Kind) Message() string { return k.row().message }

// Upstream tells whether the fault lies with a data provider, or with our access to it.
func (k Kind) Upstream() bool { return k >= UpstreamUnavailable && k <= QuotaExhausted }

func (k Kind) row() row {
	if k >= kinds {
		return table[Internal]
	}
	return table[k]
}

// Field is one invalid parameter, named as the caller wrote it.
type Field struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

// Error is a fault with what may be shown of it. Its cause is for the log only.
type Error struct {
	Kind       Kind
	Message    string        // safe to show; empty: the kind's own
	Fields     []Field       // the invalid parameters, with BadInput
	RetryAfter time.Duration // how long to wait, where that is known
	Cause      error
}

// New makes a fault with a message that is safe to show.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault of the kind with its usual message out of a cause that nobody outside may see.
func Wrap(kind Kind, cause error) *Error { return &Error{Kind: kind, Cause: cause} }

// Invalid makes a BadInput fault that lists the fields; nil when there are none.
func Invalid(fields ...Field) error {
	if len(fields) == 0 {
		return nil
	}
	return &Error{Kind: BadInput, Fields: fields}
}

// Error has the cause in it: for the log, never for a client. Clients get [Error.Safe].
func (e *Error) Error() string {
	s := e.Kind.String() + ": " + e.Safe()
	for _, f := range e.Fields {
		s += "; " + f.Field + ": " + f.Message
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Safe is the message for clients.
func (e *Error) Safe() string {
	if e.Message != "" {
		return e.Message
	}
	return e.Kind.Message()
}

// Of finds the fault in an error. It is total: what it does not know is Internal with a fixed message and the error as
// cause. Of(nil) is nil.
func Of(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) {
		// A deadline that nobody translated is the request's own: it ran out while waiting for a provider's data.
		return &Error{Kind: UpstreamTimeout, Cause: err}
	}
	if errors.Is(err, context.Canceled) {
		// Work that goes on without its caller has a context of its own: this was the request's.
		return &Error{Kind: Abandoned, Cause: err}
	}
	return &Error{Kind: Internal, Cause: err}
}

// Is tells whether the error is a fault of the kind.
func Is(err error, kind Kind) bool { return err != nil && Of(err).Kind == kind }
