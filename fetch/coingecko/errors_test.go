package coingecko

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coingraph/coingraph/fault"
	"github.com/coingraph/coingraph/fetch/wire"
	"github.com/coingraph/coingraph/fetch/wire/wiretest"
	"github.com/coingraph/coingraph/market"
)

// chartOf asks for a bit of a chart, which is what most errors are answers to.
func chartOf(t *testing.T, c *Client) ([]market.Fetched, error) {
	t.Helper()
	key := market.SeriesKey{Asset: "bitcoin", Currency: "usd", Interval: market.Daily}
	last := market.Daily.Newest(c.now())
	return c.Series(t.Context(), wiretest.Once, key, []market.Range{{From: last, To: last + market.Daily.Step()}})
}

// refuse is a handler that answers with a status, a type and a body.
func refuse(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

const (
	asJSON = "application/json; charset=utf-8"
	asText = "text/plain; charset=utf-8"
	asHTML = "text/html; charset=UTF-8"
)

func TestRecordedErrors(t *testing.T) {
	bodies := recordings(t, "errors/*")
	tests := []struct {
		file, contentType string
		status, code      int
		kind              fault.Kind
	}{
		{"1015__plain_text.txt", asText, 429, 1015, fault.UpstreamRateLimited},
		{"1015__plain_text.txt", asText, 403, 1015, fault.UpstreamRateLimited},
		{"1015__plain_text.txt", asText, 200, 1015, fault.UpstreamRateLimited},
		{"400__10010_pro_key_on_public_host.json", asJSON, 400, 10010, fault.UpstreamHost},
		{"400__10011_demo_key_on_pro_host.json", asJSON, 400, 10011, fault.UpstreamHost},
		{"400__invalid_vs_currency.json", asJSON, 400, 0, fault.UpstreamRejected},
		{"401__10002__third_party_test.json", asJSON, 401, 10002, fault.UpstreamKey},
		{"401__10005__third_party_test.json", asJSON, 401, 10005, fault.UpstreamPlan},
		{"401__10012_time_range.json", asJSON, 401, 10012, fault.UpstreamRange},
		{"401__10012_time_range.json", asJSON, 200, 10012, fault.UpstreamRange},
		{"404__incorrect_path.json", asJSON, 404, 0, fault.UpstreamPath},
		{"429__status_json.json", asJSON, 429, 429, fault.UpstreamRateLimited},
		{"429__status_json.json", asJSON, 200, 429, fault.UpstreamRateLimited},
		{"429__throttled.txt", asText, 429, 1015, fault.UpstreamRateLimited},
		{"500__rails_page__truncated.html", asHTML, 500, 0, fault.UpstreamUnavailable},
		{"504__cloudflare_page__truncated.html", asHTML, 504, 0, fault.UpstreamUnavailable},
		{"504__cloudflare_page__truncated.html", asHTML, 200, 0, fault.UpstreamNonsense},
		{"cloudflare_access_denied__truncated.html", asHTML, 403, 1020, fault.UpstreamBlocked},
		{"cloudflare_access_denied__truncated.html", asHTML, 429, 1020, fault.UpstreamRateLimited},
		{"cloudflare_access_denied__truncated.html", asHTML, 200, 1020, fault.UpstreamBlocked},
	}
	tested := map[string]bool{}
	for _, test := range tests {
		body, ok := bodies[test.file]
		if !ok {
			t.Errorf("%s is not there", test.file)
			continue
		}
		tested[test.file] = true
		_, err := chartOf(t, client(t, wiretest.Serve(t, refuse(test.status, test.contentType, string(body))), Demo, midMarch))
		what := fmt.Sprintf("%s as %d", test.file, test.status)
		wiretest.WantKind(t, what, err, test.kind)
		var e *wire.Error
		if !errors.As(err, &e) || e.Status != test.status || e.Code != test.code {
			t.Errorf("%s: cause %+v", what, e)
		}
		if f := fault.Of(err); f.Message != "" || (f.RetryAfter > 0) != (f.Kind == fault.UpstreamRateLimited) {
			t.Errorf("%s: %+v", what, f)
		}
	}
	for file := range bodies {
		if !tested[file] {
			t.Errorf("%s is not tested", file)
		}
	}
}

// TestMadeUpErrors has the answers that are documented or reported and that nobody recorded: the bodies are made up.
func TestMadeUpErrors(t *testing.T) {
	for _, test := range []struct {
		status            int
		contentType, body string
		kind              fault.Kind
	}{
		{404, asJSON, `{"error":"coin not found"}`, fault.UpstreamNotFound},
		{404, asHTML, `<html>`, fault.UpstreamPath},
		{401, asJSON, `{"status":{"error_code":401,"error_message":"API Key Missing"}}`, fault.UpstreamKey},
		{401, asJSON, `{"error":"Invalid API key"}`, fault.UpstreamKey},
		{401, asJSON, `{"error":"invalid demo api key usage"}`, fault.UpstreamKey},
		{401, asJSON, `{"status":{"error_code":401,"error_message":"interval=hourly is exclusive to paid plan subscribers"}}`, fault.UpstreamPlan},
		{401, asJSON, `{"error":"Your request exceeds the allowed time range."}`, fault.UpstreamRange},
		{401, asText, ``, fault.UpstreamKey},
		{403, asJSON, `{"error":"Your plan does not have access to this endpoint"}`, fault.UpstreamPlan},
		{403, asJSON, `{"error":"forbidden"}`, fault.UpstreamBlocked},
		{403, asText, `error code: 1020`, fault.UpstreamBlocked},
		{403, asHTML, `<html>`, fault.UpstreamBlocked},
		{400, asJSON, `{"error":"Missing parameter days"}`, fault.UpstreamRejected},
		{422, asJSON, `{"error":"invalid"}`, fault.UpstreamRejected},
		{408, asText, ``, fault.UpstreamTimeout},
		{429, asText, ``, fault.UpstreamRateLimited},
		{429, asHTML, `<p>error code: 1015</p>`, fault.UpstreamRateLimited},
		{500, asJSON, `{"status":{"error_code":500,"error_message":"Internal Server Error"}}`, fault.UpstreamUnavailable},
		{503, asJSON, `{"status":{"error_code":429,"error_message":"x"}}`, fault.UpstreamRateLimited},
		{503, asHTML, `<title>Access denied</title>`, fault.UpstreamUnavailable},
		{502, asText, ``, fault.UpstreamUnavailable},
		{200, asJSON, `{"error":"something"}`, fault.UpstreamNonsense},
		{200, asJSON, `{"status":{"error_code":503,"error_message":"x"}}`, fault.UpstreamUnavailable},
		{200, asHTML, `<html>captcha</html>`, fault.UpstreamNonsense},
		{200, asHTML, `{"prices":[],"market_caps":[],"total_volumes":[]}`, fault.UpstreamNonsense},
		{200, asJSON, `{"bitcoin":{"usd":1}}`, fault.UpstreamNonsense},
		{204, asJSON, ``, fault.UpstreamNonsense},
	} {
		_, err := chartOf(t, client(t, wiretest.Serve(t, refuse(test.status, test.contentType, test.body)), Demo, midMarch))
		wiretest.WantKind(t, fmt.Sprintf("%d %s", test.status, test.body), err, test.kind)
	}
	// Not found is said of an asset only.
	c := client(t, wiretest.Serve(t, refuse(404, asJSON, `{"error":"not found"}`)), Demo, midMarch)
	_, err := c.Assets(t.Context(), wiretest.Once)
	wiretest.WantKind(t, "the list is not found", err, fault.UpstreamPath)
}

func TestRetryAfter(t *testing.T) {
	for _, test := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{"Retry-After": {"7"}}, 7 * time.Second},
		{http.Header{"Retry-After": {" 119 "}}, 119 * time.Second},
		{http.Header{"Retry-After": {midMarch.Add(42 * time.Second).Format(http.TimeFormat)}}, 42 * time.Second},
		{http.Header{"Retry-After": {"3600"}}, time.Hour},
		{http.Header{"Retry-After": {"7"}, "X-Ratelimit-Reset": {"2026-03-10 13:00:00 +0000"}}, 7 * time.Second},
		{http.Header{"X-Ratelimit-Reset": {"2026-03-10 14:31:00 +0200"}}, 40 * time.Second},
		{http.Header{"Retry-After": {"soon"}, "X-Ratelimit-Reset": {"2026-03-10 12:30:30 +0000"}}, 10 * time.Second},
		{http.Header{}, time.Minute},
		{http.Header{"Retry-After": {"-5"}, "X-Ratelimit-Reset": {"1773145820"}}, time.Minute},
		{http.Header{"Retry-After": {"0"}}, time.Second},
		{http.Header{"Retry-After": {"Tue, 10 Mar 2026 12:00:00 GMT"}}, time.Second},
		{http.Header{"Retry-After": {"18446744073709551615"}}, 24 * time.Hour},
		{http.Header{"Retry-After": {"Fri, 31 Dec 9999 23:59:59 GMT"}}, 24 * time.Hour},
	} {
		u := wiretest.Serve(t, func(w http.ResponseWriter, r *http.Request) {
			for k, v := range test.header {
				w.Header()[k] = v
			}
			refuse(429, asText, "Throttled")(w, r)
		})
		_, err := chartOf(t, client(t, u, Public, midMarch))
		if f := fault.Of(err); f.Kind != fault.UpstreamRateLimited || f.RetryAfter != test.want {
			t.Errorf("%v: %v, want %v", test.header, f.RetryAfter, test.want)
		}
	}
}

