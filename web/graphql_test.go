package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coingraph/coingraph/fault"
)

func TestNegotiate(t *testing.T) {
	for _, c := range []struct {
		accept []string
		want   string
	}{
		{nil, plainJSON},
		{[]string{"*/*"}, plainJSON},
		{[]string{"application/*"}, plainJSON},
		{[]string{"application/json"}, plainJSON},
		{[]string{"application/graphql-response+json"}, responseJSON},
		{[]string{"application/graphql-response+json, application/json;q=0.9"}, responseJSON},
		{[]string{"application/json;q=0.2, application/graphql-response+json;q=0.9"}, responseJSON},
		{[]string{"application/json", "application/graphql-response+json"}, plainJSON},
		{[]string{"text/html, application/graphql-response+json; charset=UTF-8"}, responseJSON},
		{[]string{"application/json; charset=utf-8"}, plainJSON},
		{[]string{"text/html"}, ""},
		{[]string{"application/json; charset=latin1"}, ""},
		{[]string{"application/json;q=0"}, ""},
		{[]string{";;;"}, ""},
	} {
		got, err := negotiate(c.accept)
		if got != c.want || (err != nil) != (c.want == "") || err != nil && !fault.Is(err, fault.NotAcceptable) {
			t.Errorf("%q: got %q %v, want %q", c.accept, got, err, c.want)
		}
	}
}

func TestReadPost(t *testing.T) {
	post := func(contentType, body string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", contentType)
		r.Body = http.MaxBytesReader(nil, r.Body, 1000)
		return r
	}
	for _, c := range []struct {
		name, contentType, body string
		want                    fault.Kind
	}{
		{"form", "application/x-www-form-urlencoded", `query={a}`, fault.UnsupportedMediaType},
		{"text", "text/plain", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"multipart", "multipart/form-data; boundary=x", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"nothing", "", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"another charset", "application/json; charset=latin1", `{"query":"{a}"}`, fault.UnsupportedMediaType},
		{"broken", plainJSON, `{"query":"{a}", "hunter2`, fault.BadInput},
		{"empty", plainJSON, ``, fault.BadInput},
		{"null", plainJSON, `null`, fault.BadInput},
		{"a batch", plainJSON, ` [{"query":"{a}"}]`, fault.BadInput},
		{"bytes after it", plainJSON, `{"query":"{a}"} {}`, fault.BadInput},
		{"no query", plainJSON, `{}`, fault.BadInput},
		{"another case", plainJSON, `{"QUERY":"{a}"}`, fault.BadInput},
		{"a query that is no text", plainJSON, `{"query":{"a":1}}`, fault.BadInput},
		{"variables that are no object", plainJSON, `{"query":"{a}","variables":[1]}`, fault.BadInput},
		{"extensions that are no object", plainJSON, `{"query":"{a}","extensions":"x"}`, fault.BadInput},
		{"a name that is no text", plainJSON, `{"query":"{a}","operationName":1}`, fault.BadInput},
		{"too large", plainJSON, `{"query":"` + strings.Repeat("a", 2000) + `"}`, fault.BodyTooLarge},
	} {
		_, err := readPost(post(c.contentType, c.body))
		if !fault.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err != nil && strings.Contains(fault.Of(err).Safe()+err.Error(), "hunter2") {
			t.Errorf("%s: the body is repeated: %v", c.name, err)
		}
	}
	params, err := readPost(post("application/json; charset=UTF-8", `{"query":"{a}","QUERY":"{b}","operationName":null,"variables":null}`))
	if err != nil || params.Query != "{a}" {
		t.Errorf("got %+v %v", params, err)
	}
	compressed := post(plainJSON, `{"query":"{a}"}`)
	compressed.Header.Set("Content-Encoding", "gzip")
	if _, err := readPost(compressed); !fault.Is(err, fault.UnsupportedMediaType) {
		t.Errorf("a compressed body: %v", err)
	}
}

func FuzzReadPost(f *testing.F) {
	f.Add(`{"query":"{a}","variables":{"x":1}}`)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest(http.MethodPost, "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", plainJSON)
		if params, err := readPost(r); err == nil && params.Query == "" && params.Extensions["persistedQuery"] == nil {
			t.Errorf("%q was taken for an operation", body)
		}
	})
}

func TestIfNoneMatch(t *testing.T) {
	for value, want := range map[string]bool{`"a"`: true, `W/"a"`: true, `"b", "a"`: true, `*`: true, `"b"`: false, ``: false, `a`: false} {
		if got := matches([]string{value}, `"a"`); got != want {
			t.Errorf("%s: %v", value, got)
		}
	}
}
