package web

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestUndeclaredParametersPanic: a handler cannot read what the document does not have.
func TestUndeclaredParametersPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	op := &operation{id: "op", parameters: []parameter{{name: "a"}}}
	p, err := op.read(httptest.NewRequest(http.MethodGet, "/?a=1&b=2", nil))
	if err != nil || p.text("a") != "1" {
		t.Fatalf("%v", err)
	}
	p.text("b")
}

// BenchmarkRead is what the declaration costs a request, of which parsing the query is most.
func BenchmarkRead(b *testing.B) {
	h := described(b)
	op := h.marketChartOperation()
	r := httptest.NewRequest(http.MethodGet, "/market_chart?asset=bitcoin&currency=usd&days=30&interval=daily", nil)
	b.Run("declared", func(b *testing.B) {
		for b.Loop() {
			if _, err := op.read(r); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("query alone", func(b *testing.B) {
		for b.Loop() {
			if _, err := parse(r); err != nil {
				b.Fatal(err)
			}
		}
	})
}
