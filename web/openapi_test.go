package web

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/go-chi/chi/v5"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/market"
	"github.com/coingraph/coingraph/resolvers"
)

// described is a handler that has all that the document is made of, and nothing else.
func described(t testing.TB) *Handler {
	t.Helper()
	sink := audit.NewSink(audit.SinkOptions{})
	t.Cleanup(sink.Close)
	return New(Options{
		Resolver: &resolvers.Resolver{Market: market.NewService(market.Options{Currencies: market.AllCurrencies()})},
		Log:      sink.Logger(), Sink: sink, Strangers: NewAddressLimit(1, time.Minute), MetricsPage: http.NotFoundHandler(), OpenMetrics: true,
	})
}

// TestDocument: the document is OpenAPI 3.1, examples fit their schemas, and it is served as it is.
func TestDocument(t *testing.T) {
	h := described(t)
	doc, err := openapi3.NewLoader().LoadFromData(h.Document())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if w.Code != http.StatusOK || w.Body.String() != string(h.Document()) || w.Header().Get("Cache-Control") != "public, max-age=300" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	r := httptest.NewRequest(http.MethodGet, "/openapi.json", nil)
	r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	w = httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != http.StatusNotModified || w.Body.Len() != 0 {
		t.Errorf("%d", w.Code)
	}
}

// TestEveryRouteIsDescribed: what the router has and the document has not are pages, their files, and what answers for all
// other paths.
func TestEveryRouteIsDescribed(t *testing.T) {
	h := described(t)
	doc, err := openapi3.NewLoader().LoadFromData(h.Document())
	if err != nil {
		t.Fatal(err)
	}
	undescribed := []string{"/", "/page.js", "/page.css", "/favicon.svg", "/docs", "/redoc", "/playground", "/openapi.json", geckoPath + "/*"}
	routes := 0
	err = chi.Walk(h.router.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		routes++
		if slices.Contains(undescribed, route) || strings.HasPrefix(route, assetsPath) {
			return nil
		}
		if item := doc.Paths.Value(route); item == nil || item.GetOperation(method) == nil {
			t.Errorf("%s %s is not in the document", method, route)
		}
		return nil
	})
	if err != nil || routes < doc.Paths.Len() {
		t.Errorf("%d routes, %v", routes, err)
	}
}
