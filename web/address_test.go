package web

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-chi/chi/v5/middleware"
)

// TestClientAddress: a forwarded address is believed from a trusted proxy only.
func TestClientAddress(t *testing.T) {
	for _, c := range []struct {
		name      string
		trusted   []string
		peer      string
		forwarded string
		want      string
	}{
		{"no proxy is trusted", nil, "192.0.2.9:1234", "203.0.113.5", "192.0.2.9"},
		{"a trusted proxy", []string{"192.0.2.0/24"}, "192.0.2.9:1234", "203.0.113.5", "203.0.113.5"},
		{"what the client wrote before the proxy did", []string{"192.0.2.0/24"}, "192.0.2.9:1234", "198.51.100.1, 203.0.113.5", "203.0.113.5"},
		{"a peer that is no trusted proxy", []string{"192.0.2.0/24"}, "198.51.100.77:1234", "203.0.113.5", "198.51.100.77"},
		{"two trusted proxies", []string{"192.0.2.0/24"}, "192.0.2.9:1234", "203.0.113.5, 192.0.2.8", "203.0.113.5"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		got := ""
		clientAddress(c.trusted)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = middleware.GetClientIP(r.Context()) })).ServeHTTP(httptest.NewRecorder(), r)
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