// TestErrorsHoldNoKey lets the provider echo the key at every place of the quoted beginning.
func TestErrorsHoldNoKey(t *testing.T) {
	for pad := range 2 * wire.MaxQuote {
		body := strings.Repeat("x", pad) + testKey + `{"error":"` + testKey + `"}`
		u := wiretest.Serve(t, refuse(400+pad%2*100, asText, body))
		_, err := chartOf(t, client(t, u, Demo, midMarch))
		if err == nil || strings.Contains(err.Error(), testKey[:6]) || strings.Contains(err.Error(), u.URL) {
			t.Fatalf("%d: %v", pad, err)
		}
	}
	u := wiretest.Serve(t, refuse(401, asJSON, `{"error":"the key `+testKey+` is not valid\n\u001b[31m"}`))
	_, err := chartOf(t, client(t, u, Demo, midMarch))
	var e *wire.Error
	if !errors.As(err, &e) || strings.Contains(e.Message, testKey) || strings.ContainsAny(err.Error(), "\n\x1b") || strings.Contains(fault.Of(err).Safe(), "not valid") {
		t.Errorf("%q with %+v", err, e)
	}
}

func TestTemporary(t *testing.T) {
	for code, want := range map[int]bool{10010: true, 10011: false} {
		u := wiretest.Serve(t, refuse(400, asJSON, `{"error_code":`+strconv.Itoa(code)+`,"status":{"error_message":"x"}}`))
		_, err := chartOf(t, client(t, u, Demo, midMarch))
		var e *wire.Error
		if !errors.As(err, &e) || e.Temporary() != want {
			t.Errorf("%d: %v", code, err)
		}
	}
}
