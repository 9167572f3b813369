package web

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"github.com/coingraph/coingraph/audit"
	"github.com/coingraph/coingraph/resolvers"
)

// TestPanicsAreInternal: the client is told nothing but the request's id, and the log everything.
func TestPanicsAreInternal(t *testing.T) {
	var log bytes.Buffer
	sink := audit.NewSink(audit.SinkOptions{Console: &log})
	h := &Handler{opts: Options{Log: sink.Logger(), Sink: sink, Resolver: &resolvers.Resolver{}}}
	r := chi.NewRouter()
	r.Use(h.observe, h.recover)
	r.Get("/boom", func(http.ResponseWriter, *http.Request) { panic("hunter2") })
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/boom", nil))
	id := w.Header().Get("X-Request-Id")
	if body := w.Body.String(); w.Code != http.StatusInternalServerError || !strings.Contains(body, `"code":"INTERNAL"`) || !strings.Contains(body, id) || strings.Contains(body, "hunter2") {
		t.Errorf("%d %s", w.Code, body)
	}
	sink.Close()
	if !strings.Contains(log.String(), "hunter2") || strings.Count(log.String(), id) < 2 || !strings.Contains(log.String(), `"status":500`) {
		t.Errorf("the log: %s", &log)
	}
}
